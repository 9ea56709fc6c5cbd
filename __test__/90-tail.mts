// `ringpost tail`: messages as they come, in any format; what is missed, and how it ends.

import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import test from 'ava'
import { bytes, createTopic, json, layout, text, topic, type Codec } from 'ringpost'
import { play, start, startUnread, Terminal } from './helpers/command.mjs'
import './helpers/directory.mjs'
import { until } from './helpers/program.mjs'
import { Raw } from './helpers/topics.mjs'

type Binding = typeof import('../native/binding.js')
type Running = ReturnType<typeof start>

/** Waits until a command has printed this. */
async function prints({ child }: Running, from: 'stdout' | 'stderr', expected: string) {
  let found = ''
  child[from]!.on('data', (data: Buffer) => (found += data.toString()))
  await until(`${expected} is printed`, () => found.includes(expected))
}

/** Suspends a command, until its publisher is done. */
async function whileStopped({ child }: Running, work: () => unknown) {
  child.kill('SIGSTOP')
  try {
    await work()
  } finally {
    child.kill('SIGCONT')
  }
}

test.serial('a topic that comes later is waited for, and Ctrl-C ends it', async (t) => {
  const terminal = Terminal.ofCommand(t, 'tail', 'later')
  await terminal.shows(/^ringpost tail: waiting for a publisher$/m)
  using publisher = createTopic(topic('later'))
  void publisher.publish({ n: 1 })
  await terminal.shows(/^\{"n":1\}$/m)
  terminal.type('\x03')
  t.is(await terminal.ended, 130)
})

for (const [words, expected] of [
  [['--lines', '1'], '"three"\n'],
  [['--from', 'oldest', '--lines=3', '--lossless'], '"one"\n"two"\n"three"\n'],
  [['--from', 'oldest', '--lines=3', '--raw'], 'onetwothree'],
] as const) {
  const name = words.join('-').replaceAll('=', '')
  test.serial(`it starts where it is told to: ${words.join(' ')}`, async (t) => {
    using publisher = createTopic(topic(`start${name}`))
    for (const word of ['one', 'two', 'three']) void publisher.publish(word)
    t.deepEqual(await play('tail', publisher.name, ...words), {
      ...{ code: 0, signal: null, out: expected, err: '' },
    })
  })
}

test.serial('from the next one on, what is there already is left out', async (t) => {
  using publisher = createTopic(topic('next'))
  void publisher.publish('before')
  const running = start('tail', 'next', '--from=next', '--lines=1')
  // It says nothing when it is ready.
  const again = setInterval(() => void publisher.publish('after'), 20)
  t.is((await running.ended).out, '"after"\n')
  clearInterval(again)
})

test.serial('with --json a message is an object', async (t) => {
  using publisher = createTopic(topic('described'))
  const before = Date.now()
  void publisher.publish({ a: 1n })
  const { out } = await play('tail', 'described', '--json', '--lines=1')
  const { time, ...rest } = JSON.parse(out) as { time: string }
  t.deepEqual(rest, { number: 1, generation: 1, skipped: 0, value: { a: 1 } })
  t.true(Math.abs(Date.parse(time) - before) < 60_000)
})

const OWN: Codec<string> = {
  ...{ name: 'reversed', encode: (value) => Buffer.from([...value].reverse().join('')) },
  decode: (found) => [...Buffer.from(found).toString()].reverse().join(''),
}

for (const [codec, value, expected, note] of [
  [bytes, new Uint8Array([1, 2, 3]), '"AQID"\n', ''],
  [json, { b: [null] }, '{"b":[null]}\n', ''],
  [layout({ id: 'u64', name: text(4) }), { id: 7n, name: 'tea' }, '{"id":"7","name":"tea"}\n', ''],
  [OWN, 'ab', '"YmE="\n', /^ringpost tail: messages have a codec of their own/],
] as const) {
  test.serial(`messages are decoded as their publisher says: ${codec.name}`, async (t) => {
    using publisher = createTopic<any>(topic(`in-${codec.name}`, { codec: codec as Codec<any> }))
    void publisher.publish(value)
    const { code, out, err } = await play('tail', publisher.name, '--lines=1')
    t.deepEqual([code, out], [0, expected])
    if (note === '') t.is(err, '')
    else t.regex(err, note)
  })
}

/** Publishes what no publisher of this package would. */
function forge(name: string, description: string): (message: Uint8Array) => number {
  const binding = createRequire(import.meta.url)('../../native/binding.js') as Binding
  const place = { directory: process.env.RINGPOST_DIR! }
  const format = { codec: binding.CODEC_MESSAGE_PACK, hash: 0n, description }
  const options = { capacity: 4096, format, takeOver: false }
  const { buffer } = new Float64Array(8)
  return new binding.NativeTopicPublisher(name, place, options, buffer).direct()
}

test.serial('what cannot be decoded is printed as bytes', async (t) => {
  const publish = forge('broken', '')
  publish(new Uint8Array([0xc1]))
  publish(new Uint8Array([7]))
  const { code, out, err } = await play('tail', 'broken', '--from=oldest', '--lines=2')
  t.deepEqual([code, out], [0, '"wQ=="\n7\n'])
  t.regex(err, /^ringpost tail: the next message cannot be decoded: 0xc1 is no type of MessagePack\n$/)
})

test.serial('a layout that is none is said, and messages are printed as bytes', async (t) => {
  forge('described-badly', '{id:\x1bu32@0}4')(new Uint8Array([7, 0, 0, 0]))
  const { code, out, err } = await play('tail', 'described-badly', '--lines=1')
  t.deepEqual([code, out], [0, '"BwAAAA=="\n'])
  t.regex(err, /^ringpost tail: messages are printed as bytes: ERR_LAYOUT: [^\x1b]*\n$/)
})

test.serial('a reader that is too slow holds up no publisher, and says what it has missed', async (t) => {
  using publisher = createTopic(Raw('fast'))
  void publisher.publish(new Uint8Array(1))
  const running = start('tail', 'fast', '--lines=2', '--json')
  await prints(running, 'stdout', '"number":1')
  await whileStopped(running, () => {
    for (let n = 0; n < 1000; n++) t.is(typeof publisher.publish(new Uint8Array(100)), 'number')
  })
  const { code, err } = await running.ended
  t.is(code, 0)
  const [, missed] = /^ringpost tail: (\d+) messages before the next were missed\n$/.exec(err)!
  t.true(Number(missed) > 900)
})

test.serial('a lossless one holds its publisher up, and ends when it is cut off', async (t) => {
  using publisher = createTopic(Raw('held'), { timeoutMs: 100 })
  const running = start('tail', 'held', '--lossless', '--json')
  const message = new Uint8Array(100)
  const first = prints(running, 'stdout', '"number":')
  const again = setInterval(() => void publisher.publish(new Uint8Array(1)), 20)
  await first
  clearInterval(again)
  await whileStopped(running, async () => {
    while (publisher.stats().cutOff === 0) await publisher.publish(message)
  })
  t.true(publisher.stats().waits > 0)
  const { code, err } = await running.ended
  t.is(code, 1)
  t.regex(err, /ringpost tail: ERR_LAGGED: /)
})

test.serial('it goes on with the next publisher', async (t) => {
  const publisher = createTopic(topic('restarted'))
  void publisher.publish('one')
  const running = start('tail', 'restarted', '--lines=2')
  await prints(running, 'stdout', '"one"')
  publisher.close()
  using next = createTopic(topic('restarted'))
  void next.publish('two')
  const { code, out, err } = await running.ended
  t.deepEqual([code, out], [0, '"one"\n"two"\n'])
  t.is(err, 'ringpost tail: there is another publisher\n')
})

test.serial('a reader that has enough ends it without a word', async (t) => {
  using publisher = createTopic(topic('enough'))
  void publisher.publish('one')
  const child = startUnread('tail', 'enough')
  await once(child.stdout!, 'data')
  const exit = once(child, 'exit')
  child.stdout!.destroy()
  const again = setInterval(() => void publisher.publish('two'), 20)
  t.deepEqual(await exit, [0, null])
  clearInterval(again)
})

test.serial('what is no topic is an error', async (t) => {
  writeFileSync(`${process.env.RINGPOST_DIR}/fake.topic`, 'no topic', { mode: 0o600 })
  const { code, err } = await play('tail', 'fake')
  t.is(code, 1)
  t.regex(err, /^ringpost tail: ERR_CORRUPT: /)
  t.regex((await play('tail', '../fake')).err, /^ringpost tail: ERR_INVALID_NAME: /)
})
