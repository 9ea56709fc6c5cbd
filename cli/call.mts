// ringpost call: one request, stream or event by hand.

import { readFileSync } from 'node:fs'
import { addAbortSignal } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import * as ringpost from 'ringpost'
import { command, oneOf, whole, type Given } from './command.mjs'
import { areSeen, names } from './names.mjs'
import { described, Ended, endings, print, say } from './output.mjs'
import { raw, shown, SHOWN } from './show.mjs'
import { UsageError } from './usage.mjs'

const CODECS = {
  messagepack: ringpost.messagePack,
  json: ringpost.json,
  bytes: ringpost.bytes,
}
const CODEC_NAMES = Object.keys(CODECS) as (keyof typeof CODECS)[]

const OPTIONS = {
  stream: { about: '<method> is a stream: print its items as they come, each on a line' },
  notify: { about: '<method> is an event: send it, and wait for nothing' },
  codec: {
    value: 'CODEC',
    completed: CODEC_NAMES,
    about: `${CODEC_NAMES.join(', ')}: that of the contract (default: ${CODEC_NAMES[0]})`,
  },
  compress: { about: 'the contract says that long payloads are compressed' },
  raw: { about: 'print bytes and texts as they are, with nothing added' },
  timeout: {
    value: 'MS',
    about: 'milliseconds to wait for the answer (default: 30,000; of a stream: no limit)',
  },
  'token-file': {
    value: 'FILE',
    about: "a file with the server's token; a line break at its end does not count",
  },
} as const

export const call = command({
  name: 'call',
  summary: 'call a method of a server, read a stream or send an event',
  synopsis: '<server> <method> [params] [options]',
  about: `Sends a request and prints the answer.

  <server>  the name that a server has
  <method>  the name of a method, or of a stream or an event
  [params]  JSON, or with --codec bytes any text; '-' reads standard input

${SHOWN}
An answer has line breaks on a terminal and is one line elsewhere. The result of a stream, if it has
one, is printed to standard error.

Contracts with a codec of their own, as layouts are, cannot be called by hand. Whether an event has
a handler is not known to its sender. A token can be given in RINGPOST_TOKEN as well, but in no
argument, because all users see those.`,
  completed: ['server'],
  options: OPTIONS,
  exits: `0, or 1 if the call has failed, 2 for a mistake in the command line, 3 if there is no
such server, 4 if the program failed, 130 if it was interrupted: the handler is then cancelled`,
  async run(given) {
    check(given)
    const signal = endings()
    const ready = await prepare(given, signal)
    try {
      const { server, token } = ready
      const client = await ringpost.connect(server, { token, reconnect: false, signal })
      try {
        await ready.send(client)
      } finally {
        await client.close()
      }
      return 0
    } catch (error) {
      signal.throwIfAborted()
      return failed(error)
    }
  },
})

interface Ready {
  server: string
  token: string | Uint8Array | undefined
  send(client: ringpost.Client): Promise<void>
}

/** Makes everything there is to send, before there is a connection. */
async function prepare(
  { values, words }: Given<typeof OPTIONS>,
  signal: AbortSignal,
): Promise<Ready> {
  const [server, name, text] = words
  const token = tokenOf(values['token-file'])
  const { compress } = values
  const codecName = oneOf('codec', CODEC_NAMES, values.codec ?? CODEC_NAMES[0])
  const codec: ringpost.Codec<any> = CODECS[codecName]
  const options = { signal, timeoutMs: whole('timeout', values.timeout) }
  const params = await paramsOf(text, codecName, signal)
  if (values.notify) {
    const event = contract(() => ringpost.event(name, { codec, compress }))
    return { server, token, send: (client) => client.send(event, params) }
  }
  if (values.stream) {
    const stream = contract(() => ringpost.stream(name, { codec }))
    const send = async (client: ringpost.Client) => {
      const flow = client.stream(stream, params, options)
      await printAll(flow, values.raw, signal)
    }
    return { server, token, send }
  }
  const method = contract(() => ringpost.method(name, { codec, compress }))
  const send = async (client: ringpost.Client) => {
    const result: unknown = await client.request(method, params, options)
    const pretty = process.stdout.isTTY
    await print(values.raw ? asItIs(result) : `${shown(result, pretty)}\n`, signal)
  }
  return { server, token, send }
}

/** Words that are missing or too many, and options that have no meaning together. */
function check({ values, words }: Given<typeof OPTIONS>): void {
  if (words.length === 0) throw new UsageError('a server is missing')
  if (words.length === 1) throw new UsageError('a method is missing')
  if (words.length > 3) throw new UsageError(`'${words[3]}' is one word too many`)
  const refuse = (option: 'stream' | 'notify', others: (keyof typeof OPTIONS)[]) => {
    const other = others.find((other) => values[option] && values[other])
    if (other) throw new UsageError(`--${option} and --${other} do not go together`)
  }
  refuse('notify', ['stream', 'raw', 'timeout'])
  refuse('stream', ['compress'])
}

function contract<T>(make: () => T): T {
  try {
    return make()
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function tokenOf(file: string | undefined): string | Uint8Array | undefined {
  if (file === undefined) return process.env.RINGPOST_TOKEN || undefined
  try {
    const bytes = readFileSync(file)
    return bytes.subarray(0, bytes.length - (bytes.at(-1) === 10 ? 1 : 0))
  } catch (error) {
    throw new UsageError(`the token cannot be read: ${(error as Error).message}`)
  }
}

async function paramsOf(
  text: string | undefined,
  codec: keyof typeof CODECS,
  signal: AbortSignal,
): Promise<unknown> {
  if (text === undefined) return undefined
  const given = text === '-' ? await input(signal) : Buffer.from(text)
  return codec === 'bytes' ? given : parsed(given.toString())
}

async function input(signal: AbortSignal): Promise<Buffer> {
  try {
    return await buffer(addAbortSignal(signal, process.stdin))
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}

function parsed(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new UsageError(`the params are no JSON: ${(error as Error).message}`)
  }
  for (const [token] of text.matchAll(/"(?:\\.|[^"\\]+)*"|-?\d[\d.eE+-]*/g)) {
    const isExact = token.startsWith('"') || isSent(token)
    if (!isExact) throw new UsageError(`${token} is too large a number to be sent as it is`)
  }
  return value
}

/** Whether a number of JSON is not another one by the time it is sent. */
function isSent(token: string): boolean {
  const number = Number(token)
  return /^-?\d+$/.test(token) ? Number.isSafeInteger(number) : Number.isFinite(number)
}

async function printAll(
  flow: ringpost.ClientStream,
  isRaw: boolean,
  signal: AbortSignal,
): Promise<void> {
  flow.end()
  // Where the items break off, it fails with the same.
  flow.result.catch(() => {})
  for await (const item of flow) await print(isRaw ? asItIs(item) : `${shown(item)}\n`, signal)
  const result: unknown = await flow.result
  if (result !== undefined && result !== null) say('call', `the result is ${shown(result)}`)
}

function asItIs(value: unknown): Uint8Array | string {
  const found = raw(value)
  if (found !== undefined) return found
  throw new Error(`--raw prints bytes and texts, and this is ${shown(value)}`)
}

function failed(error: unknown): number {
  if (error instanceof Ended) throw error
  say('call', described(error))
  if ((error as { code?: unknown }).code !== 'ERR_NO_SERVER') return 1
  const there = names('server')
  const said = there.length > 0 ? `servers: ${there.join(', ')}` : 'there is no server'
  if (areSeen) console.error(said)
  return 3
}
