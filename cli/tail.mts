// ringpost tail: the messages of a topic as they come.

import type { TopicItem } from 'ringpost'
import type { NativeFormat } from '../native/binding.js'
import { TopicContract } from '../ts/published/contract.js'
import { subscribe } from '../ts/published/subscription.js'
import { BYTES, json, MESSAGE_PACK, messagePack, OWN } from '../ts/values/codec.js'
import { layoutFrom } from '../ts/values/layout.js'
import { command, oneOf, whole } from './command.mjs'
import { described, Ended, endings, print, say } from './output.mjs'
import { raw, shown, SHOWN } from './show.mjs'
import { UsageError } from './usage.mjs'

/** Where to start, and what that is for a subscription. */
const STARTS = {
  newest: { retained: true },
  oldest: { from: 'oldest' },
  next: {},
} as const
const START_NAMES = Object.keys(STARTS) as (keyof typeof STARTS)[]

export const tail = command({
  name: 'tail',
  summary: 'print the messages of a topic as they come',
  synopsis: '<topic> [options]',
  about: `Prints each message of a topic on a line, also of publishers that come later, until it is
interrupted. A topic that is not there yet is waited for.

${SHOWN}
Messages are decoded as their publisher says; those that cannot be are bytes. What was missed is
told on standard error.`,
  completed: ['topic'],
  options: {
    from: {
      value: 'START',
      completed: START_NAMES,
      about: `${START_NAMES.join(', ')}: the message to start with, of those that are there
(default: ${START_NAMES[0]})`,
    },
    lines: { value: 'N', about: 'end after N messages' },
    lossless: {
      about: `miss nothing: the publisher waits for this reader, as long as it has been told to,
and then goes on without it. Without this, it never waits`,
    },
    json: {
      about: `print an object for each message: number, generation (of its publisher),
time, skipped (messages missed before it), value`,
    },
    raw: { about: 'print bytes and texts as they are, with nothing added' },
  },
  exits: `0, or 1 if the topic cannot be read, 2 for a mistake in the command line, 4 if the
program failed, 130 if it was interrupted`,
  async run({ values, words: [name, ...more] }) {
    if (name === undefined) throw new UsageError('a topic is missing')
    if (more.length > 0) throw new UsageError(`'${more[0]}' is one word too many`)
    if (values.json && values.raw) throw new UsageError('--json and --raw do not go together')
    const start = STARTS[oneOf('from', START_NAMES, values.from ?? START_NAMES[0])]
    const lines = whole('lines', values.lines) ?? Infinity
    const mode = values.lossless ? 'lossless' : 'lossy'
    const lineOf = values.json ? record : values.raw ? asItIs : valueOnly
    const signal = endings()
    try {
      await follow(name, { ...start, mode }, lines, lineOf, signal)
      return 0
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof Ended) throw error
      say('tail', described(error))
      return 1
    }
  },
})

async function follow(
  name: string,
  options: Parameters<typeof subscribe>[1],
  lines: number,
  lineOf: (item: TopicItem) => string | Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  using subscription = subscribe(new AnyTopic(name), options)
  signal.addEventListener('abort', () => subscription.close(), { once: true })
  let first = subscription.take()
  if (first === undefined && !subscription.hasPublisher) say('tail', 'waiting for a publisher')
  let count = 0
  for (;;) {
    const { value: item } = first ? { value: first } : await subscription.next()
    first = undefined
    signal.throwIfAborted()
    if (item === undefined) return
    if (item.restarted) say('tail', 'there is another publisher')
    if (item.skipped > 0) say('tail', `${item.skipped} messages before the next were missed`)
    await print(lineOf(item), signal)
    if (++count === lines) return
  }
}

const line = (value: unknown) => `${shown(value)}\n`

const valueOnly = ({ value }: TopicItem) => line(value)

function record({ number, generation, skipped, ageMs, value }: TopicItem): string {
  const time = new Date(Date.now() - ageMs).toISOString()
  return line({ number, generation, time, skipped, value })
}

function asItIs({ number, value }: TopicItem): string | Uint8Array {
  const found = raw(value)
  if (found !== undefined) return found
  throw new Error(`--raw prints bytes and texts, and message ${number} is ${shown(value)}`)
}

/** A topic in whatever format its publisher writes. Only the copy of the library that this class
 * is of asks it for that. */
class AnyTopic extends TopicContract {
  override decoder(found: NativeFormat): (bytes: Uint8Array) => unknown {
    const decode = decoderOf(found)
    return (bytes) => {
      try {
        return decode(bytes)
      } catch (error) {
        say('tail', `the next message cannot be decoded: ${described(error)}`)
        return copyOf(bytes)
      }
    }
  }
}

function decoderOf({ codec, description }: NativeFormat): (bytes: Uint8Array) => unknown {
  if (description !== '') return layoutDecoder(description)
  if (codec === BYTES) return copyOf
  if (codec !== OWN) return (codec === MESSAGE_PACK ? messagePack : json).decode
  say('tail', 'messages have a codec of their own, and are printed as bytes')
  return copyOf
}

function layoutDecoder(description: string): (bytes: Uint8Array) => unknown {
  try {
    return layoutFrom(description).decode
  } catch (error) {
    say('tail', `messages are printed as bytes: ${described(error)}`)
    return copyOf
  }
}

const copyOf = (bytes: Uint8Array) => Uint8Array.prototype.slice.call(bytes)
