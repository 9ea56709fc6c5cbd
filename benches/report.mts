// A table for people.

import { readFileSync } from 'node:fs'
import type { Row } from './compare.mjs'
import type { Machine, Noise } from './machine.mjs'
import type { Verdict } from './suites/against.mjs'

export interface Budget {
  id: string
  bar: number
  aim: number
  atMost?: boolean
}

/** The one home of what rows are held to. */
export const budgets = JSON.parse(
  readFileSync(new URL('../../benches/budgets.json', import.meta.url), 'utf8'),
) as Budget[]

const WIDTH = 56

export function heading(machine: Machine, transport: Record<string, unknown>): string {
  const { processor, cores, kernel, node, commit } = machine
  const { transport: memory, crc, rings } = transport as {
    transport: string
    crc: string
    rings: Record<string, number>
  }
  const geometry = Object.entries(rings).map(([ring, bytes]) => `${ring} ${bytes / 1024} KiB`)
  return [
    `${processor}, ${cores} cores, Linux ${kernel}, Node ${node}, commit ${commit}`,
    `memory ${memory}, checksums ${crc}, payloads raw bytes, rings each way: ${geometry.join(', ')}`,
    'reference: a Unix socket of Node\'s own (benches/peers/uds.mjs), in the same run, in turns',
    '',
    `${'measured'.padEnd(WIDTH)} ${'Ringpost'.padStart(12)} ${'reference'.padStart(12)}  ` +
      `${'ratio'.padStart(7)}  ${'spread'.padEnd(13)} ${'cores used'.padEnd(11)} bar / aim`,
  ].join('\n')
}

export function line(row: Row): string {
  const budget = budgets.find(({ id }) => id === row.id)
  const verdict = budget === undefined ? '' : goals(row, budget)
  const figure = (value: number) =>
    (Number.isNaN(value) ? '' : human(value, row.unit)).padStart(12)
  const alone = Number.isNaN(row.reference)
  const ratio = alone ? '' : `${round(row.ratio)}×`
  const spread = alone ? '' : `${round(row.spread[0])}–${round(row.spread[1])}`
  const cpu = row.cpu && row.cpu.ours > 0 ? `${round(row.cpu.ours)} / ${round(row.cpu.reference)}` : ''
  return (
    `${row.name.padEnd(WIDTH)} ${figure(row.ours)} ${figure(row.reference)}  ` +
    `${ratio.padStart(7)}  ${spread.padEnd(13)} ${cpu.padEnd(11)} ${verdict}`
  ).trimEnd()
}

export function verdictLine({ name, ours, reference, unit, ratio, interval, verdict }: Verdict): string {
  const [low, high] = interval.map((bound) => bound.toFixed(3))
  return (
    `${name.padEnd(WIDTH)} ${human(ours, unit).padStart(12)} ${human(reference, unit).padStart(12)}  ` +
    `${ratio.toFixed(3)}×  95 %: ${low}–${high}  ${verdict}`
  )
}

function goals(row: Row, budget: Budget): string {
  const { sign, word } = judge(row, budget)
  return `${sign} ${budget.bar} / ${budget.aim}: ${word}`
}

/** What may have spoilt the comparison. */
export function caution({ load, stolen }: Noise): string {
  const words = [`load ${round(load)}`, `${round(stolen * 100)} % of the time stolen by other guests`]
  return `during the run: ${words.join(', ')}`
}

export function judge({ ratio }: Row, { bar, aim, atMost }: Budget): { sign: string; word: string } {
  const reaches = (goal: number) => (atMost ? ratio <= goal : ratio >= goal)
  const word = reaches(aim) ? 'aim' : reaches(bar) ? 'bar' : 'MISSED'
  return { sign: atMost ? '≤' : '≥', word }
}

export function human(value: number, unit: string): string {
  if (unit === 'ns') return value < 1e3 ? `${round(value)} ns` : scaled(value, ['ns', 'µs', 'ms', 's'])
  if (unit === '/s') return scaled(value, ['/s', 'k/s', 'M/s', 'G/s'])
  if (unit === 'B/s') return scaled(value, ['B/s', 'kB/s', 'MB/s', 'GB/s'])
  return `${round(value)} ${unit}`
}

function scaled(value: number, units: string[]): string {
  let index = 0
  while (value >= 1000 && index < units.length - 1) {
    value /= 1000
    index++
  }
  return `${round(value)} ${units[index]}`
}

export function round(value: number): string {
  if (Number.isNaN(value)) return '–'
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
