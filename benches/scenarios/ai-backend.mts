// The example examples/ai-backend itself: what windows of an editor ask its backend in Rust, mixed, in
// bursts, steadily, from many sides at once, too large and empty. Each answer is checked.

import { atLeast, atMost, amount, progressing, withCrew, type Scenario } from './scenario.mjs'
import type { Crew, Form, Member } from './scenario.mjs'
import { windows, type Done, type Steady } from './ai-backend/windows.mjs'
import { common, type Place } from './peers.mjs'

const SIZES = [100, 1_024, 10_240, 51_200, 102_400]
const IN_FLIGHT = 8
const BURSTS = [10, 50, 200, 500, 1_000]
const STEADY = { rate: 500, windowMs: 250 }
const SIDES = 10
const COUNT = 100
const TASKS = { tasks: 20, steps: 50 }
const LENGTH_MAX = 65_536

export const scenario: Scenario = {
  name: 'ai-backend',
  title: 'the AI backend: files of 100 B to 100 KiB, bursts, a steady load, many sides at once',
  metric: { name: 'files of mixed sizes a second', unit: '/s', better: 'more' },

  run: (form) =>
    withCrew(form, 'ai-backend', 180, async (crew) => {
      const place = { name: `ai-backend-${process.pid}`, directory: form.directory }
      const server = crew.member()
      await server.play('serveBackend', { place })
      const window = await windowOf(crew, place)
      const ms = amount(form, 5_000, 2_000)
      const mixing = { sizes: SIZES, ms, inFlight: IN_FLIGHT }
      await window.play('embedAll', { ...mixing, ms: ms / 4 })
      const embedding = window.play<Done>('embedAll', mixing)
      const mixed = await progressing(form, 'mixed sizes', ms, embedding, [0, 0.2])

      const bursts: Done[] = []
      for (const count of BURSTS) {
        form.progress(0.25, `${count} at once`)
        bursts.push(await window.play<Done>('burst', { count }))
      }
      const steadyMs = amount(form, 20_000, 3_000)
      const keeping = window.play<Steady>('keepEmbedding', { ...STEADY, ms: steadyMs })
      const steady = await progressing(form, 'steady load', steadyMs, keeping, [0.3, 0.8])
      form.progress(0.8, 'many at once')
      const tasks = await window.play<Done>('askAtOnce', TASKS)
      const sides = await fromManySides(form, crew, place)
      form.progress(0.95, 'too large, and empty')
      const limited = await windowOf(crew, place, { messageLenMax: LENGTH_MAX })
      const count = amount(form, 10_000, 1_000)
      const trying = { count, lengthMax: LENGTH_MAX }
      const oversized = await limited.play<Done>('tryOversized', trying)
      const empty = await window.play<Done>('sendEmpty', { count: amount(form, 1_000, 100) })
      await server.play('endBackend')

      const all = [mixed, ...bursts, steady, tasks, ...sides, oversized, empty]
      const faults = all.flatMap(({ faults }) => faults)
      const perSecond = rate(mixed)
      const keptRate = (rate(steady) / STEADY.rate) * 100
      return {
        settings: { sizes: SIZES, inFlight: IN_FLIGHT, bursts: BURSTS, ...STEADY, ...TASKS, ms },
        repeats: [
          {
            ...{ value: perSecond, perSecond, bytesPerSecond: perSecond * mean(SIZES) },
            details: {
              ...Object.fromEntries(bursts.map((one) => [`${one.count} at once, a second`, rate(one)])),
              'all questions of 20 tasks at once, a second': rate(tasks),
              [`until all of ${sides.length} sides have all, ms`]: Math.max(...sides.map(({ ms }) => ms)),
              'with one in ten refused, a second': rate(oversized),
            },
          },
        ],
        checks: [
          atMost('variation of the steady rate', '%', 2, steady.variation * 100),
          atLeast('steady rate kept', '%', 99, keptRate),
        ],
        failed: faults.slice(0, 3).join('; ') || null,
      }
    }),
}

async function windowOf(crew: Crew, place: Place, options = {}): Promise<Member> {
  const member = crew.member()
  await member.play('openWindows', { place, count: 1, options })
  return member
}

/** Producers send files, consumers read tokens, each in a process of its own. */
async function fromManySides(form: Form, crew: Crew, place: Place): Promise<Done[]> {
  const count = form.scale < 1 ? 2 : SIDES
  const members = await Promise.all(
    Array.from({ length: 2 * count }, () => windowOf(crew, place)),
  )
  return Promise.all(
    members.map((member, at) =>
      at < count
        ? member.play<Done>('askAtOnce', { tasks: 1, steps: COUNT })
        : member.play<Done>('readTokens', { count: COUNT }),
    ),
  )
}

const rate = ({ count, ms }: Done): number => (count / ms) * 1e3
const mean = (sizes: number[]): number => sizes.reduce((sum, size) => sum + size, 0) / sizes.length

export const roles = { ...common, ...windows }
