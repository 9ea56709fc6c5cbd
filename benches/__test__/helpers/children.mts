// The processes that another has started.

import { readdirSync, readFileSync } from 'node:fs'

export function childrenOf(pid: number): number[] {
  const isChild = (entry: string) => {
    try {
      return readFileSync(`/proc/${entry}/stat`, 'utf8').split(') ')[1].split(' ')[1] === `${pid}`
    } catch {
      return false // not a process, or one that has ended
    }
  }
  return readdirSync('/proc').filter(isChild).map(Number)
}
