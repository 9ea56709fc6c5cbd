// The object that is sent where a program sends objects and not bytes, and how its receiver proves
// that it has read all of it.

import { isDeepStrictEqual } from 'node:util'

/** What it takes as MessagePack, to a few bytes: 20 fields of the kinds that programs have. */
export const ITEM_LEN = 1024

export interface Item {
  number: number
  [field: string]: string | number | boolean | null
}

export const makeItem = (number: number): Item => ({
  number,
  id: 'c0a8f3d2-5b1e-4f6a-9d37-2e8b14f0a6c5',
  session: 'b7e23ec29af22b0b4e41da31e868d57226121c84',
  kind: 'textDocument/didChange',
  path: '/home/user/projects/editor/packages/server/src/connection/dispatcher.ts',
  language: 'typescript',
  version: 4_711,
  line: 1_284,
  column: 37,
  length: 12,
  offset: 48_213,
  time: 1_741_944_413_589.25,
  duration: 0.004_217,
  isSaved: false,
  isDirty: true,
  parent: null,
  before: 'const answer = await client.request(Divide, { a: 42, b: 6 }, { signal })'.repeat(3),
  after: 'const { quotient } = await client.request(Divide, { a: 42, b: 6 })'.repeat(3),
  summary:
    'the answer is taken apart where it arrives, so that its parts have names of their own; what ' +
    'was sent is unchanged, and so is what a caller of the older name receives from it',
  digest: '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae',
})

/** Reads every field, the least a use of all of it does. */
export function touchItem(item: Item): number {
  let sum = 0
  for (const field in item) {
    const value = item[field]
    sum += typeof value === 'string' ? value.length : Number(value)
  }
  return sum
}

/** Throws unless it is the item of that number. */
export function compareItem(found: Item, number: number): void {
  if (!isDeepStrictEqual({ ...found }, makeItem(number))) {
    throw new Error(`the object with number ${number} came out different`)
  }
}
