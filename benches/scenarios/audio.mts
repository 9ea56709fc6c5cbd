// A control process sends commands, and an audio process is woken by each of them, while two
// workers compute sound and others send too. Answers exist only for
// the measurement: half of a round trip is what counts.
//
// It is played twice: with equal priorities, and with real-time priority for the two, as audio
// software has it, where this user may grant it. With equal priorities the kernel decides how long
// a worker keeps its core after another process was woken.

import { execFileSync } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { median } from '../compare.mjs'
import { histogram, latencyOf } from '../histogram.mjs'
import { compare, stamp } from '../payload.mjs'
import type { Check, Latency, Repeat } from '../results.mjs'
import { stroll } from './pace.mjs'
import { common, Echo, theSenders } from './peers.mjs'
import { amount, atMost, difference, progressing, withCrew, type Scenario } from './scenario.mjs'

const WORKERS = 2
/** 128 frames at 44,100 a second, and the share of that time in which a worker computes. */
const BLOCK_MS = (128 / 44_100) * 1e3
const DUTY = 0.5
const COMMAND_SIZE = 32
const OTHERS = { rate: 100, size: 256 }

interface Commanded extends Latency {
  p95: number
}

export const scenario: Scenario = {
  name: 'audio',
  title: 'commands to an audio process beside two busy DSP workers and 100 other messages a second',
  metric: { name: 'one way, p50', unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'audio', 120, async (crew) => {
      const count = amount(form, 1_000, 1_000)
      const pauseMs = form.short ? 1 : 4
      const audio = await crew.serve()
      const places = [audio.place]
      const control = await crew.join({ places, connections: 1 })
      const other = await crew.join({ places, connections: 1, first: 1 })
      await control.play('command', { count: count * 3 })
      for (let worker = 0; worker < WORKERS; worker++) void crew.member().play('compute')

      const pids = [audio.pid, control.pid]
      const refused = realTime(pids) ?? asOthers(pids)
      const rounds = (form.short ? 1 : 4) * (refused === undefined ? 2 : 1)
      const ms = count * (pauseMs + 1.2)
      const chat = other.play<{ count: number; bytes: number }>('chat', { ms: ms * rounds })
      const equal: Commanded[] = []
      const urgent: Commanded[] = []
      for (let round = 0; round < rounds; round++) {
        const share: [number, number] = [round / rounds, (round + 1) / rounds]
        const isUrgent = round % 2 === 1 && refused === undefined
        if (isUrgent) realTime(pids)
        const commanding = control.play<Commanded>('command', { count, pauseMs })
        const commanded = await progressing(form, 'commanding', ms, commanding, share)
        if (isUrgent) asOthers(pids)
        ;(isUrgent ? urgent : equal).push(commanded)
      }
      const failed = difference(await chat, await audio.tally())
      const note = refused && `no real-time priority here: ${refused}`
      const workers = { workers: WORKERS, blockMs: BLOCK_MS, duty: DUTY }
      return {
        settings: { count, pauseMs, size: COMMAND_SIZE, others: OTHERS, ...workers, note },
        repeats: equal.map(({ p95, ...latency }, round): Repeat => {
          const details = { p95, ...named(urgent[round]) }
          return { value: latency.p50, latency, details }
        }),
        checks: [...floors(equal, 'one way'), ...floors(urgent, 'one way at real-time priority')],
        failed,
      }
    }),
}

function named(urgent: Commanded | undefined): Record<string, number> {
  if (urgent === undefined) return {}
  const { p50, p95, p99, max } = urgent
  return Object.fromEntries(
    Object.entries({ p50, p95, p99, max }).map(([of, ns]) => [`${of} at real-time priority`, ns]),
  )
}

/** What is usual, and the longest of all, beside what others have seen, and beside what was asked
 * of native code. */
function floors(all: Commanded[], what: string): Check[] {
  if (all.length === 0) return []
  const each = (of: keyof Commanded) => all.map((commanded) => commanded[of])
  const usual = (of: keyof Commanded) => median(each(of))
  return [
    atMost(`${what}, p50`, 'ns', 100e3, usual('p50')),
    atMost(`${what}, p95`, 'ns', 250e3, usual('p95')),
    atMost(`${what}, p99`, 'ns', 500e3, usual('p99')),
    atMost(`${what}, standard deviation`, 'ns', 100e3, usual('stddev')),
    atMost(`${what}, longest`, 'ns', 526e3, Math.max(...each('max'))),
    atMost(`${what}, p50, asked of native code`, 'ns', 50e3, usual('p50')),
    atMost(`${what}, p95, asked of native code`, 'ns', 200e3, usual('p95')),
  ]
}

/** Gives all threads of these a low real-time priority; returns why not, if it cannot be had. */
function realTime(pids: number[]): string | undefined {
  try {
    schedule(pids, ['-f', '10'])
    return undefined
  } catch (error) {
    return (error as Error).message.trim().split('\n').at(-1)
  }
}

/** Takes it back; returns nothing. */
function asOthers(pids: number[]): undefined {
  schedule(pids, ['-o', '0'])
}

function schedule(pids: number[], [policy, priority]: [string, string]): void {
  for (const pid of pids) {
    execFileSync('chrt', ['-a', policy, '-p', priority, String(pid)], { stdio: 'pipe' })
  }
}

export const roles = {
  ...common,

  /** Computes for a part of each block, until the process is ended or its runner is gone. A wait of
   * this kind is precise enough, and nothing else happens in a worker. */
  compute(): void {
    const runner = process.ppid
    const sleeper = new Int32Array(new SharedArrayBuffer(4))
    const samples = new Float32Array(128)
    for (let block = performance.now(); process.ppid === runner; block += BLOCK_MS) {
      while (performance.now() - block < BLOCK_MS * DUTY) {
        for (let at = 0; at < samples.length; at++) samples[at] = Math.sin(samples[at] + at) * 0.99
      }
      const rest = block + BLOCK_MS - performance.now()
      if (rest > 0) Atomics.wait(sleeper, 0, 0, rest)
    }
  },

  /** The other messages. */
  async chat({ ms }: { ms: number }): Promise<{ count: number; bytes: number }> {
    const [sender] = theSenders()
    const end = performance.now() + ms
    const { rate, size } = OTHERS
    const count = await stroll(rate, () => performance.now() < end, () => void sender.send(size))
    await sender.ask(0)
    return { count, bytes: count * size }
  },

  async command({ count, pauseMs }: { count: number; pauseMs?: number }): Promise<Commanded> {
    const [{ client }] = theSenders()
    const spans = histogram()
    const command = new Uint8Array(COMMAND_SIZE).fill(7)
    for (let number = 0; number < count; number++) {
      stamp(command, number)
      const start = performance.now()
      const answer = await client.request(Echo, command, { lane: 'critical' })
      spans.record(Math.max(1, Math.round(((performance.now() - start) * 1e6) / 2)))
      compare(answer, command)
      if (pauseMs) await setTimeout(pauseMs)
    }
    return { ...latencyOf(spans), p95: spans.percentile(95) }
  },
}
