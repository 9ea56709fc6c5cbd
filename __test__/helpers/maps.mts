// Maps that tests and their programs share.

import { bytes, sharedMap } from 'ringpost'
import type { Whole } from './frames.mjs'

export const Wholes = (name: string) => sharedMap<Whole>(name, { entriesMax: 32 })
export const Numbers = (name: string) => sharedMap<number>(name, { entriesMax: 32 })
export const Raw = (name: string) =>
  sharedMap(name, { codec: bytes, entriesMax: 4, keyLengthMax: 8, valueLengthMax: 64 })

/** Keys that are replaced all the time, and keys that come and go. */
export const STAY = ['a', 'b', 'c', 'd']
export const GO = ['e', 'f', 'g', 'h']
