// ringpost top: what servers do, once a second, on a terminal or as lines.

import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { connect, createServer } from 'ringpost'
import { frame, SORTS, type View } from '../cli/frame.mjs'
import { absent, rows, type Reading, type Row } from '../cli/rates.mjs'
import { pressed, top } from '../cli/top.mjs'
import { perform } from '../cli/command.mjs'
import { UsageError } from '../cli/usage.mjs'
import { directory } from './helpers/directory.mjs'
import { Program } from './helpers/program.mjs'
import { Screen } from './helpers/terminal.mjs'

const COMMAND = fileURLToPath(new URL('../cli/main.mjs', import.meta.url))
const TOP = `'${process.execPath}' '${COMMAND}' top`
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l'
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l'

async function run(...words: string[]) {
  const child = fork(COMMAND, ['top', ...words], { silent: true })
  const texts = Promise.all([text(child.stdout!), text(child.stderr!)])
  const [code] = (await once(child, 'exit')) as [number | null]
  const [out, err] = await texts
  return { code, out, err }
}

async function serve(name: string): Promise<Program> {
  const program = new Program('status', { name })
  await program.report()
  return program
}

const sleeping = { name: 'node', state: 'sleeping' }
const running = { name: 'node', state: 'running' }
const NONE = [0, 0, 0, 0]

/** Counts of a connection that has received so many messages, and sent half of them. */
const counts = (received: number) => ({
  link: {
    ...{ sent: received / 2, received, bytesSent: received * 32, bytesReceived: received * 64 },
    ...{ lateReplies: 0, staleRequests: 0, refused: 1, dropped: [0, 2, 0, 0], peerDropped: NONE },
    ...{ rings: received, queued: 0 },
    latency: { count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 },
  },
  ...{ calls: 0, serving: 0, failed: 0, timedOut: 0 },
})

const row = (number: number, received: number, shownAgoMs = 0) => ({
  ...{ number, pid: 7, uid: 0, transport: 'sealed', openedAtMs: 0, shownAgoMs },
  counts: counts(received),
})

type Status = NonNullable<Reading['server']>

function reading(atMs: number, received: number, changed: Partial<Status> = {}): Reading {
  const server: Status = {
    ...{ pid: 42, thread: 42, version: '1', startedAtMs: 1, turns: received, turnedAgoMs: 0 },
    ...{ awakeForMs: null, asleepForMs: 0, connections: 1, accepted: 1, connectionsMax: 9 },
    ...{ refused: 0, shownAgoMs: 0, totals: counts(received), rows: [row(1, received)], ...changed },
  }
  const where = { name: 'one', directory: '/', error: null }
  return { ...where, atMs, isAlive: true, server, process: sleeping, thread: sleeping }
}

const ratesOf = ({ in: received, out, bytes, doorbells }: Row) => [received, out, bytes, doorbells]
const UNKNOWN = [null, null, null, null]

test('rates are what was counted between two readings', (t) => {
  const { server, connections } = rows(reading(3000, 1500), reading(1000, 500))
  t.deepEqual(ratesOf(server), [500, 250, 48_000, 500])
  t.deepEqual(ratesOf(connections[0]), [500, 250, 48_000, 500])
  t.is(server.lost, 3)
  t.deepEqual(ratesOf(rows(reading(3000, 1500)).server), UNKNOWN, 'one reading says nothing')
})

test('a reading is as of when it was written, unless nothing has happened since', (t) => {
  const late = (atMs: number, received: number, shownAgoMs: number) =>
    reading(atMs, received, { shownAgoMs, rows: [row(1, received, shownAgoMs)] })
  const rateOf = (now: Reading, was: Reading) => {
    const { server, connections } = rows(now, was)
    t.is(server.in, connections[0].in)
    return server.in && Math.round(server.in)
  }
  t.is(rateOf(late(2000, 950, 50), late(1000, 0, 0)), 1000)
  // It was idle for a minute before that: the minute is not what it took.
  t.is(rateOf(late(2000, 1100, 0), late(1000, 0, 60_000)), 1000)
  t.is(rateOf(late(2000, 0, 61_000), late(1000, 0, 60_000)), 0)
  t.is(rateOf(late(1050, 10, 90), late(1000, 0, 0)), null, 'no time has passed')
})

test('what counts something else has no rate', (t) => {
  const before = reading(1000, 500)
  t.deepEqual(ratesOf(rows(reading(2000, 100), before).server), UNKNOWN, 'less than before')
  for (const changed of [{ pid: 43 }, { startedAtMs: 2 }]) {
    const { server, connections } = rows(reading(2000, 900, changed), before)
    t.deepEqual(ratesOf(server), UNKNOWN, 'another server')
    t.deepEqual(ratesOf(connections[0]), UNKNOWN)
  }
  const other = rows(reading(2000, 900, { rows: [row(2, 900)] }), before)
  t.deepEqual(ratesOf(other.connections[0]), UNKNOWN, 'another connection in the same place')
  t.is(other.server.in, 400)
})

test('a state is a word', (t) => {
  const stateOf = (now: Partial<Reading>, was?: Reading) =>
    rows({ ...reading(2000, 500), ...now }, was).server.state!.text
  const stuck = reading(2000, 500, { awakeForMs: 12_000, asleepForMs: null, turnedAgoMs: 12_000 })
  t.is(stateOf({}), 'idle')
  t.is(stateOf({}, reading(1000, 500)), 'idle')
  t.is(stateOf({}, reading(1000, 499)), 'busy')
  t.is(stateOf({ thread: running }, { ...reading(1000, 500), thread: running }), 'busy')
  t.is(stateOf({ thread: running }, reading(1000, 500)), 'idle')
  t.is(stateOf(stuck), 'hangs for 12 s')
  t.is(stateOf({ ...stuck, process: { name: 'node', state: 'stopped' } }), 'stopped')
  t.is(stateOf({ isAlive: false }), 'dead')
  t.is(stateOf({ server: null }), 'silent')
  t.is(stateOf({ server: null, error: 'ERR_CORRUPT' }), 'ERR_CORRUPT')
})

const VIEW: View = {
  ...{ width: 200, height: 50, sort: 'server', reversed: false, connections: true, help: false },
  paint: (_style, text) => text,
}

/** Three servers, of which one is not there, and four connections of each of the others. */
function some() {
  const both = ['b', 'a'].map((name, at) => {
    const connected = [4, 1, 3, 2].map((number) => row(number, 100 * number))
    const now = reading(2000, 1000 * (at + 1), { rows: connected })
    return rows({ ...now, name }, { ...reading(1000, 0), name })
  })
  const servers = [...both.map(({ server }) => server), absent('gone\x1b[2J')]
  return { servers, connections: both.flatMap(({ connections }) => connections) }
}

test('a picture has both tables, in the order that is asked for', (t) => {
  const first = (view: Partial<View>) =>
    frame(some(), '12:00:00', { ...VIEW, ...view }).map((line) => line.split(/  +/)[0])
  const names = ['a', 'b', 'gone?[2J']
  t.deepEqual(first({}).slice(1, 6), ['server↓', ...names, ''])
  t.is(first({})[0], '12:00:00')
  t.deepEqual(first({ reversed: true }).slice(1, 6), ['server↑', ...names.toReversed(), ''])
  t.deepEqual(first({ sort: 'in' }).slice(2, 5), names, 'the largest first')
  t.deepEqual(first({ sort: 'in', reversed: true }).slice(2, 5), ['b', 'a', 'gone?[2J'])
  t.deepEqual(first({ sort: 'state' })[2], 'gone?[2J')
  const numbers = frame(some(), '', { ...VIEW, sort: 'number' }).slice(7).map((line) => /\d/.exec(line)![0])
  t.deepEqual(numbers, ['4', '4', '3', '3', '2', '2', '1', '1'])
  t.is(first({ connections: false }).length, 5)
  t.regex(frame(some(), '', { ...VIEW, help: true })[1], /^q quit /)
  const styles: string[] = []
  const paint: View['paint'] = (style, text) => (styles.push(style), text)
  const painted = frame(some(), '', { ...VIEW, paint })
  t.deepEqual(painted, frame(some(), '', VIEW), 'colors say nothing that words do not')
  t.true(styles.includes('green') && styles.includes('title'))
})

test('a picture is never larger than the screen', (t) => {
  for (const sort of SORTS) {
    for (let size = 1; size <= 130; size++) {
      for (const [width, height] of [[size, 50], [200, size], [size, size]]) {
        const lines = frame(some(), '12:00:00', { ...VIEW, sort, width, height, help: true })
        t.true(lines.length <= height && lines.every((line) => line.length <= width))
      }
    }
  }
  const { servers, connections } = some()
  const many = { servers, connections: Array.from({ length: 1000 }, () => connections[0]) }
  const lines = frame(many, '', { ...VIEW, height: 20 })
  t.is(lines.length, 20)
  t.is(lines.at(-1), 'and 988 more')
  t.is(frame({ servers: [], connections: [] }, '', VIEW).length, 2)
})

test('keys change what is seen', (t) => {
  const around = SORTS.reduce<View>((view) => pressed('s', view), VIEW)
  t.is(around.sort, VIEW.sort, 'all around')
  t.is(pressed('left', VIEW).sort, SORTS.at(-1)!)
  t.is(pressed('left', pressed('right', VIEW)).sort, VIEW.sort)
  t.true(pressed('r', VIEW).reversed)
  t.false(pressed('c', VIEW).connections)
  t.true(pressed('?', VIEW).help && pressed('h', VIEW).help)
  t.is(pressed('x', VIEW), VIEW)
})

test.serial('on a terminal: rates, keys, sizes, states, and the terminal as it was', async (t) => {
  const [one, two] = await Promise.all([serve('one'), serve('two')])
  const clients = await Promise.all(['one', 'two', 'two'].map((name) => {
    return connect(name, { reconnect: false })
  }))
  t.teardown(() => Promise.all([one.kill(), two.kill()]))
  const notes = setInterval(() => {
    for (const [at, client] of clients.entries()) for (let n = 0; n <= at; n++) client.notify('note', n)
  }, 10)
  t.teardown(() => clearInterval(notes))
  const screen = new Screen(t, `${TOP} --interval 0.2 --sort server`, 130, 20)
  await screen.shows(/^two +\d+ +busy +2 +[1-9][\d.,k]* +0 .*^two +1 +\d+ +[1-9]/ms)
  await screen.shows(/3 connections, [1-9].* in\/s, 0 out\/s/)
  await screen.shows(/^server↓.*\none .*\ntwo /m)
  screen.type('r')
  await screen.shows(/^server↑.*\ntwo .*\none /m)
  screen.type('?')
  await screen.shows(/\nq quit /)
  screen.type('c')
  await screen.shows(/^server↑[^]*one .*$(?!\n)/m)
  screen.type('\x1b[C')
  await screen.shows(/by #\n/)
  screen.resize(40, 5)
  // All of the picture: columns and rows of a terminal are set one after the other.
  await screen.shows(/^.{1,40}\nq quit .{1,33}\nserver {2}process {2}state\b.{0,19}(\n.{1,40}){2}$/)
  screen.resize(130, 20)
  one.stop()
  await screen.shows(/^one +\d+ +stopped +1 /m)
  clearInterval(notes)
  await one.kill()
  await screen.shows(/^one +\d+ +dead +1 /m)
  await screen.shows(/^two +\d+ +idle +2 +0 /m)
  screen.type('q')
  await screen.ended
  const [before, ...pictures] = screen.written.split(ENTER)
  t.regex(before, /^\/dev\/pts\/\d+\r\n\d+\r\n$/)
  const [drawn, after] = pictures.join('').split(LEAVE)
  t.true(drawn.includes('\x1b[33mstopped'))
  t.regex(after, /^code 0\r\n[^]* icanon [^]* echo /)
  await Promise.all(clients.map((client) => client.close()))
})

for (const [how, end, after] of [
  ['Ctrl-C', (screen: Screen) => screen.type('\x03'), /^code 0\r\n/],
  ['a signal', (screen: Screen) => process.kill(screen.pid, 'SIGTERM'), /code 143\r\n/],
  ['an error', () => chmodSync(directory, 0o755), /ringpost top: .* is open to others.*\r\ncode 1\r\n/],
] as const) {
  test.serial(`the terminal is as it was after ${how}`, async (t) => {
    const screen = new Screen(t, `${TOP} ending --interval 0.2`, 80, 20)
    await screen.shows(/^ending +- +not there/m)
    t.notRegex(screen.written, /\x1b\[3\dm/, 'no color for what is no state')
    end(screen)
    await screen.ended
    chmodSync(directory, 0o700)
    const [, ended] = screen.written.split(LEAVE)
    t.regex(ended, after)
    t.regex(ended, / icanon [^]* echo /)
  })
}

test.serial('on a terminal without colors there are none', async (t) => {
  const server = await createServer('plain')
  const screen = new Screen(t, `env NO_COLOR=1 ${TOP}`, 80, 20)
  await screen.shows(/^plain +\d+ +idle/m)
  screen.type('q')
  await screen.ended
  t.notRegex(screen.written, /\x1b\[\d*m/)
  await server.close()
})

test.serial('in a pipe it prints blocks of lines, and no command of a terminal', async (t) => {
  // A process of its own: this one may be held up by what it starts.
  const server = await serve('piped')
  t.teardown(() => server.kill())
  const client = await connect('piped', { reconnect: false })
  t.teardown(() => client.close())
  for (const name of ['evil\x1b[2J', 'evil\x9b', '-evil\n']) {
    writeFileSync(join(directory, `${name}.status`), '')
  }
  const { code, out, err } = await run('--count=2', '--interval', '.1')
  t.deepEqual([code, err], [0, ''])
  const [first, connections, second, ...others] = out.split('\n\n')
  t.is(others.length, 1)
  const head = /^\d\d:\d\d:\d\d {2}1 server, 1 connection, \d\S* in\/s, \d\S* out\/s, by bytes\/s\nserver /
  for (const block of [first, second]) t.regex(block, head)
  t.regex(connections, /^server +# [^]*\npiped +1 +\d+ /)
  t.notRegex(out, /[^\n -~↓]|evil/)
  const named = (await run('--once', '--interval=0.1', 'nowhere\x1b[2J', 'piped')).out
  t.regex(named, /^nowhere\?\[2J +- +not there /m)
  t.regex(named, /^piped +\d+ +[a-z]/m)
})

test.serial('a reader that has enough ends it', async (t) => {
  const line = `set -o pipefail; ${TOP} --interval 0.1 none | head -n 1`
  const child = spawn('bash', ['-c', line])
  const [[code], out, err] = await Promise.all([
    once(child, 'close') as Promise<[number]>,
    text(child.stdout),
    text(child.stderr),
  ])
  t.deepEqual([code, err], [0, ''])
  t.regex(out, /^\d\d:\d\d:\d\d {2}1 server, 0 connections, .*\n$/)
})

test.serial('a status that was spoilt, and a directory that is not there', async (t) => {
  const server = await createServer('spoilt')
  writeFileSync(join(directory, 'spoilt.status'), '')
  t.regex((await run('--once', '--interval=0.1')).out, /^spoilt +- +ERR_CORRUPT +- /m)
  await server.close()
  rmSync(join(directory, 'spoilt.status'), { force: true })
  chmodSync(directory, 0o755)
  const { code, out, err } = await run()
  chmodSync(directory, 0o700)
  t.deepEqual([code, out], [1, ''])
  t.regex(err, /^ringpost top: .* is open to others, its mode is 755/)
})

for (const [words, sentence] of [
  [['--interval=0'], "--interval must be 0.1 to 3,600 seconds, got '0'"],
  [['--interval=1e1'], "--interval must be 0.1 to 3,600 seconds, got '1e1'"],
  [['--count=0'], "--count must be an integer from 1 to 2,147,483,648, got '0'"],
  [['--count=1.5'], "--count must be an integer from 1 to 2,147,483,648, got '1.5'"],
  [['--once', '--count=1'], '--once and --count exclude each other'],
  [['--sort=size'], `--sort must be one of ${SORTS.join(', ')}, got 'size'`],
  [['--json'], "Unknown option '--json'"],
] as const) {
  test(`a mistake in the command line: ${words.join(' ')}`, async (t) => {
    await t.throwsAsync(perform(top, [...words]), { instanceOf: UsageError, message: sentence })
  })
}

test.serial('a mistake is answered with the usage', async (t) => {
  const { code, out, err } = await run('--sort')
  t.deepEqual([code, out], [2, ''])
  t.regex(err, /^ringpost top: .*--sort.*\n\nusage: ringpost top /)
})
