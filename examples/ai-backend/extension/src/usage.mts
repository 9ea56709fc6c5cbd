// What the backend has done, in a sentence.

import type { Usage } from '../../contract.mjs'

export function usageText(usage: Usage): string {
  const { backend, pid, editors, requests, cancelled, failed, tokens, meanMicros } = usage
  const counts = [
    count(editors, 'window'),
    `${count(requests, 'request')} (${cancelled} cancelled, ${failed} failed)`,
    count(tokens, 'token'),
    `${(meanMicros / 1000).toFixed(1)} ms in the mean`,
    `up for ${usage.uptimeSeconds.toFixed()} s`,
  ]
  return `Backend ${backend}, process ${pid}: ${counts.join(', ')}.`
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`
