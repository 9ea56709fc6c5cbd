// The facts about a run without which its figures mean nothing.

import type { Results } from '../results.mjs'
import { round } from '../words.mjs'
import { span } from './soak.mjs'
import { caution } from './table.mjs'
import { figure } from './view.mjs'

export interface Notice {
  kind: 'failed' | 'warning'
  title: string
  lines: string[]
}

/** What failed and what spoilt it, the worst first. */
export function notices({ failures, missed, interrupted, state }: Results): Notice[] {
  const all: Notice[] = []
  if (failures.length > 0) {
    const title = failures.length === 1 ? 'One thing failed' : `${failures.length} things failed`
    all.push({ kind: 'failed', title, lines: failures })
  }
  if (missed.length > 0) {
    const many = `${missed.length} figures missed their floors or bars`
    const title = missed.length === 1 ? 'One figure missed its floor or bar' : many
    all.push({ kind: 'failed', title, lines: missed })
  }
  if (interrupted) {
    const lines = ['It ended before it was done. This is what was known by then.']
    all.push({ kind: 'warning', title: 'The run was interrupted', lines })
  }
  const [, ...spoilt] = caution(state)
  if (spoilt.length > 0) {
    const lines = spoilt.map((line) => line.replace(/^CAUTION: t/, 'T').replace(/^CAUTION: s/, 'S'))
    all.push({ kind: 'warning', title: 'The machine was not quiet', lines })
  }
  return all
}

/** The machine and its state, by name. */
export function facts({ machine, state, settings }: Results): [string, string][] {
  const { processor, cores, memoryBytes, kernel, node, commit } = machine
  const pings = state.linePings.filter(Number.isFinite)
  const nearest = figure(Math.min(...pings), 'ns')
  const farthest = figure(Math.max(...pings), 'ns')
  const spread = `${nearest} to ${farthest} in ${pings.length} measurements`
  return [
    ['Processor', processor],
    ['Cores', String(cores)],
    ['Memory', figure(memoryBytes / 2 ** 30, 'GiB')],
    ['Kernel', `Linux ${kernel}`],
    ['Node.js', node],
    ['Commit', commit],
    ['Turns', turns(settings)],
    ['Cores of the two sides', pinning(settings)],
    ['Load at the end', round(state.load)],
    ['Stolen by other guests', `${round(state.stolen * 100)} % of the time`],
    ['A cache line to the other core and back', pings.length === 0 ? 'not measured' : spread],
  ]
}

function turns({ repeats, ms, quick }: Results['settings']): string {
  const short = quick === true ? ', short forms' : ''
  return `${Number(repeats)} of ${Number(ms)} ms each${short}`
}

function pinning({ cores }: Results['settings']): string {
  const { client, server } = (cores ?? {}) as { client?: string; server?: string }
  if (client === undefined && server === undefined) return 'chosen by the kernel'
  return `client: ${client ?? 'any'}; server: ${server ?? 'any'}`
}

/** What was asked for, when, and for how long. */
export function headline({ command, started, seconds }: Results): {
  command: string
  when: string
} {
  const [, day, time] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)\S*Z$/.exec(started) ?? []
  const when = day === undefined ? started : `${day} ${time} UTC`
  return {
    command: ['npm run bench --', ...command].join(' '),
    when: `${when}, took ${span(seconds)}`,
  }
}
