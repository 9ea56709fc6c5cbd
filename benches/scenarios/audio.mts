// The example examples/audio itself: a control process sends commands to an audio process in Rust,
// beside two workers there that compute sound and another process that asks a hundred times a second.
//
// Commands are measured on two ways. On one a thread is woken for each, and half of a round trip is
// what counts, because answers exist only for the measurement. On the other, the one of production,
// nothing answers and the audio thread looks once in a period of 5.8 ms: there it counts whether each
// command was heard at its time.
//
// It is played twice: with equal priorities, and with real-time priority for the two processes, as
// audio software has it, where this user may grant it. With equal priorities the kernel decides how
// long a worker keeps its core after another process was woken.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { connect, type Client } from 'ringpost'
import { AskStatus, PERIOD_NS, Status, type Report } from '../../examples/audio/contract.mjs'
import { Control } from '../../examples/audio/control.mjs'
import { FLOORS, Reports, TARGETS, woken } from '../../examples/audio/measure.mjs'
import { median } from '../compare.mjs'
import { histogram, latencyOf } from '../histogram.mjs'
import type { Check, Latency, Repeat } from '../results.mjs'
import { ROOT } from '../transports.mjs'
import { stroll } from './pace.mjs'
import { common, type Place } from './peers.mjs'
import { amount, atMost, progressing, withCrew, type Scenario } from './scenario.mjs'
import type { Crew, Form } from './scenario.mjs'

const WORKERS = 2
const OTHERS_PER_SECOND = 100
/** Of the control process. */
const PRIORITY = '10'
/** The longest that others have seen. */
const LONGEST_NS = 526e3

/** What was seen of as many commands on each way. */
interface Commanded extends Latency {
  p95: number
  /** Until the audio thread has read them, in the period in which it did. */
  read: { p50: number; p99: number }
  late: number
  lost: number
}

export const scenario: Scenario = {
  name: 'audio',
  title: 'commands to an audio process beside two busy DSP workers and 100 other messages a second',
  metric: { name: 'one way, p50', unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'audio', 240, async (crew) => {
      const count = amount(form, 1_000, 1_000)
      const pauseMs = form.short ? 1 : 4
      const refused = realTimeRefused()
      const rounds = form.short ? 1 : 4
      const kinds = refused === undefined ? (['equal', 'urgent'] as const) : (['equal'] as const)
      const seen: Record<'equal' | 'urgent', Commanded[]> = { equal: [], urgent: [] }
      let unanswered = 0
      for (let turn = 0; turn < rounds * kinds.length; turn++) {
        const kind = kinds[turn % kinds.length]
        const { audio, control, other } = await players(form, crew, kind)
        const ms = count * 2 * (pauseMs + 1.2)
        const chat = other.play<number>('chat', { ms })
        const commanding = control.play<Commanded>('command', { count, pauseMs })
        const turns = rounds * kinds.length
        const share: [number, number] = [turn / turns, (turn + 1) / turns]
        seen[kind].push(await progressing(form, 'commanding', ms, commanding, share))
        unanswered += await chat
        // Its workers are not to be beside those of the next.
        await audio.play('endAudio')
      }
      const lost = [...seen.equal, ...seen.urgent].reduce((sum, { lost }) => sum + lost, 0)
      const failed =
        lost + unanswered > 0 ? `${lost} commands were lost, ${unanswered} questions too` : null
      const note = refused && `no real-time priority here: ${refused}`
      const load = { workers: WORKERS, othersPerSecond: OTHERS_PER_SECOND }
      return {
        settings: { count, pauseMs, periodNs: PERIOD_NS, ...load, note },
        repeats: seen.equal.map(({ p95, read, late, ...latency }, round): Repeat => {
          const reading = { 'read after p50': read.p50, 'read after p99': read.p99 }
          const details = { p95, ...reading, 'heard late': late, ...named(seen.urgent[round]) }
          return { value: latency.p50, latency, details }
        }),
        checks: [
          ...floors(seen.equal, 'one way'),
          ...floors(seen.urgent, 'one way at real-time priority'),
        ],
        failed,
      }
    }),
}

let places = 0

/** An audio process with its control process, and one that asks. */
async function players(form: Form, crew: Crew, kind: 'equal' | 'urgent') {
  const name = `audio-${process.pid}-${++places}`
  const place = { name, directory: form.directory }
  const [audio, control, other] = [crew.member(), crew.member(), crew.member()]
  await audio.play('serveAudio', { place, isOrdinary: kind === 'equal' })
  await control.play('takeControl', { place })
  await other.play('connectTo', { place })
  // The audio process gives its threads theirs by itself.
  if (kind === 'urgent') chrt('-a', '-f', '-p', PRIORITY, String(control.pid))
  return { audio, control, other }
}

function named(urgent: Commanded | undefined): Record<string, number> {
  if (urgent === undefined) return {}
  const { p50, p95, p99, max, late } = urgent
  return Object.fromEntries(
    Object.entries({ p50, p95, p99, max, 'heard late': late }).map(([of, ns]) => [
      `${of} at real-time priority`,
      ns,
    ]),
  )
}

/** What is usual, and the longest of all, beside what others have seen, and beside what was asked
 * of native code; and that commands of the other way were heard at their time. */
function floors(all: Commanded[], what: string): Check[] {
  if (all.length === 0) return []
  const usual = (of: 'p50' | 'p95' | 'p99' | 'stddev') => median(all.map((seen) => seen[of]))
  const late = all.reduce((sum, seen) => sum + seen.late, 0)
  return [
    atMost(`${what}, p50`, 'ns', FLOORS.p50, usual('p50')),
    atMost(`${what}, p95`, 'ns', FLOORS.p95, usual('p95')),
    atMost(`${what}, p99`, 'ns', FLOORS.p99, usual('p99')),
    atMost(`${what}, standard deviation`, 'ns', FLOORS.jitter, usual('stddev')),
    atMost(`${what}, longest`, 'ns', LONGEST_NS, Math.max(...all.map(({ max }) => max))),
    atMost(`${what}, p50, asked of native code`, 'ns', TARGETS.p50, usual('p50')),
    atMost(`${what}, p95, asked of native code`, 'ns', TARGETS.p95, usual('p95')),
    atMost(`heard late, ${what}`, '', 0, late),
  ]
}

/** Why there is no real-time priority here, if there is none. */
function realTimeRefused(): string | undefined {
  try {
    chrt('-f', PRIORITY, 'true')
    return undefined
  } catch (error) {
    return (error as Error).message.trim().split('\n').at(-1)
  }
}

function chrt(...args: string[]): void {
  execFileSync('chrt', args, { stdio: 'pipe' })
}

// ---- what its processes do ----

let synth: ChildProcess
let control: Control
let client: Client
let reports = new Reports()

export const roles = {
  ...common,

  /** Starts the audio process, and waits until it plays. It ends with this one. */
  async serveAudio({ place, isOrdinary }: { place: Place; isOrdinary: boolean }): Promise<void> {
    const { synthProgram } = (await import(`${ROOT}examples/audio/programs.mjs`)) as {
      synthProgram: () => string
    }
    const args = ['--name', place.name, '--record', '/dev/null', '--workers', `${WORKERS}`]
    const how = isOrdinary ? ['--attached', '--ordinary'] : ['--attached']
    const env = { ...process.env, RINGPOST_DIR: place.directory }
    synth = spawn(synthProgram(), [...args, ...how], { env, stdio: ['pipe', 'pipe', 'inherit'] })
    await once(createInterface(synth.stdout!), 'line')
  },

  async endAudio(): Promise<void> {
    synth.stdin!.end()
    await once(synth, 'exit')
  },

  async takeControl({ place: { name, directory } }: { place: Place }): Promise<void> {
    const onReport = (report: Report) => reports.add(report)
    control = await Control.open(name, { directory, onReport, say: () => {} })
  },

  async connectTo({ place: { name, directory } }: { place: Place }): Promise<void> {
    client = await connect(name, { directory })
  },

  /** The other messages. Returns how many were not answered. */
  async chat({ ms }: { ms: number }): Promise<number> {
    const end = performance.now() + ms
    const answers: Promise<unknown>[] = []
    await stroll(OTHERS_PER_SECOND, () => performance.now() < end, () => {
      answers.push(client.request(AskStatus, new Uint8Array()).then(Status.decode))
    })
    const settled = await Promise.allSettled(answers)
    return settled.filter(({ status }) => status === 'rejected').length
  },

  async command({ count, pauseMs }: { count: number; pauseMs: number }): Promise<Commanded> {
    const [ways, waits] = [histogram(), histogram()]
    for (const { roundTrip } of await woken(control, count, pauseMs)) {
      ways.record(Math.max(1, Math.round(roundTrip / 2)))
    }
    reports = new Reports()
    await reports.collect(control, count, pauseMs)
    for (const wait of reports.waits) waits.record(Math.max(1, wait))
    const read = { p50: waits.percentile(50), p99: waits.percentile(99) }
    const late = reports.lateness.filter((frames) => frames > 0).length
    const lost = count - reports.waits.length
    return { ...latencyOf(ways), p95: ways.percentile(95), read, late, lost }
  },
}
