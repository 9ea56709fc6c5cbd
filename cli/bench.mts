// ringpost bench: measures Ringpost beside what one would use instead.

import { existsSync, writeFileSync } from 'node:fs'
import { html } from '../benches/report/html.mjs'
import { caution, Table } from '../benches/report/table.mjs'
import type { Languages, Results } from '../benches/results.mjs'
import { Run, type Plan, type SuiteName } from '../benches/run.mjs'
import { SUITES } from '../benches/suites/index.mjs'
import { PRESETS } from '../benches/suites/soak.mjs'
import { ROOT, RUST_PROGRAMS, TRANSPORTS, type TransportEntry } from '../benches/transports.mjs'
import { Progress } from './progress.mjs'
import { oneOf, parse, sizes, span, UsageError, whole, wholes } from './usage.mjs'

const LANGUAGES = ['ts-ts', 'ts-rust', 'rust-rust'] as const
const NAMES = Object.keys(SUITES) as SuiteName[]
/** Its micro benchmarks need what only the repository has. */
const IN_REPOSITORY = existsSync(new URL('Cargo.toml', ROOT))

const HELP = `usage: ringpost bench [suite ...] [options]

suites
${NAMES.map((name) => `  ${name.padEnd(12)}${SUITES[name].about}`).join('\n')}
  all         all of them

options
  --quick              short forms, fewer turns: minutes for all of it
  --sizes <list>       payloads, like 64,1KiB,64KiB            (64,1KiB,64KiB,1MiB)
  --rates <list>       of open loops, in messages a second     (2000)
  --duration <span>    of one turn, like 500ms                 (500ms; 150ms if quick)
  --repeats <n>        turns of each transport                 (7; 3 if quick)
  --pairs <list>       who asks and serves: ${LANGUAGES.join(', ')}
                       (ts-ts; all that are built, if not quick)
  --peers <list>       builtin, all, none, or names:
${peerNames()}
                       (all that are there; builtin if quick)
  --pin <cores>        core of the side that asks and of the one that serves, like 0,1
  --only <list>        only these scenarios, or these micro benchmarks
  --length <span>      of a soak: ${Object.keys(PRESETS).join(', ')}, or like 90s (minute; 15s if quick)
  --rate <n>           of a soak, in round trips a second      (1000)
  --state <file>       keeps every sample of a soak
  --resume             goes on with the soak in that file
  --json <file>        writes every figure of every turn
  --html <file>        writes a page with plots; needs no network

It ends with 0, with 1 if a message was lost or a rate missed, with 2 if this was misunderstood, with 4
if it broke, and with 130 if it was interrupted; what is known then is written all the same.`

export async function bench(words: string[], signal: AbortSignal): Promise<number> {
  const { values, positionals } = parse({
    args: words,
    allowPositionals: true,
    options: {
      help: { type: 'boolean' },
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
    },
  })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const plan = planOf(positionals, values)
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
  conclude(results, values)
  return results.interrupted ? 130 : results.failures.length > 0 ? 1 : 0
}

function conclude(results: Results, { json, html: page }: { json?: string; html?: string }): void {
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 1)}\n`)
  if (page !== undefined) writeFileSync(page, html(results))
  console.log(`\n${caution(results.state).join('\n')}`)
  for (const failure of results.failures) console.log(`FAILED: ${failure}`)
  if (results.interrupted) console.log('It was interrupted: this is what was known by then.')
  const written = [json, page].filter((file) => file !== undefined)
  if (written.length > 0) console.log(`written: ${written.join(', ')}`)
}

type Values = Record<'sizes' | 'rates' | 'rate', string> &
  Partial<Record<'duration' | 'repeats' | 'pairs' | 'peers' | 'pin' | 'only' | 'length' | 'state', string>> &
  Record<'quick' | 'resume', boolean>

function planOf(words: string[], values: Values): Plan {
  const { quick, duration = quick ? '150ms' : '500ms', repeats = quick ? '3' : '7' } = values
  const { length = quick ? '15s' : 'minute' } = values
  const asked = words.length === 0 || words.includes('all') ? ['all'] : words
  const [client, server] = values.pin === undefined ? [] : wholes('pin', values.pin, 0, 4095).map(String)
  if (values.pin !== undefined && server === undefined) {
    throw new UsageError(`--pin is two cores, like 0,1, not '${values.pin}'`)
  }
  if (values.resume && values.state === undefined) {
    throw new UsageError('--resume goes on with what is in --state <file>')
  }
  return {
    suites: suitesOf(asked),
    sizes: sizes('sizes', values.sizes),
    rates: wholes('rates', values.rates, 1, 1e7),
    ms: span('duration', duration),
    repeats: whole('repeats', repeats, 1, 1000),
    languages: languagesOf(values.pairs, quick),
    transports: transportsOf(values.peers ?? (quick ? 'builtin' : 'all')),
    cores: { client, server },
    quick,
    soak: {
      seconds: PRESETS[length] ?? span('length', length) / 1e3,
      rate: whole('rate', values.rate, 1, 1e6),
      size: 64,
      file: values.state,
      resume: values.resume,
    },
    only: values.only?.split(','),
  }
}

function suitesOf(asked: string[]): SuiteName[] {
  if (asked[0] !== 'all') return oneOf('suite', asked.join(','), NAMES)
  return NAMES.filter((name) => name !== 'micro' || IN_REPOSITORY)
}

function languagesOf(asked: string | undefined, quick: boolean): Languages[] {
  if (asked !== undefined) return oneOf('pairs', asked, LANGUAGES)
  return quick || !existsSync(RUST_PROGRAMS.worker) ? ['ts-ts'] : [...LANGUAGES]
}

/** Ringpost and the reference are always among them: everything is said in terms of the two. */
function transportsOf(asked: string): TransportEntry[] {
  const [ours, reference, ...others] = TRANSPORTS
  const names = others.map(({ name }) => name)
  const isAsked: Record<string, (transport: TransportEntry) => boolean> = {
    all: () => true,
    builtin: ({ builtIn }) => builtIn,
    none: () => false,
  }
  const wanted = isAsked[asked] ?? namedIn(oneOf('peers', asked, [reference.name, ...names]))
  return [ours, reference, ...others.filter(wanted)]
}

const namedIn = (words: string[]) => (transport: TransportEntry) => words.includes(transport.name)

function peerNames(): string {
  const names = TRANSPORTS.slice(1).map(({ name }) => name)
  const lines: string[] = []
  while (names.length > 0) lines.push(`                       ${names.splice(0, 6).join(', ')}`)
  return lines.join('\n')
}
