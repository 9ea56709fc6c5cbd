// What rows are held to. The figures have one home: budgets.json.

import { readFileSync } from 'node:fs'
import type { Row } from './compare.mjs'
import { ROOT } from './transports.mjs'

export interface Budget {
  /** Of the row, as `engine` prints it. */
  id: string
  /** What is required, and the goal. */
  bar: number
  aim: number
  /** Less is better. */
  atMost?: boolean
  /** The share a change may lose: the gate measures the rows that have one. */
  tolerance?: number
}

export const budgets = JSON.parse(
  readFileSync(new URL('benches/budgets.json', ROOT), 'utf8'),
) as Budget[]

/** Whether a row reaches what it is held to. */
export function judge(
  { ratio }: Row,
  { bar, aim, atMost }: Budget,
): { sign: string; word: string } {
  const reaches = (goal: number) => (atMost ? ratio <= goal : ratio >= goal)
  const word = reaches(aim) ? 'aim' : reaches(bar) ? 'bar' : 'MISSED'
  return { sign: atMost ? '≤' : '≥', word }
}
