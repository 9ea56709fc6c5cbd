// The runner as a program of its own: its output, its files and its exit codes. What it measures is
// not tested, because timings belong to benchmarks.

import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import type { Results } from '../results.mjs'
import { RUST_PROGRAMS } from '../transports.mjs'
import { directory } from '../../__test__/helpers/directory.mjs'
import { childrenOf } from './helpers/children.mjs'

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

for (const verb of ['bench', 'gate']) {
  for (const word of ['-h', '--help']) {
    test.serial(`${verb} ${word} prints the usage`, async (t) => {
      const { code, out } = await play(verb, word)
      t.is(code, 0)
      t.true(out.startsWith(`usage: npm run ${verb} -- `))
    })
  }
}

const taken = join(directory, 'no-folder/file')
const noJson = join(directory, 'no-json')
writeFileSync(noJson, 'no JSON\n')

for (const [words, sentence] of [
  [['dance'], /^usage: npm run bench \| gate/],
  [['bench', 'dance'], /no 'dance', only latency/],
  [['bench', 'all', 'dance'], /no 'dance', only latency/],
  [['bench', '--dance'], /Unknown option '--dance'\n/],
  [['bench', '--sizes', '1GiB'], /--sizes must be sizes like 64.*, got '1GiB'/],
  [['bench', '--duration', '5'], /--duration must be a span like 500ms.*, got '5'/],
  [['bench', '--repeats', '0'], /--repeats must be a whole number from 1 to 1000, got '0'/],
  [['bench', '--rates', '1,'], /--rates must be a whole number .*, got ''/],
  [['bench', '--peers', 'pigeons'], /no 'pigeons', only expert/],
  [['bench', '--pin', '1'], /--pin must be two cores/],
  [['bench', '--pin', '0,4096'], /--pin must be a whole number from 0 to \d+, got '4096'/],
  [['bench', 'scenarios', '--only', 'mixd'], /--only: there is no 'mixd', only mixed/],
  [['bench', 'latency', '--only', 'mixed'], /--only selects scenarios or micro benchmarks/],
  [['bench', '--resume'], /--resume needs --state/],
  [['bench', '--resume', '--state', taken], /--resume: cannot read '.*' \(ENOENT\)/],
  [['bench', '--resume', '--state', noJson], /--resume: '.*' is not the state of a soak/],
  [['bench', '--json', taken], /--json: cannot write '.*' \(ENOENT\)/],
  [['bench', '--html', directory], /--html: cannot write '.*' \(EISDIR\)/],
  [['bench', '--state', taken], /--state: cannot write/],
  [['gate'], /one of --base, --baseline and --record is needed/],
  [['gate', '--base', 'nowhere'], /'nowhere' is neither a commit nor a built tree/],
  [['gate', '--base', '.', '--rows', 'moon'], /no gated row 'moon'/],
  [['gate', '--anchor', '.', '--record', taken], /--anchor needs --base/],
  [['gate', '--base', '.', '--anchor', 'nowhere'], /'nowhere' is neither a commit nor a built tree/],
  [['gate', '--baseline', taken], /--baseline: cannot read/],
  [['gate', '--baseline', noJson], /--baseline: '.*' is not JSON/],
  [['gate', '--record', taken], /--record: cannot write/],
  [['gate', '--base', '.', '--markdown', taken], /--markdown: cannot write/],
] as const) {
  test.serial(`a mistake is answered with the usage: ${words.join(' ')}`, async (t) => {
    const { code, out, err } = await play(...words)
    t.is(code, 2)
    t.is(out, '')
    t.regex(err, sentence)
    t.regex(err, /usage: npm run/)
    t.notRegex(err, /\n {4}at /)
  })
}

test.serial('checking that a file can be written leaves nothing behind', async (t) => {
  const json = join(directory, 'unwritten.json')
  t.is((await play('bench', '--json', json, '--html', taken)).code, 2)
  t.false(existsSync(json))
})

test.serial('a transport that was asked for and left out makes the exit code 3', async (t) => {
  const json = join(directory, 'left-out.json')
  const asked = ['--peers', 'bare', '--pairs', 'rust-rust', '--json', json]
  const { code, out } = await play('bench', 'connect', ...TINY, ...asked)
  const { leftOut, transports } = resultsIn(json)
  if (existsSync(RUST_PROGRAMS.worker)) {
    t.is(code, 0, out)
    t.deepEqual(leftOut, [])
  } else {
    t.is(code, 3, out)
    t.deepEqual(leftOut.map((what) => what.split(':')[0]), [
      ...['Ringpost, rust-rust', 'Unix socket, by an expert, rust-rust', 'bare ring, rust-rust'],
    ])
    t.true(transports.every(({ missing }) => missing !== null))
    t.regex(out, /LEFT OUT: bare ring, rust-rust: its Rust program is not built/)
  }
})

test.serial('every builtin transport is measured, and nothing is lost', async (t) => {
  const [json, page] = [join(directory, 'all.json'), join(directory, 'all.html')]
  const suites = ['latency', 'throughput', 'burst']
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
    const names = results.transports.map(({ name }) => name)
    t.deepEqual(measured.map(({ transport }) => transport), names)
    for (const { repeats } of measured) {
      t.is(repeats.length, 1)
      t.true(repeats[0].value > 0)
      t.true(Number.isFinite(repeats[0].cpu!.client))
    }
  }
  t.regex(out, /round trip 64 B, one at a time/)
  t.regex(readFileSync(page, 'utf8'), /^<!doctype html>/i)
})

test.serial('a rate that is not kept is reported as a failure', async (t) => {
  const json = join(directory, 'missed.json')
  const fast = ['--peers', 'none', '--rates', '10000000']
  const { code, out } = await play('bench', 'latency', ...TINY, ...fast, '--json', json)
  t.is(code, 1)
  t.regex(out, /FAILED: .*missed its rate/)
  const missed = resultsIn(json).measurements.filter(({ failed }) => failed !== null)
  t.deepEqual(missed.map(({ id }) => id), ['latency.open.64.10000000', 'latency.open.64.10000000'])
})

test.serial('fewer connections than asked for are missed, also in the exit code', async (t) => {
  const scenario = ['bench', 'scenarios', '--quick', '--only', 'thousand-connections']
  // The runner and all of its processes may open so few files.
  const limited = ['-c', 'ulimit -n 160 && exec "$0" "$@"']
  const shell = spawn('sh', [...limited, process.execPath, COMMAND, ...scenario])
  const [[code], out] = await Promise.all([once(shell, 'exit'), text(shell.stdout)])
  t.is(code, 5, out)
  t.regex(out, /\nMISSED: .*connections that open files allow: 90.0, wanted ≥ 1000\n/)
})

test.serial('curves of both transports are measured, and printed with their bends', async (t) => {
  const [json, page] = [join(directory, 'scale.json'), join(directory, 'scale.html')]
  const { code, out } = await play('bench', 'scale', ...TINY, '--json', json, '--html', page)
  const results = resultsIn(json)
  t.is(code, 0, out)
  t.deepEqual([...new Set(results.measurements.map(({ transport }) => transport))], [
    ...['ringpost', 'expert'],
  ])
  for (const title of ['Connections', 'Payload', 'Requests in flight', 'Busy neighbours']) {
    t.regex(out, new RegExp(`\\n${title}\\n  .*Ringpost, cores.*\\n`))
    t.regex(readFileSync(page, 'utf8'), new RegExp(`<h3>${title}</h3>`))
  }
  t.is(out.match(/^Ringpost: .* Unix socket, by an expert: /gm)!.length, 5)
})

const SHORT_GATE = ['--rows', 'latency.64.p50', '--time', '1s', '--turn', '20ms']

interface Judged {
  runs: number
  disturbed: number
  /** Figures are missing if others have disturbed all runs. */
  rows: {
    beside: string
    tolerance: number
    unit: string
    candidate: number | null
    before: number | null
    samples: number[]
  }[]
}

test.serial('beside a build, figures of the gate have the unit of their row', async (t) => {
  const json = join(directory, 'gate.json')
  const { code, out } = await play('gate', '--base', '.', ...SHORT_GATE, '--json', json)
  t.is(code, 3, out)
  t.regex(out, /\(1 of 1 rows undecided, \d+ runs/)
  t.regex(out, /round trip 64 B, p50 +[\d.–]+ .?s, +[\d.–]+ .?s before/)
  const { runs, disturbed, rows } = JSON.parse(readFileSync(json, 'utf8')) as Judged
  const [{ unit, candidate, before, samples }] = rows
  t.is(unit, 'ns')
  t.is(samples.length, runs - disturbed)
  for (const ns of [candidate, before]) t.true(ns === null || (ns > 100 && ns < 1e9), `${ns} ns`)
})

test.serial('an anchor is judged beside the base, with twice the tolerance', async (t) => {
  const json = join(directory, 'anchor.json')
  const both = ['--base', '.', '--anchor', '.']
  const { code, out } = await play('gate', ...both, ...SHORT_GATE, '--json', json)
  t.is(code, 3, out)
  t.regex(out, /before: .*\n.* at the anchor: .*\n/)
  const { rows } = JSON.parse(readFileSync(json, 'utf8')) as Judged
  t.deepEqual(rows.map(({ beside, tolerance }) => [beside, tolerance]), [
    ['base', 0.05],
    ['anchor', 0.1],
  ])
})

test.serial('beside a record they are times the reference', async (t) => {
  const [file, json] = [join(directory, 'record.json'), join(directory, 'beside.json')]
  t.is((await play('gate', '--record', file, '--runs', '1', ...SHORT_GATE)).code, 0)
  const recorded = JSON.parse(readFileSync(file, 'utf8')) as { rows: Record<string, number[]> }
  // A run that others have disturbed is not recorded.
  recorded.rows['latency.64.p50'] = [Math.log(40)]
  writeFileSync(file, JSON.stringify(recorded))
  const { code, out } = await play('gate', '--baseline', file, ...SHORT_GATE, '--json', json)
  t.is(code, 3, out)
  t.regex(out, /times better than the reference/)
  const [{ unit, before }] = (JSON.parse(readFileSync(json, 'utf8')) as Judged).rows
  t.is(unit, '×')
  t.is(Math.round(before!), 40)
})

test.serial('an interruption ends the run with the figures known by then', async (t) => {
  const json = join(directory, 'interrupted.json')
  const long = ['--repeats', '1000', '--duration', '200ms', '--sizes', '64']
  const { child, ended } = start('bench', 'latency', '--peers', 'none', ...long, '--json', json)
  await once(child.stdout!, 'data')
  await until(() => childrenOf(child.pid!).length >= 4)
  child.kill('SIGINT')
  const { code, out } = await ended
  t.is(code, 130)
  t.regex(out, /Interrupted/)
  t.true(resultsIn(json).interrupted)
})

test.serial('a soak continues where it was interrupted', async (t) => {
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

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((done) => setTimeout(done, 20))
}
