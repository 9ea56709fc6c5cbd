// What the codec structuredClone carries between processes, what codecs make of values as
// docs/codecs.md says, and what hostile bytes come to.

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { runInNewContext, runInThisContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import {
  bytes,
  connect,
  messagePack,
  method,
  openMap,
  openStateFrame,
  structuredClone as codec,
  subscribe,
  type IpcError,
} from 'ringpost'
import { Echoed, Echoes, IsShared, Kept, Messages, Newest, Said, Things } from './helpers/clones.mjs'
import { Program } from './helpers/program.mjs'
import { eachSeed, type Random } from './helpers/random.mjs'

const program = new Program('clones', { name: 'clones' })
await program.report()
const client = await connect('clones')
test.after.always(() => client.close())

function same(t: ExecutionContext, found: unknown, expected: unknown, note?: string): void {
  if (isDeepStrictEqual(found, expected)) t.pass()
  else t.deepEqual(found, expected, note)
}

const refused = (message: string | RegExp) => ({ code: 'ERR_INVALID_PAYLOAD', message })

// ---- what is carried ----

const cycle: Record<string, unknown> = { list: [] }
cycle.itself = cycle
class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}
}

const DOCUMENT = readFileSync(new URL('../../docs/codecs.md', import.meta.url), 'utf8')
const NAMES = ['messagePack', 'json', 'structuredClone'] as const
const ROWS = [...DOCUMENT.matchAll(/^\| `(.+?)`.*? \| (.+?) \| (.+?) \| (.+?) \|$/gm)].filter(
  ([, value]) => !/^(messagePack|json|bytes|layout|structuredClone)\b/.test(value),
)

/** What an expression of the document stands for, in this realm. */
const evaluated = (text: string): unknown =>
  (runInThisContext(`(cycle, Point) => (${text})`) as (...of: unknown[]) => unknown)(cycle, Point)

test('values become what the document says', async (t) => {
  t.true(ROWS.length > 35)
  for (const [, text, ...cells] of ROWS) {
    for (const [at, cell] of cells.entries()) {
      const codecName = NAMES[at]
      const asked = client.request(Echoes[codecName], evaluated(text))
      const note = `${text} as ${codecName}`
      if (cell === 'refused') {
        await t.throwsAsync(asked, { code: 'ERR_INVALID_PAYLOAD' }, note)
        continue
      }
      const expected = cell === 'same' ? text : /^`(.+)`$/.exec(cell)![1]
      const found: unknown = await asked
      if (found instanceof Error) t.is(String(found), String(evaluated(expected)), note)
      else same(t, found, evaluated(expected), note)
    }
  }
})

test('an object that is in a value twice arrives as one', async (t) => {
  const one = { a: 1 }
  t.true(await client.request(IsShared, [one, one]))
  t.false(await client.request(IsShared, [one, { a: 1 }]))
  const back = (await client.request(Echoes.structuredClone, cycle)) as typeof cycle
  t.is(back.itself, back)
})

test('an error arrives with its class, message, stack and cause', async (t) => {
  const sent = new RangeError('far', { cause: new Map([['why', new TypeError('inner')]]) })
  const back = (await client.request(Echoes.structuredClone, sent)) as RangeError
  t.true(back instanceof RangeError)
  t.like(back, { message: 'far', stack: sent.stack })
  t.is((back.cause as Map<string, Error>).get('why')!.message, 'inner')
})

test('values of another realm are carried', async (t) => {
  const other = runInNewContext('new Map([[1, new Set([new Date(5), /x/, 2n])]])') as unknown
  const expected = new Map([[1, new Set([new Date(5), /x/, 2n])]])
  same(t, await client.request(Echoes.structuredClone, other), expected)
})

test('streams, events and what is published carry the same', async (t) => {
  const value = new Map([['at', new Date(5)]])
  const items = client.stream(Echoed, value)
  items.write(new Set([1n]))
  items.end()
  const found: unknown[] = []
  for await (const item of items) found.push(item)
  same(t, [...found, await items.result], [value, new Set([1n]), value])

  const said = client.events(Said)
  client.notify(Said, value)
  same(t, (await said.next()).value, value)
  await said.return!()

  using frame = openStateFrame(Newest)
  same(t, frame.read().value, new Map([['frame', new Set([1])]]))
  using things = openMap(Things)
  same(t, things.get('key'), new Map([['map', new Set([2])]]))
  using messages = subscribe(Messages)
  program.send('publish')
  same(t, (await messages.next()).value!.value, new Map([['topic', new Set([3])]]))
})

test('what has arrived is not overwritten by what comes after it', async (t) => {
  const sent = Array.from({ length: 300 }, (_, at) => ({
    ...{ floats: Float64Array.of(at, at + 0.5), small: Buffer.alloc(40, at) },
    ...{ memory: Uint8Array.of(at).buffer, odd: Int16Array.of(at) },
  }))
  for (const value of sent) client.notify(Said, value)
  const kept = await client.request(Kept)
  same(t, kept.slice(-sent.length), sent)
  for (const { floats, small, odd } of kept.slice(-sent.length) as typeof sent) {
    t.deepEqual([floats, small, odd].map((view) => view.buffer.byteLength), [16, 40, 2])
  }
})

// ---- what is refused ----

test('an error names the path of what cannot be cloned, and quotes nothing', async (t) => {
  const secret = () => 'secret'
  const circle: Record<string, unknown> = { deep: { secret } }
  circle.itself = circle
  const failing = {
    get it(): never {
      throw new Error('not now')
    },
  }
  const { port1 } = new MessageChannel()
  t.teardown(() => port1.close())
  const detached = new Uint8Array(4)
  structuredClone(detached.buffer, { transfer: [detached.buffer] })
  const rows: [unknown, string][] = [
    [{ user: { tags: [0, secret] } }, 'user.tags[1]: function cannot be cloned'],
    [circle, 'deep.secret: function cannot be cloned'],
    [new Map([['a', { b: new WeakMap() }]]), '[0][1].b: WeakMap cannot be cloned'],
    [new Set([Symbol('secret')]), '[0]: symbol cannot be cloned'],
    [[new SharedArrayBuffer(1)], '[0]: SharedArrayBuffer cannot be cloned'],
    [{ port1 }, 'port1: MessagePort cannot be cloned'],
    [[failing], '[0].it: reading it failed: not now'],
    [{ detached }, 'detached: ArrayBuffer with transferred memory cannot be sent'],
    [secret, 'function cannot be cloned'],
  ]
  for (const [value, reason] of rows) {
    const message = `params: cannot be encoded as structuredClone: ${reason}`
    await t.throwsAsync(client.request(Echoes.structuredClone, value), refused(message))
    t.throws(() => codec.encode(value), { instanceOf: TypeError, message: reason })
  }
  t.is(await client.request(Echoes.structuredClone, 1), 1)
})

test('a value beyond the limits is refused where it comes from', async (t) => {
  const nested = (levels: number) => {
    let value: unknown[] = []
    for (let level = 1; level < levels; level++) value = [value]
    return value
  }
  same(t, await client.request(Echoes.structuredClone, nested(128)), nested(128))
  const most = Array.from({ length: 1_000_000 }, (_, at) => at)
  t.is(((await client.request(Echoes.structuredClone, most)) as number[]).length, most.length)
  const points = Array.from({ length: 400_000 }, (_, x) => ({ x: x + 0.5, y: 0.25 }))
  t.is((codec.decode(codec.encode(points)) as unknown[]).length, points.length)
  const resizable = (length: number, maxByteLength: number): unknown =>
    Reflect.construct(ArrayBuffer, [length, { maxByteLength }])
  for (const [value, reason] of [
    [nested(129), /nested more than 128 deep/],
    [nested(100_000), /nested more than 128 deep/],
    [new Array(2_000_000), /more than 1000001 items and fields in 11 bytes/],
    [Array.from({ length: 2_000_000 }, () => 0), /more than .* items and fields/],
    [Array.from({ length: 400_000 }, () => new Map()), /more than .* items and fields/],
    [resizable(1, 2), /0x7e is no type/],
  ] as const) {
    const error = await t.throwsAsync<IpcError>(
      client.request(Echoes.structuredClone, value),
      refused(reason),
    )
    t.false(error.isRemote)
  }
})

test('sides that disagree get an error, in both directions', async (t) => {
  const ask = async (own: typeof codec, value: unknown) => {
    const Other = method<any>(Echoes.structuredClone.name, { codec: own })
    return t.throwsAsync(client.request(Other, value), { code: 'ERR_INVALID_PAYLOAD' })
  }
  t.regex((await ask(messagePack, 1)).message, /encoded as messagePack, but .* structuredClone/)
  t.regex((await ask(bytes, Uint8Array.of(1))).message, /encoded as bytes, but .* structuredClone/)
  const Packed = method<any>(Echoes.messagePack.name, { codec })
  const { message } = await t.throwsAsync(client.request(Packed, 1), { code: 'ERR_INVALID_PAYLOAD' })
  t.regex(message, /encoded as a custom codec, but .* messagePack/)
})

// ---- hostile bytes ----

/** Sends bytes as they are, to those who take them for a clone. */
const Raw = method<Uint8Array, Uint8Array>('echo', {
  codec: { name: 'raw', encode: (value) => value, decode: (found) => found.slice() },
})

const of = (text: string, ...numbers: number[]) => [...Buffer.from(text, 'latin1'), ...numbers]
const clone = (...parts: number[]) => Uint8Array.from([0xff, 15].concat(parts))
/** A number of 32 bits as the format has it. */
const claimed = (number: number) => [0, 7, 14, 21, 28].map((bits) => ((number >>> bits) & 127) | (bits < 28 ? 128 : 0))

/** What claims more than there is. */
function claims(): Uint8Array[] {
  const found = []
  for (const length of [2e6, 3e7, 2 ** 31 - 1, 2 ** 32 - 1]) {
    const number = claimed(length)
    const gapped = [...of('a'), ...number, ...of('@', 0), ...number]
    for (const type of ['"', 'c', 'S', 'B', 'A', 'a', 'Z', '~', '\\\x01', 's"', 'R"']) {
      found.push(clone(...of(type), ...number), clone(...of(type), ...number, 1, 2, 3))
    }
    // Complete, short, and a quarter of a gigabyte each if they were believed.
    found.push(clone(...gapped), clone(...of('A', 100), ...Array<number[]>(100).fill(gapped).flat(), ...of('$', 0, 100)))
  }
  return [
    ...found,
    ...['A\x01', "'", ';', 'o"\x01a', 'rc'].map((open) => clone(...of(open.repeat(5_000)))),
    clone(...Array<number>(1_000).fill(0)),
    // Versions of the past and of the future, none at all, and types there are not.
    ...[Uint8Array.of(0xff, 13, ...of('T')), Uint8Array.of(0xff, 200, 1, ...of('T')), Uint8Array.of(...of('T'))],
    ...[new Uint8Array(0), clone(), clone(...of('?')), clone(...of('TT')), clone(...of('\\', 13, 0)), clone(...of('^', 7))],
    ...[clone(...of('\\', 255, 1, 4, 0, 0, 0, 0)), clone(...of('u', 0)), clone(...of('w', 0)), clone(...of('-'))],
    ...[clone(...of('\\', 8, 3, 1, 2, 3)), clone(...of('B', 8), ...of('12345678V'), ...of('B', 0, 8))],
  ]
}

test('what claims more than there is, is refused before memory is taken for it', async (t) => {
  const payloads = claims()
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { structuredClone } = require('ringpost')
    parentPort.postMessage(workerData.map((payload) => {
      try {
        return structuredClone.decode(payload)
      } catch (error) {
        return error instanceof Error ? 'refused' : 'no error'
      }
    }))`
  const resourceLimits = { maxOldGenerationSizeMb: 48, maxYoungGenerationSizeMb: 8 }
  const worker = new Worker(code, { eval: true, workerData: payloads, resourceLimits })
  const [outcomes] = (await once(worker, 'message')) as [unknown[]]
  await worker.terminate()
  t.deepEqual(outcomes, payloads.map(() => 'refused'))
  for (const payload of payloads) await t.throwsAsync(client.request(Raw, payload), refused(/structuredClone/))
  t.deepEqual(await client.request(Echoes.structuredClone, 'still there'), 'still there')
})

const SAMPLES = [
  { a: [1, -1, 0.5, 5n, null, undefined, 'x', 'é', '漢'], date: new Date(5), is: [true, Object(1)] },
  new Map<unknown, unknown>([[1, new Set([/x/g, Object('s')])], ['buffer', Buffer.from('abc')]]),
  [Float64Array.of(1, 2), new ArrayBuffer(9), new DataView(new ArrayBuffer(3)), cycle, new Error('e')],
].map((value) => codec.encode(value))

function mutated(r: Random): Uint8Array {
  const parts = [...r.pick(SAMPLES)]
  for (let left = 1 + r.below(4); left > 0; left--) {
    const at = 2 + r.below(parts.length)
    const change = r.below(4)
    if (change === 0) parts.splice(at)
    else if (change === 1) parts[at] = r.below(256)
    else if (change === 2) parts.splice(at, r.below(4), ...r.bytes(r.below(6)))
    else parts.splice(at, 0, ...[...r.pick(SAMPLES)].slice(2 + r.below(20)))
  }
  return Uint8Array.from(parts)
}

test('changed bytes are decoded to a value or to an error, here and in another process', async (t) => {
  const before = process.memoryUsage().rss
  let values = 0
  await eachSeed(t, 20_000, (r) => {
    try {
      codec.decode(mutated(r))
      values++
    } catch (error) {
      if (!(error instanceof Error)) throw new TypeError('no error')
    }
  })
  t.true(values > 500, 'not all are refused at once')
  t.true(process.memoryUsage().rss - before < 200 << 20)
  await eachSeed(t, 300, async (r) => {
    const answer = client.request(Raw, mutated(r))
    await answer.catch(({ code }: { code?: string }) => t.is(code, 'ERR_INVALID_PAYLOAD'))
  })
  t.deepEqual(await client.request(Echoes.structuredClone, 'still there'), 'still there')
})

test('where the runtime has no serializer of V8, the error says so', (t) => {
  const program = `
    require('node:v8').DefaultSerializer = class {
      constructor() {
        throw new Error('there is none here')
      }
    }
    const { structuredClone } = require('ringpost')
    try {
      structuredClone.encode(new Map())
    } catch (error) {
      console.log(String(error))
    }`
  const printed = execFileSync(process.execPath, ['--eval', program], { encoding: 'utf8' })
  t.is(printed, 'TypeError: there is none here\n')
})
