// Axes: the places of values, and the choice of ticks.

import { human } from '../words.mjs'
import { FONT, widthOf } from './svg.mjs'

export interface Axis {
  /** What lies along it; the units of its ticks are added. */
  title: string
  kind: 'log' | 'linear'
  /** In words for people, with the unit. */
  label(value: number): string
  /** @default chosen from the values */
  ticks?: number[]
  /** Further values it has to include, so that plots beside each other can share it. */
  holds?: number[]
}

/** An axis as it is drawn. */
export interface Scale {
  /** From 0 to 1. */
  place(value: number): number
  ticks: { at: number; label: string }[]
  title: string
}

export function scale(axis: Axis, values: number[]): Scale {
  const shown = [...values, ...(axis.ticks ?? []), ...(axis.holds ?? [])].filter((value) =>
    axis.kind === 'log' ? value > 0 && Number.isFinite(value) : Number.isFinite(value),
  )
  const [low, high] = [lowest(shown), highest(shown)]
  const ticks = axis.ticks ?? (axis.kind === 'log' ? logTicks(low, high) : linearTicks(low, high))
  const from = axis.ticks === undefined ? Math.min(low, ticks[0]) : low
  const to = axis.ticks === undefined ? Math.max(high, ticks.at(-1)!) : high
  const along = axis.kind === 'log' ? Math.log : (value: number) => value
  const length = along(to) - along(from)
  const labelled = ticks.map((at) => ({ at, label: axis.label(at) }))
  return {
    place: (value) => (length === 0 ? 0.5 : (along(value) - along(from)) / length),
    ticks: labelled,
    title: withUnits(axis.title, labelled.map(({ label }) => label)),
  }
}

/** A figure without superfluous zeros: `10 µs`. */
export const plain = (value: number, unit: string): string =>
  human(value, unit).replace(/\.0+(?= |$)|(\.\d*[1-9])0+(?= |$)/, '$1')

/** The ticks of a horizontal axis whose labels do not touch; the last tick keeps its label. */
export function roomy<T extends { label: string }>(ticks: T[], x: (tick: T) => number): T[] {
  const kept: T[] = []
  for (const tick of [...ticks].reverse()) {
    const before = kept.at(-1)
    const apart = (widthOf(tick.label) + widthOf(before?.label ?? '')) / 2 + FONT / 2
    if (before === undefined || x(before) - x(tick) >= apart) kept.push(tick)
  }
  return kept.reverse()
}

const STEPS = [1, 2, 5, 10]

/** Decades, with steps between them where there are few. */
function logTicks(low: number, high: number): number[] {
  if (low === high) [low, high] = [low / 2, high * 2]
  const decade = (value: number) => 10 ** Math.floor(Math.log10(value) + 1e-9)
  const steps = Math.log10(high / low) > 2.5 ? [1] : STEPS.slice(0, 3)
  const all: number[] = []
  for (let base = decade(low); base <= high * 10; base *= 10) {
    all.push(...steps.map((step) => tidy(step * base)))
  }
  const first = all.findLastIndex((tick) => tick <= low * 1.001)
  const last = all.findIndex((tick) => tick >= high * 0.999)
  return all.slice(first, last + 1)
}

function linearTicks(low: number, high: number): number[] {
  if (low === high) [low, high] = [low - 1, high + 1]
  const rough = (high - low) / 5
  const base = 10 ** Math.floor(Math.log10(rough))
  const step = base * STEPS.find((each) => each * base >= rough * 0.999)!
  const first = Math.floor(low / step + 1e-9)
  const last = Math.ceil(high / step - 1e-9)
  return Array.from({ length: last - first + 1 }, (_, index) => tidy((first + index) * step))
}

/** Without what floating point leaves behind. */
const tidy = (value: number) => Number(value.toPrecision(12))

const lowest = (values: number[]) =>
  values.reduce((low, value) => Math.min(low, value), values[0] ?? 1)
const highest = (values: number[]) =>
  values.reduce((high, value) => Math.max(high, value), values[0] ?? 10)

function withUnits(title: string, labels: string[]): string {
  const units = new Set(labels.map((label) => label.split(' ')[1]).filter(Boolean))
  return units.size === 0 ? title : `${title} (${[...units].join(', ')})`
}
