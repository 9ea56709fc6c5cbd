// `ringpost call`: answers and errors by hand, interruptions, pipes that are slow or closed.

import { writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { text as readAll } from 'node:stream/consumers'
import test from 'ava'
import { bytes, createServer, event, json, method, stream, type Server } from 'ringpost'
import { play, playWith, shell, startUnread, Terminal } from './helpers/command.mjs'
import { directory } from './helpers/directory.mjs'
import { until } from './helpers/program.mjs'

const TOKEN = 'a secret'
/** Long enough to be compressed. */
const LONG = JSON.stringify('z'.repeat(9000))
/** What handlers say that they have seen. */
const seen: unknown[] = []
let server: Server
let guarded: Server

test.before(async () => {
  server = await createServer('hand')
  server.handle('echo', (params) => params)
  server.handle('odd', () => ({
    bytes: new Uint8Array([1, 2, 3]),
    big: 2n ** 63n,
    date: new Date(0),
    floats: new Float32Array([1.5, NaN]),
    infinite: -Infinity,
    control: '\x1b\x9b',
  }))
  server.handle('fails', () => {
    throw Object.assign(new RangeError('bad \x1b[31m\x9bred'), { code: 'E_BAD' })
  })
  server.handle('waits', (name, { signal }) => {
    seen.push(`${name} began`)
    return new Promise((done) => {
      signal.addEventListener('abort', () => done(seen.push(`${name} cancelled`)))
    })
  })
  server.handle(method('bytes', { codec: bytes }), (given) => given)
  server.handle(method('json', { codec: json }), (given) => given)
  server.handle(method('packed', { compress: true }), (given) => given)
  server.handle(stream<number, number, never, string>('count'), async function* (to, { signal }) {
    signal.addEventListener('abort', () => seen.push(`count to ${to} cancelled`))
    for (let n = 1; n <= to; n++) yield n
    return 'counted'
  })
  server.handle(stream<string, Uint8Array>('blocks', { codec: bytes as any }), async function* () {
    for (let n = 0; ; n++) {
      seen.push(`block ${n}`)
      yield new Uint8Array(65_536)
    }
  })
  server.on(event('told'), (payload) => seen.push(payload))
  guarded = await createServer('guarded', { token: TOKEN })
  guarded.handle('echo', (params) => params)
})
test.after.always(() => Promise.all([server.close(), guarded.close()]))

for (const [words, expected] of [
  [['echo'], 'null\n'],
  [
    ['echo', '{"a": [1, 0.12345678901234567890, "9007199254740993 \\"1e999", null, true]}'],
    '{"a":[1,0.12345678901234568,"9007199254740993 \\"1e999",null,true]}\n',
  ],
  [['json', '{"a":1}', '--codec', 'json'], '{"a":1}\n'],
  [['bytes', 'hi', '--codec', 'bytes'], '"aGk="\n'],
  [['echo', '"text"', '--raw'], 'text'],
  [['packed', LONG, '--compress'], `${LONG}\n`],
  [['count', '3', '--stream'], '1\n2\n3\n'],
] as const) {
  test.serial(`the answer is printed: ${words.join(' ').slice(0, 60)}`, async (t) => {
    const { code, out, err } = await play('call', 'hand', ...words)
    t.is(out, expected)
    t.is(err, words[0] === 'count' ? 'ringpost call: the result is "counted"\n' : '')
    t.is(code, 0)
  })
}

test.serial('what JSON has no type for is a text, and a terminal gets nothing to obey', async (t) => {
  const { out } = await play('call', 'hand', 'odd')
  t.is(
    out,
    '{"bytes":"AQID","big":"9223372036854775808","date":"1970-01-01T00:00:00.000Z",' +
      '"floats":[1.5,"NaN"],"infinite":"-Infinity","control":"\\u001b\\u009b"}\n',
  )
})

test.serial('on a terminal an answer has line breaks', async (t) => {
  const terminal = Terminal.ofCommand(t, 'call', 'hand', 'echo', '{"a":[1]}')
  t.is(await terminal.ended, 0)
  t.is(terminal.shown, '{\n  "a": [\n    1\n  ]\n}\n')
})

test.serial('params come from standard input, also long ones, and come back', async (t) => {
  const long = JSON.stringify({ text: 'ä"\\'.repeat(2 ** 20), number: 1234567890123456 })
  const { code, out } = await playWith(long, 'call', 'hand', 'echo', '-')
  t.is(code, 0)
  t.true(out === `${long}\n`)
  const empty = await playWith('', 'call', 'hand', 'bytes', '-', '--codec', 'bytes', '--raw')
  t.deepEqual([empty.code, empty.out], [0, ''])
  t.is((await playWith('', 'call', 'hand', 'echo', '-')).code, 2)
})

for (const [words, expected] of [
  [['fails'], 'ringpost call: E_BAD: bad \ufffd[31m\ufffdred\n'],
  [['waits', '"late"', '--timeout', '50'], /^ringpost call: ERR_TIMEOUT: .*50 ms\n$/],
  [['echo', '--stream'], /^ringpost call: ERR_INVALID_ARGUMENT: /],
  [['echo', '{"a":1}', '--raw'], 'ringpost call: --raw prints bytes and texts, and this is {"a":1}\n'],
] as const) {
  test.serial(`a call that fails ends with 1: ${words.join(' ')}`, async (t) => {
    const { code, out, err } = await play('call', 'hand', ...words)
    t.deepEqual([code, out], [1, ''])
    if (typeof expected === 'string') t.is(err, expected)
    else t.regex(err, expected)
  })
}

test.serial('what cannot be written is an error', async (t) => {
  const { code, err } = await shell(`command call hand echo '"x"' > /dev/full`)
  t.is(code, 1)
  t.regex(err, /^ringpost call: ENOSPC: no space/)
})

test.serial('where there is no such server, those that there are are named', async (t) => {
  const { code, out, err } = await play('call', 'nobody', 'echo')
  t.deepEqual([code, out], [3, ''])
  t.regex(err, /^ringpost call: ERR_NO_SERVER: .*\nservers: .*guarded, hand.*\n$/)
})

test.serial('a token comes from a file or the environment', async (t) => {
  const without = await play('call', 'guarded', 'echo', '1')
  t.is(without.code, 1)
  t.regex(without.err, /^ringpost call: ERR_TOKEN: /)
  const file = join(directory, 'token.txt')
  writeFileSync(file, `${TOKEN}\n`)
  t.is((await play('call', 'guarded', 'echo', '1', '--token-file', file)).out, '1\n')
  t.is((await shell('command call guarded echo 1', { RINGPOST_TOKEN: TOKEN })).out, '1\n')
})

test.serial('an event arrives', async (t) => {
  const { code, out, err } = await play('call', 'hand', 'told', '{"by":"hand"}', '--notify')
  t.deepEqual([code, out, err], [0, '', ''])
  await until('it has arrived', () => seen.some((one) => JSON.stringify(one) === '{"by":"hand"}'))
})

test.serial('Ctrl-C cancels a call', async (t) => {
  const terminal = Terminal.ofCommand(t, 'call', 'hand', 'waits', '"typed"')
  await until('it is called', () => seen.includes('typed began'))
  terminal.type('\x03')
  t.is(await terminal.ended, 130)
  await until('the handler has been cancelled', () => seen.includes('typed cancelled'))
})

test.serial('Ctrl-C cancels a stream', async (t) => {
  const terminal = Terminal.ofCommand(t, 'call', 'hand', 'count', '1e15', '--stream')
  await terminal.shows(/^100$/m)
  terminal.type('\x03')
  t.is(await terminal.ended, 130)
  await until('its handler is cancelled', () => seen.includes('count to 1000000000000000 cancelled'))
})

test.serial('Ctrl-C ends the reading of standard input', async (t) => {
  const terminal = Terminal.ofCommand(t, 'call', 'hand', 'echo', '-')
  // Before it reads there is nothing to end but the process, with the same code.
  await setTimeout(300)
  terminal.type('\x03')
  t.is(await terminal.ended, 130)
})

test.serial('a slow reader makes a stream wait', async (t) => {
  const child = startUnread('call', 'hand', 'blocks', '--stream', '--raw', '--codec', 'bytes')
  const count = () => seen.filter((one) => String(one).startsWith('block ')).length
  let before = -1
  await until('it waits', async () => {
    const now = count()
    const isSame = now > 0 && now === before
    before = now
    await setTimeout(300)
    return isSame
  })
  // The window, the pipe, and what was read of both.
  t.true(count() < 40, `${count()} blocks`)
  // Its reader is gone: it ends as if that were all.
  const exit = once(child, 'exit')
  child.stdout!.destroy()
  t.deepEqual([await exit, await readAll(child.stderr!)], [[0, null], ''])
})

test.serial('a reader that has enough is no failure', async (t) => {
  const { code, out, err } = await shell('command call hand count 1e15 --stream | head -n 2')
  t.deepEqual([code, out, err], [0, '1\n2\n', ''])
})
