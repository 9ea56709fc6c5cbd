// The `ringpost` command, as a program of its own: what it measures is not looked at here, because
// timings belong to benchmarks, but what it says, writes, and ends with is.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { Results } from '../benches/results.mjs'
import { directory } from './helpers/directory.mjs'

const COMMAND = fileURLToPath(new URL('../cli/main.mjs', import.meta.url))
/** As short as it can be. */
const TINY = ['--quick', '--repeats', '1', '--duration', '20ms', '--sizes', '64']

interface Ended {
  code: number | null
  out: string
  err: string
}

function start(...words: string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = fork(COMMAND, words, { silent: true })
  const ended = Promise.all([once(child, 'exit'), text(child.stdout!), text(child.stderr!)]).then(
    ([[code], out, err]) => ({ code: code as number | null, out, err }),
  )
  return { child, ended }
}

const play = (...words: string[]) => start(...words).ended

const resultsIn = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Results

test.serial('it says what there is', async (t) => {
  const { version } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as { version: string }
  t.is((await play('--version')).out.trim(), version)
  for (const words of [['--help'], ['bench', '--help'], ['gate', '--help']]) {
    const { code, out } = await play(...words)
    t.is(code, 0)
    t.regex(out, /^usage: ringpost/)
  }
})

for (const [words, sentence] of [
  [['dance'], /no verb 'dance'/],
  [['bench', 'dance'], /no 'dance', only latency/],
  [['bench', '--dance'], /--dance/],
  [['bench', '--sizes', '1GiB'], /--sizes: a size is like 64/],
  [['bench', '--duration', '5'], /--duration is a span like 500ms/],
  [['bench', '--repeats', '0'], /--repeats is a whole number from 1/],
  [['bench', '--peers', 'pigeons'], /no 'pigeons', only uds/],
  [['bench', '--pin', '1'], /--pin is two cores/],
  [['bench', '--resume'], /--resume goes on with what is in --state/],
  [['gate'], /one of --base, --baseline and --record is needed/],
  [['gate', '--base', 'nowhere'], /nowhere is no built tree/],
  [['gate', '--base', '.', '--rows', 'moon'], /no gated row 'moon'/],
] as const) {
  test.serial(`it says what is wrong with ${words.join(' ')}`, async (t) => {
    const { code, out, err } = await play(...words)
    t.is(code, 2)
    t.is(out, '')
    t.regex(err, sentence)
    t.notRegex(err, /\n {4}at /)
  })
}

test.serial('every transport that comes with the package is measured, and nothing is lost', async (t) => {
  const [json, page] = [join(directory, 'all.json'), join(directory, 'all.html')]
  const suites = ['latency', 'throughput', 'burst', 'connect']
  const { code, out } = await play('bench', ...suites, ...TINY, '--json', json, '--html', page)
  const results = resultsIn(json)
  // Whether a rate is kept is a matter of the machine and of what else runs on it.
  const failures = results.failures.filter((failure) => !failure.includes('missed its rate'))
  t.deepEqual(failures, [])
  t.is(code, results.failures.length > 0 ? 1 : 0)
  t.false(results.interrupted)
  t.deepEqual(results.transports.filter(({ missing }) => missing !== null), [])
  const ids = new Set(results.measurements.map(({ id }) => id))
  t.true(ids.size >= 7)
  for (const id of ids) {
    const measured = results.measurements.filter((one) => one.id === id)
    t.deepEqual(measured.map(({ transport }) => transport), results.transports.map(({ name }) => name))
    for (const { repeats } of measured) {
      t.is(repeats.length, 1)
      t.true(repeats[0].value > 0)
      t.true(Number.isFinite(repeats[0].cpu!.client))
    }
  }
  t.regex(out, /round trip 64 B, one at a time/)
  t.regex(readFileSync(page, 'utf8'), /^<!doctype html>/i)
})

test.serial('a rate nobody keeps is a failure, and said', async (t) => {
  const json = join(directory, 'missed.json')
  const fast = ['--peers', 'none', '--rates', '10000000']
  const { code, out } = await play('bench', 'latency', ...TINY, ...fast, '--json', json)
  t.is(code, 1)
  t.regex(out, /FAILED: .*missed its rate/)
  const missed = resultsIn(json).measurements.filter(({ failed }) => failed !== null)
  t.deepEqual(missed.map(({ id }) => id), ['latency.open.64.10000000', 'latency.open.64.10000000'])
})

test.serial('an interruption ends it with what it has', async (t) => {
  const json = join(directory, 'interrupted.json')
  const long = ['--repeats', '1000', '--duration', '200ms', '--sizes', '64']
  const { child, ended } = start('bench', 'latency', '--peers', 'none', ...long, '--json', json)
  await once(child.stdout!, 'data')
  await until(() => childrenOf(child.pid!).length >= 4)
  child.kill('SIGINT')
  const { code, out } = await ended
  t.is(code, 130)
  t.regex(out, /It was interrupted/)
  t.true(resultsIn(json).interrupted)
})

test.serial('a soak goes on where it was interrupted', async (t) => {
  const [state, json] = [join(directory, 'soak.jsonl'), join(directory, 'soak.json')]
  const soak = ['bench', 'soak', '--rate', '200', '--state', state]
  const { child, ended } = start(...soak, '--length', '1h')
  await until(() => existsSync(state) && lines(state) >= 2)
  child.kill('SIGINT')
  t.is((await ended).code, 130)
  const { code, out } = await play(...soak, '--length', '4s', '--resume', '--json', json)
  t.is(code, 0)
  t.regex(out, /too short to tell/)
  const { samples, secondsSeen } = resultsIn(json).soak!
  t.true(secondsSeen >= 4)
  t.deepEqual(
    samples.map(({ drops, lostWakeups }) => [drops, lostWakeups]),
    samples.map(() => [0, 0]),
  )
  t.true(samples.every(({ client, server }) => client.residentBytes > 0 && server.descriptors > 0))
})

const lines = (file: string) => readFileSync(file, 'utf8').split('\n').length - 1

function childrenOf(pid: number): string[] {
  return readdirSync('/proc').filter((entry) => {
    try {
      return readFileSync(`/proc/${entry}/stat`, 'utf8').split(') ')[1].split(' ')[1] === `${pid}`
    } catch {
      return false // not a process, or one that has ended
    }
  })
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((done) => setTimeout(done, 20))
}
