// How long commands take, beside what they are held to.

import { setTimeout as sleep } from 'node:timers/promises'
import { now, parameter, PERIOD_NS, type Report } from './contract.mjs'
import type { Control, Measurement } from './control.mjs'

/** In nanoseconds. */
export interface Summary {
  p50: number
  p95: number
  p99: number
  max: number
  /** The standard deviation. */
  jitter: number
}

/** What the way to a thread that is woken may take, and what was asked of native code. */
export const FLOORS = { p50: 100e3, p95: 250e3, p99: 500e3, jitter: 100e3 }
export const TARGETS = { p50: 50e3, p95: 200e3 }

/** How long reports may take that are on their way when all commands were sent. */
const REPORTED_MS = 5_000

const COLUMNS = ['p50', 'p95', 'p99', 'max', 'jitter'] as const

/** Changes nothing that is heard. */
const ACTION = parameter('gain', 1)

/** Round trips to a thread of the audio process that is woken for each. */
export async function woken(
  control: Control,
  count: number,
  pauseMs: number,
): Promise<Measurement[]> {
  const measured: Measurement[] = []
  for (let number = 0; number < count; number++) {
    measured.push(await control.measure(ACTION))
    await sleep(pauseMs)
  }
  return measured
}

/** What becomes of commands that nothing waits for. */
export class Reports {
  readonly #sentAt = new Map<bigint, bigint>()
  /** From sending a command to the period in which the audio thread has read it. */
  readonly waits: number[] = []
  /** Frames by which they were carried out too late. */
  readonly lateness: number[] = []

  readonly add = (report: Report): void => {
    const sentAt = this.#sentAt.get(report.number)
    if (sentAt === undefined) return
    this.#sentAt.delete(report.number)
    this.waits.push(Number(report.readAt - sentAt))
    this.lateness.push(Number(report.applied - report.due))
  }

  /** Sends commands, and waits until each was reported, or should have been. */
  async collect(control: Control, count: number, pauseMs: number): Promise<void> {
    for (let sent = 0; sent < count; sent++) {
      const at = now()
      const number = control.send(ACTION, at, true)
      if (number === null) throw new Error('the audio process is gone')
      this.#sentAt.set(number, at)
      await sleep(pauseMs)
    }
    for (const end = Date.now() + REPORTED_MS; this.lost > 0 && Date.now() < end; ) await sleep(5)
  }

  /** How many were never reported. */
  get lost(): number {
    return this.#sentAt.size
  }
}

export function summary(values: number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const jitter = Math.sqrt(squares / values.length)
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1), jitter }
}

/** A table in microseconds; a floor says whether it is met. */
export function table(rows: [title: string, Partial<Summary>, floors?: Partial<Summary>][]): string {
  const cells = rows.map(([title, values, floors]) => [
    title,
    ...COLUMNS.map((column) => {
      const value = values[column]
      if (value === undefined) return ''
      const floor = floors?.[column]
      const mark = floor === undefined ? ' ' : value <= floor ? '✓' : '✗'
      return `${(value / 1e3).toFixed(1)} ${mark}`
    }),
  ])
  cells.unshift(['µs', ...COLUMNS.map((column) => `${column}  `)])
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)))
  const line = (row: string[]) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at] + 2))).join('')
  return cells.map((row) => line(row).trimEnd()).join('\n')
}

/** In words, for the audio thread, which is not woken but looks once in a period. */
export function periodsInWords({ waits, lateness, lost }: Reports): string {
  const late = lateness.filter((frames) => frames > 0).length
  const within = waits.filter((wait) => wait <= PERIOD_NS).length
  return (
    `${waits.length} commands that nothing answers: ${within} were read within a period ` +
    `(${(PERIOD_NS / 1e6).toFixed(1)} ms), ${late} were heard late, ${lost} were lost`
  )
}
