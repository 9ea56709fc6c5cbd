// What misses what it is held to: floors, bars, and the verdict of a soak.

import { budgets, judge } from './budgets.mjs'
import type { Row } from './compare.mjs'
import type { Check, Results, Soak } from './results.mjs'
import { human, round } from './words.mjs'

/** All of it, each in one line. What has failed is not in it: that has no figures to judge. */
export function missed({
  measurements,
  rows,
  soak,
}: Pick<Results, 'measurements' | 'rows' | 'soak'>): string[] {
  const floors = measurements.flatMap(({ name, transport, checks }) => {
    const what = transport === 'ringpost' ? name : `${name}, ${transport}`
    return checks.filter(({ ok }) => !ok).map((check) => `${what}: ${checkInWords(check)}`)
  })
  return [...floors, ...rows.flatMap(missedBar), ...(soak === null ? [] : leaks(soak))]
}

export function checkInWords({ what, unit, floor, atMost, seen }: Check): string {
  return `${what}: ${human(seen, unit)}, wanted ${atMost ? '≤' : '≥'} ${human(floor, unit)}`
}

function missedBar(row: Row): string[] {
  const budget = budgets.find(({ id }) => id === row.id)
  if (budget === undefined || row.fault !== undefined) return []
  const { sign, word } = judge(row, budget)
  if (word !== 'MISSED') return []
  const seen = Number.isFinite(row.reference) ? `${round(row.ratio)}×` : human(row.ours, row.unit)
  return [`${row.name}: ${seen}, bar ${sign} ${budget.bar}`]
}

function leaks({ verdict, trends }: Soak): string[] {
  if (verdict !== 'leak') return []
  return trends.filter(({ verdict }) => verdict === 'grows').map(({ of }) => `soak: ${of} grows`)
}
