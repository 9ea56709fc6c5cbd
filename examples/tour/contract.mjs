// What both ends share: the names of the methods and how their payloads are encoded.

import { bytes, event, method, stream } from 'ringpost'

/** Adds two numbers. Twice does no harm. */
export const Add = method('add', { idempotent: true })
/** Returns the bytes it receives. */
export const Echo = method('echo', { codec: bytes })
/** Always fails. */
export const Fail = method('fail')
/** Takes the given number of milliseconds, unless it is cancelled. */
export const Sleep = method('sleep')
/** Yields the words of a text, again and again, until the reader leaves. */
export const Words = stream('words')
/** A message without a reply. */
export const Note = event('note')
