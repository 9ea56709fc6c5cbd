// npm run bench: measures Ringpost beside the alternatives.

import { existsSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { html } from '../report/html.mjs'
import { caution, Table } from '../report/table.mjs'
import type { Languages, Results } from '../results.mjs'
import { Run, type Plan, type SuiteName } from '../run.mjs'
import { SUITES } from '../suites/index.mjs'
import { SCENARIOS } from '../suites/scenarios.mjs'
import { PRESETS, readState } from '../suites/soak.mjs'
import { RUST_PROGRAMS, TRANSPORTS, type TransportEntry } from '../transports.mjs'
import { Progress } from './progress.mjs'
import * as usage from './usage.mjs'
import { oneOf, sizes, span, UsageError, whole, wholes } from './usage.mjs'

const LANGUAGES = ['ts-ts', 'ts-rust', 'rust-rust'] as const
const NAMES = Object.keys(SUITES) as SuiteName[]

export const HELP = `usage: npm run bench -- [suite ...] [options]
       npm run bench -- --against <commit>   this tree beside another, in 20 runs of all processes

suites
${NAMES.map((name) => `  ${name.padEnd(12)}${SUITES[name].about}`).join('\n')}
  all         all of them

options
  --quick              short forms and fewer turns: minutes for all suites
  --sizes <list>       payloads, like 64,1KiB,64KiB            (64,1KiB,64KiB,1MiB)
  --rates <list>       of open loops, in messages a second     (2000)
  --duration <span>    of one turn, like 500ms                 (500ms; 150ms if quick)
  --repeats <n>        turns of each transport                 (7; 3 if quick)
  --pairs <list>       languages of client and server: ${LANGUAGES.join(', ')}
                       (ts-ts; all that are built, if not quick)
  --peers <list>       builtin, all, none, or names:
${peerNames()}
                       (all that are installed; builtin if quick)
  --pin <cores>        core of the client and core of the server, like 0,1
  --only <list>        only these scenarios, or these micro benchmarks
  --length <span>      of a soak: ${Object.keys(PRESETS).join(', ')}, or like 90s
                       (minute; 15s if quick)
  --rate <n>           of a soak, in round trips a second      (1000)
  --state <file>       keeps every measurement of a soak
  --resume             continues the soak in that file
  --json <file>        writes every figure of every turn
  --html <file>        writes a page with plots; needs no network
  -h, --help           prints this text

exit code: 0, or 1 if a message was lost or a rate missed, 2 for a mistake in the command line, 3 if
something that was asked for was left out, 4 if the runner failed, 5 if everything was measured and
a figure misses what it is held to, 130 if it was interrupted; what is known by then is written in
any case, and each failure, omission and missed figure has a line at the end`

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  quick: { type: 'boolean', default: false },
  sizes: { type: 'string', default: '64,1KiB,64KiB,1MiB' },
  rates: { type: 'string', default: '2000' },
  duration: { type: 'string' },
  repeats: { type: 'string' },
  pairs: { type: 'string' },
  peers: { type: 'string' },
  pin: { type: 'string' },
  only: { type: 'string' },
  length: { type: 'string' },
  rate: { type: 'string', default: '1000' },
  state: { type: 'string' },
  resume: { type: 'boolean', default: false },
  json: { type: 'string' },
  html: { type: 'string' },
} as const

export async function play(words: string[], signal: AbortSignal): Promise<number> {
  const asked = read(words)
  if (asked === null) {
    console.log(HELP)
    return 0
  }
  const results = await measure(asked.plan, words, signal)
  conclude(results, asked.files)
  return exitCode(results)
}

/** What leaves a figure unknown wins over one that is known and too low, so that a caller that
 * accepts a missed figure, as on a busy machine, does not accept a missing one with it. */
export function exitCode({ interrupted, failures, leftOut, missed }: Results): number {
  if (interrupted) return 130
  if (failures.length > 0) return 1
  if (leftOut.length > 0) return 3
  return missed.length > 0 ? 5 : 0
}

interface Asked {
  plan: Plan
  files: { json?: string; html?: string }
}

/** What the words ask for; null if that is help. Throws if they are not valid. */
export function read(words: string[]): Asked | null {
  const config = { args: words, allowPositionals: true, options: OPTIONS }
  const { values, positionals } = usage.parse(config)
  if (values.help) return null
  const plan = planOf(positionals, values)
  const { json, html, state } = values
  usage.writable({ json, html, state })
  return { plan, files: { json, html } }
}

async function measure(plan: Plan, words: string[], signal: AbortSignal): Promise<Results> {
  const progress = new Progress()
  const table = new Table((line) => {
    progress.clear()
    console.log(line)
  })
  const run = new Run(
    plan,
    words,
    {
      begin: (suite, steps) => progress.begin(suite, steps),
      step: (what) => progress.step(what),
      found: (measurement) => table.measurement(measurement),
      row: (row) => table.row(row),
      say: (line) => table.say(line),
    },
    signal,
  )
  table.heading(run.results)
  await run.watch.ping()
  for (const suite of plan.suites) {
    if (!run.stopped) await SUITES[suite].play(run)
  }
  const results = run.finish()
  progress.clear()
  if (results.soak !== null) table.soak(results.soak)
  return results
}

function conclude(results: Results, { json, html: page }: { json?: string; html?: string }): void {
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 1)}\n`)
  if (page !== undefined) writeFileSync(page, html(results))
  console.log(`\n${caution(results.state).join('\n')}`)
  for (const failure of results.failures) console.log(`FAILED: ${failure}`)
  for (const what of results.leftOut) console.log(`LEFT OUT: ${what}`)
  for (const what of results.missed) console.log(`MISSED: ${what}`)
  if (results.interrupted) console.log('Interrupted: these are the figures known by then.')
  const written = [json, page].filter((file) => file !== undefined)
  if (written.length > 0) console.log(`written: ${written.join(', ')}`)
}

type Values = Record<'sizes' | 'rates' | 'rate', string> &
  Partial<Record<'duration' | 'repeats' | 'pairs' | 'peers' | 'pin' | 'only', string>> &
  Partial<Record<'length' | 'state', string>> &
  Record<'quick' | 'resume', boolean>

function planOf(words: string[], values: Values): Plan {
  const { quick, duration = quick ? '150ms' : '500ms', repeats = quick ? '3' : '7' } = values
  const suites = suitesOf(words)
  return {
    suites,
    sizes: sizes('sizes', values.sizes),
    rates: wholes('rates', values.rates, 1, 1e7),
    ms: span('duration', duration),
    repeats: whole('repeats', repeats, 1, 1000),
    languages: languagesOf(values.pairs, quick),
    transports: transportsOf(values.peers ?? (quick ? 'builtin' : 'all')),
    isNamed: values.peers !== undefined,
    cores: coresOf(values.pin),
    quick,
    soak: soakOf(values),
    only: onlyOf(values.only, suites),
  }
}

function coresOf(pin: string | undefined): Plan['cores'] {
  if (pin === undefined) return {}
  const cores = wholes('pin', pin, 0, cpus().length - 1)
  if (cores.length !== 2) throw new UsageError(`--pin must be two cores, like 0,1, got '${pin}'`)
  const [client, server] = cores.map(String)
  return { client, server }
}

function soakOf({ quick, length, rate, state, resume }: Values): Plan['soak'] {
  const long = length ?? (quick ? '15s' : 'minute')
  if (resume && state === undefined) {
    throw new UsageError('--resume needs --state <file>, the file of the soak to continue')
  }
  if (resume) checkState(state!)
  return {
    seconds: PRESETS[long] ?? span('length', long) / 1e3,
    rate: whole('rate', rate, 1, 1e6),
    size: 64,
    file: state,
    resume,
  }
}

function checkState(file: string): void {
  const text = usage.readable('resume', file)
  try {
    readState(text)
  } catch {
    throw new UsageError(`--resume: '${file}' is not the state of a soak`)
  }
}

function suitesOf(words: string[]): SuiteName[] {
  if (words.length === 0) return NAMES
  const named = oneOf('suite', words.join(','), [...NAMES, 'all'])
  return named.includes('all') ? NAMES : (named as SuiteName[])
}

/** Which micro benchmarks there are in Rust only criterion knows; what it does not find is left
 * out. */
function onlyOf(list: string | undefined, suites: SuiteName[]): string[] | undefined {
  if (list === undefined) return undefined
  if (suites.includes('micro')) return list.split(',')
  if (suites.includes('scenarios')) return oneOf('--only', list, SCENARIOS)
  throw new UsageError('--only selects scenarios or micro benchmarks: neither suite is asked for')
}

function languagesOf(asked: string | undefined, quick: boolean): Languages[] {
  if (asked !== undefined) return oneOf('--pairs', asked, LANGUAGES)
  return quick || !existsSync(RUST_PROGRAMS.worker) ? ['ts-ts'] : [...LANGUAGES]
}

/** Ringpost and the reference always take part, because every ratio is of these two. */
function transportsOf(asked: string): TransportEntry[] {
  const [ours, reference, ...others] = TRANSPORTS
  const names = others.map(({ name }) => name)
  const isAsked: Record<string, (transport: TransportEntry) => boolean> = {
    all: () => true,
    builtin: ({ builtIn }) => builtIn,
    none: () => false,
  }
  const wanted = isAsked[asked] ?? namedIn(oneOf('--peers', asked, [reference.name, ...names]))
  return [ours, reference, ...others.filter(wanted)]
}

const namedIn = (words: string[]) => (transport: TransportEntry) => words.includes(transport.name)

function peerNames(): string {
  const names = TRANSPORTS.slice(1).map(({ name }) => name)
  const lines: string[] = []
  while (names.length > 0) lines.push(`                       ${names.splice(0, 6).join(', ')}`)
  return lines.join('\n')
}
