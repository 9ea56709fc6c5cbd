// The example examples/ai-backend itself, with a crowd: one window that is measured among 999, a
// thousand that come at once, windows that come and go, and a backend that is killed.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { AskUsage } from '../../examples/ai-backend/contract.mjs'
import { Backend } from '../../examples/ai-backend/client/backend.mjs'
import { median } from '../compare.mjs'
import { histogram, latencyOf, record } from '../histogram.mjs'
import type { Latency } from '../results.mjs'
import { ROOT } from '../transports.mjs'
import { stroll } from './pace.mjs'
import { common, SETTLE_MS, type Place } from './peers.mjs'
import { affordable, amount, atMost, descriptors, manyEnough, withCrew } from './scenario.mjs'
import type { Crew, Form, Member, Scenario } from './scenario.mjs'
import { theWindows, windows, type Done } from './ai-backend/windows.mjs'

const PROCESSES = 9
const WINDOWS_EACH = 111
/** Of each of the loud ones, requests a second. */
const LOUD_RATE = 2
const PAUSE_MS = 1
/** A thousand rings of the usual size would be gigabytes. */
const RINGS = { normal: 65_536 }
const GROWTH_MAX = 512 * 1024
/** Cycles before it counts: tables grow to their size. */
const WARM_UP = 30

export const scenario: Scenario = {
  name: 'ai-backend-crowd',
  title: 'the AI backend: one window among 999, a thousand at once, cycles of hundreds, kills',
  metric: { name: 'longest from a kill to the next answer', unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'ai-backend-crowd', 600, async (crew) => {
      const place = { name: `ai-crowd-${process.pid}`, directory: form.directory }
      const server = crew.member()
      const pid = await server.play<number>('serveBackend', { place })
      const atRest = resident(pid)
      const wanted = form.scale < 1 ? 100 : PROCESSES * WINDOWS_EACH + 1
      const each = Math.floor((affordable(wanted) - 1) / PROCESSES)
      const crowd = Array.from({ length: PROCESSES }, () => crew.member())
      await Promise.all(crowd.map((member) => member.ready()))
      const before = descriptors(pid)

      form.progress(0, 'one among many')
      const opening = { place, count: each, options: { rings: RINGS } }
      const measured = await among(form, crew, crowd, opening)
      await leave(crowd)

      form.progress(0.3, 'all at once')
      const bomb = await open(crowd, opening)
      await leave(crowd)
      form.progress(0.4, 'coming and going')
      const cycles = await comeAndGo(form, crowd, opening, { pid, before })
      await server.play('endBackend')

      form.progress(0.8, 'killing')
      const killing = { place, times: amount(form, 100, 10) }
      const recovery = await crew.member().play<Latency>('killAndAsk', killing)
      const faults = [...measured.faults, ...bomb.faults, ...cycles.faults]
      const { alone, loud } = measured
      return {
        settings: { windows: each * PROCESSES, loudRate: LOUD_RATE, rings: RINGS, ...cycles.settings },
        repeats: [
          {
            ...{ value: recovery.max, latency: recovery },
            details: {
              ...{ 'alone, p50': alone.p50, 'alone, p99': alone.p99 },
              ...{ 'among all others, p50': loud.p50, 'among all others, p99': loud.p99 },
              'until all have come and greeted, ms': bomb.ms,
              'resident at rest, B': atRest,
              'growth of the backend, B': cycles.growth,
            },
          },
        ],
        checks: [
          manyEnough(wanted, each * PROCESSES + 1),
          atMost('longest from a kill to the next answer', 'ns', 100e6, recovery.max),
          atMost('growth of resident memory', 'B', GROWTH_MAX, cycles.growth),
        ],
        failed: faults.slice(0, 3).join('; ') || null,
      }
    }),
}

type Opening = { place: Place; count: number; options: object }

/** All processes open their windows at once. */
async function open(crowd: Member[], opening: Opening): Promise<Done> {
  const start = performance.now()
  const all = await Promise.all(crowd.map((member) => member.play<Done>('openWindows', opening)))
  const count = all.reduce((sum, one) => sum + one.count, 0)
  const ms = performance.now() - start
  return { count, ms, faults: all.flatMap(({ faults }) => faults) }
}

const leave = (crowd: Member[]): Promise<unknown> =>
  Promise.all(crowd.map((member) => member.play('closeWindows')))

/** Round trips of one window, alone and while all others ask. */
async function among(form: Form, crew: Crew, crowd: Member[], opening: Opening) {
  const ms = amount(form, 15_000, 1_500)
  const quiet = crew.member()
  await quiet.play('openWindows', { ...opening, count: 1 })
  await quiet.play('askInTurn', { ms: ms / 3 })
  const alone = await quiet.play<Latency>('askInTurn', { ms })
  const { faults } = await open(crowd, opening)
  // They begin before and end after what is measured.
  const asking = crowd.map((member) => member.play<Done>('askLoudly', { ms: ms * 1.4 }))
  await quiet.play('askInTurn', { ms: ms / 5 })
  const loud = await quiet.play<Latency>('askInTurn', { ms })
  const all = await Promise.all(asking)
  await quiet.play('closeWindows')
  return { alone, loud, faults: [...faults, ...all.flatMap(({ faults }) => faults)] }
}

/** Windows come and go, in cycles of hundreds. */
async function comeAndGo(form: Form, crowd: Member[], opening: Opening, backend: Settling) {
  const [few, many] = form.short ? [50, 150] : [100, 500]
  const cycles = Math.max(6, amount(form, 120, 18))
  const warmUp = amount(form, WARM_UP, 12)
  const seen: number[] = []
  const faults: string[] = []
  for (let cycle = -warmUp; cycle < cycles && faults.length === 0; cycle++) {
    // As many as ever come first; later all sizes in no order.
    const size = affordable(cycle < 0 ? many : few + ((cycle * 173) % (many - few + 1)))
    const came = await open(crowd, { ...opening, count: Math.ceil(size / PROCESSES) })
    faults.push(...came.faults)
    await leave(crowd)
    const left = await settle(backend)
    if (left > 0) faults.push(`${left} descriptors are left open`)
    if (cycle >= 0) seen.push(resident(backend.pid))
  }
  const third = Math.floor(seen.length / 3)
  const growth = median(seen.slice(-third)) - median(seen.slice(0, third))
  return { growth, faults, settings: { cycles, warmUp } }
}

/** A process, and the descriptors that it has had. */
interface Settling {
  pid: number
  before: number
}

/** Waits until it has no more descriptors than before; resolves to how many it has. */
async function settle({ pid, before }: Settling): Promise<number> {
  const end = performance.now() + SETTLE_MS
  while (descriptors(pid) > before && performance.now() < end) await setTimeout(5)
  return Math.max(0, descriptors(pid) - before)
}

function resident(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)![1]) * 1024
}

export const roles = {
  ...common,
  ...windows,

  /** Round trips one at a time. */
  async askInTurn({ ms }: { ms: number }): Promise<Latency> {
    const spans = histogram()
    const end = performance.now() + ms
    while (performance.now() < end) {
      const start = performance.now()
      await theWindows()[0].request(AskUsage)
      record(spans, start)
      await setTimeout(PAUSE_MS)
    }
    return latencyOf(spans)
  },

  /** All windows ask, each so many times a second. */
  async askLoudly({ ms }: { ms: number }): Promise<Done> {
    const all = theWindows()
    const start = performance.now()
    const goesOn = () => performance.now() < start + ms
    const asked: Promise<unknown>[] = []
    await stroll(LOUD_RATE * all.length, goesOn, (number) => {
      asked.push(all[number % all.length].request(AskUsage))
    })
    const settled = await Promise.allSettled(asked)
    const lost = settled.filter(({ status }) => status === 'rejected').length
    const faults = lost > 0 ? [`${lost} requests of the crowd have failed`] : []
    return { count: asked.length, ms: performance.now() - start, faults }
  },

  /** Kills the backend, again and again, and asks at once. Each next one is started by the window. */
  async killAndAsk({ place, times }: { place: Place; times: number }): Promise<Latency> {
    const { backendProgram } = (await import(`${ROOT}examples/ai-backend/programs.mjs`)) as {
      backendProgram: () => string
    }
    const tools = { readFile: async () => '', applyEdit: async () => false }
    const program = { path: backendProgram(), args: ['--idle-exit', '1'] }
    const window = await Backend.open({ ...program, ...place, client: 'bench', tools })
    const spans = histogram()
    for (let time = 0; time < times; time++) {
      const { pid } = window.welcome
      const start = performance.now()
      process.kill(pid, 'SIGKILL')
      while (window.state === 'open') await setTimeout(0)
      await window.usage()
      record(spans, start)
      while (window.welcome.pid === pid) await once(window, 'change')
    }
    const { pid } = window.welcome
    await window.close()
    process.kill(pid, 'SIGTERM')
    return latencyOf(spans)
  },
}
