// What both sides share: names, types, and how payloads travel.

import { bytes, event, method } from 'ringpost'

/** Adds numbers. */
export const Add = method('add')
/** Gives the bytes back. */
export const Echo = method('echo', { codec: bytes })
/** Always fails. */
export const Fail = method('fail')
/** Takes as many milliseconds as it is told, unless it is told to stop. */
export const Sleep = method('sleep')
/** A message nobody answers. */
export const Note = event('note')
