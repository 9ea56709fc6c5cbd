// What both sides share: names, types, and how payloads travel.

import { bytes, event, method, stream } from 'ringpost'

/** Adds numbers. */
export const Add = method('add')
/** Gives the bytes back. */
export const Echo = method('echo', { codec: bytes })
/** Always fails. */
export const Fail = method('fail')
/** Takes as many milliseconds as it is told, unless it is told to stop. */
export const Sleep = method('sleep')
/** Says one word after the other, for as long as anybody listens. */
export const Words = stream('words')
/** A message nobody answers. */
export const Note = event('note')
