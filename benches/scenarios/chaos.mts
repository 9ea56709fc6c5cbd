// Half an hour of everything that goes wrong: connections killed by the server, clients killed and
// frozen, garbage, huge frames, silence, floods. Beside all that some clients behave, reconnect
// when their connection is gone, and should hardly be affected.

import { setTimeout } from 'node:timers/promises'
import { histogram, latencyOf } from '../histogram.mjs'
import type { Latency } from '../results.mjs'
import { behave, type Behaved } from './chaos/good.mjs'
import { fallVictim, flood, sendGarbage, type Flooded, type Garbage } from './chaos/bad.mjs'
import { random } from './chaos/random.mjs'
import { common, theServer } from './peers.mjs'
import { amount, atMost, withCrew, type Crew, type Member, type Scenario } from './scenario.mjs'

const SEED = 20_250_607
const GOOD = { processes: 2, clients: 4, pauseMs: 10 }
const VICTIMS = 2
/** Milliseconds between two killed connections, and between two killed processes, about. */
const KICKED_EVERY = 250
const KILLED_EVERY = 800
const LENGTH_MAX = 1_048_576

export const scenario: Scenario = {
  name: 'chaos',
  title: 'killed, frozen, corrupt, oversized, silent and flooding clients beside eight that behave',
  metric: { name: 'longest recovery', unit: 'ns', better: 'less' },

  run(form) {
    const ms = amount(form, 30 * 60_000, 6_000)
    return withCrew(form, 'chaos', ms / 1e3 + 60, async (crew) => {
      form.progress(0, 'starting')
      const server = await crew.serve({ options: { messageLenMax: LENGTH_MAX } })
      const before = await server.usage()
      const place = server.place
      const good = Array.from({ length: GOOD.processes }, () => crew.member())
      const bad = { garbage: crew.member(), flood: crew.member() }
      await Promise.all([...good, ...Object.values(bad)].map((member) => member.ready()))

      const behaving = good.map((member) => member.play<Behaved>('behave', { place, ms, ...GOOD }))
      // Chaos ends a little earlier, so that its last effects are seen.
      const chaosMs = ms * 0.95
      const pids = good.map(({ pid }) => pid)
      const every = KICKED_EVERY
      const kicking = server.play<number>('kick', { pids, ms: chaosMs, every, seed: SEED })
      const sending = bad.garbage.play<Garbage>('sendGarbage', { place, ms: chaosMs, seed: SEED })
      const flooding = bad.flood.play<Flooded>('flood', { place, ms: chaosMs, seed: SEED })
      const share = (part: number) => form.progress(part * 0.95, 'chaos')
      const killed = await killAll(crew, place, chaosMs, share)
      const [kicked, garbage, flooded] = await Promise.all([kicking, sending, flooding])
      form.progress(0.97, 'quiet again')
      const behaved = await Promise.all(behaving)

      const tally = await server.tally()
      await bad.flood.leave()
      const still = await server.settle()
      const after = await server.usage()
      const sum = (of: 'asked' | 'failed') => behaved.reduce((sum, one) => sum + one[of], 0)
      const recovery = distribution(behaved.flatMap(({ recoveriesMs }) => recoveriesMs))
      const failures = (sum('failed') / sum('asked')) * 100
      const flood = tally.each.filter(({ sender }) => sender >= flooded.first)
      const arrived = flood.reduce((sum, { count }) => sum + count, 0)

      const faults = [tally, garbage, ...behaved].flatMap((one) => one.faults)
      if (arrived !== flooded.count) {
        faults.push(`${flooded.count} messages were flooded, ${arrived} received`)
      }
      if (failures >= 1) faults.push(`${failures.toFixed(2)} % of the good requests failed`)
      if (still > 0) faults.push(`${still} connections were still there at the end`)
      const descriptors = after.descriptors - before.descriptors
      if (descriptors > 0) faults.push(`${descriptors} descriptors are left open`)
      const details = {
        ...{ 'good requests': sum('asked'), 'of these failed': sum('failed') },
        'longest time between two good answers, ms': Math.max(
          ...behaved.map(({ longestGapMs }) => longestGapMs),
        ),
        ...{ 'connections killed': kicked, 'processes killed': killed },
        ...garbage.counts,
        'messages flooded': flooded.count,
        'growth of the server, B': after.residentBytes - before.residentBytes,
      }
      return {
        settings: { ms, seed: SEED, good: GOOD, victims: VICTIMS, messageLenMax: LENGTH_MAX },
        repeats: [{ value: recovery.max, latency: recovery, details }],
        checks: [
          atMost('longest recovery', 'ns', 100e6, recovery.max),
          atMost('good requests that failed', '%', 1, failures),
        ],
        failed: faults.slice(0, 5).join('; ') || null,
      }
    })
  },
}

/** Starts clients and kills them in the middle of what they do, every second one frozen before. */
async function killAll(
  crew: Crew,
  place: object,
  ms: number,
  progress: (share: number) => void,
): Promise<number> {
  const dice = random(SEED)
  const start = performance.now()
  const fresh = (): Member => {
    const victim = crew.member()
    void victim.play('fall-victim', { place })
    return victim
  }
  const victims = Array.from({ length: VICTIMS }, fresh)
  let killed = 0
  for (let past = 0; past < ms; past = performance.now() - start) {
    progress(past / ms)
    await setTimeout(KILLED_EVERY * (0.5 + dice()))
    const victim = victims.shift()!
    if (killed++ % 2 === 1) {
      victim.freeze()
      await setTimeout(300 * dice())
    }
    victim.kill()
    victims.push(fresh())
  }
  for (const victim of victims) victim.kill()
  return killed
}

function distribution(spansMs: number[]): Latency {
  const spans = histogram()
  for (const ms of spansMs) spans.record(Math.max(1, Math.round(ms * 1e6)))
  return latencyOf(spans)
}

interface Kicking {
  pids: number[]
  ms: number
  every: number
  seed: number
}

export const roles = {
  ...common,
  behave,
  sendGarbage,
  flood,
  'fall-victim': fallVictim,

  /** Closes connections of these processes, one now and then. */
  async kick({ pids, ms, every, seed }: Kicking): Promise<number> {
    const dice = random(seed)
    const end = performance.now() + ms
    let kicked = 0
    while (performance.now() < end) {
      await setTimeout(every * (0.5 + dice()))
      const theirs = [...theServer().connections].filter(({ peer }) => pids.includes(peer.pid))
      if (theirs.length === 0) continue
      void theirs[Math.floor(dice() * theirs.length)].close()
      kicked++
    }
    return kicked
  },
}
