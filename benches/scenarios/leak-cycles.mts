// Connections come and go, in cycles of hundreds, and the server should have afterwards what it had
// before. What is compared is what stays once all are gone and garbage is collected: medians over a
// third of the cycles, because pages come and go by themselves.

import { median } from '../compare.mjs'
import { common, SETTLE_MS, type Usage } from './peers.mjs'
import { affordable, amount, atMost, difference, manyEnough, total } from './scenario.mjs'
import { withCrew, type Member, type Scenario } from './scenario.mjs'

const PROCESSES = 4
const SIZE = 1_024
const COUNT = 2
const FLOOR_BYTES = 512 * 1024
/** Cycles before it counts: pools and tables grow to their size, and code is compiled. */
const WARM_UP = 30

export const scenario: Scenario = {
  name: 'leak-cycles',
  title: 'cycles of hundreds of connections',
  metric: { name: 'growth of the server', unit: 'B', better: 'less' },

  run: (form) =>
    withCrew(form, 'leak-cycles', 600, async (crew) => {
      const [few, many] = form.short ? [50, 150] : [100, 500]
      const most = affordable(many)
      const cycles = Math.max(6, amount(form, 120, 18))
      const warmUp = amount(form, WARM_UP, 24)
      const server = await crew.serve()
      const clients = Array.from({ length: PROCESSES }, () => crew.member())
      const seen: Usage[] = []
      let failed: string | null = null
      for (let cycle = -warmUp; cycle < cycles && failed === null; cycle++) {
        form.progress((cycle + warmUp) / (cycles + warmUp), 'connecting')
        // As many as ever come first; later all sizes in no order.
        const size = cycle < 0 ? most : few + ((cycle * 173) % (most - few + 1))
        const each = Math.floor(size / PROCESSES)
        const sent = await Promise.all(clients.map((client) => comeAndGo(client, server, each)))
        failed = difference(total(sent), await server.tally())
        const open = await server.settle()
        if (open > 0) failed ??= `${open} connections were still there after ${SETTLE_MS} ms`
        const usage = await server.usage()
        if (cycle >= 0) seen.push(usage)
      }
      const third = Math.floor(seen.length / 3)
      const growth = (of: keyof Usage) =>
        median(seen.slice(-third).map((usage) => usage[of])) -
        median(seen.slice(0, third).map((usage) => usage[of]))
      const resident = growth('residentBytes')
      const checks = [
        atMost('growth of resident memory', 'B', FLOOR_BYTES, resident),
        atMost('growth of descriptors', '', 0, growth('descriptors')),
        atMost('growth of shared segments', '', 0, growth('segments')),
      ]
      const leaking = checks.slice(1).filter(({ ok }) => !ok)
      checks.push(manyEnough(many, most))
      failed ??= leaking.map(({ what, seen }) => `${what}: ${seen}`).join('; ') || null
      const details = {
        'growth of memory of its own, B': growth('anonymousBytes'),
        'growth of the JavaScript heap, B': growth('heapBytes'),
        'resident at the end, B': seen.at(-1)?.residentBytes ?? NaN,
      }
      return {
        settings: { cycles, warmUp, connections: [few, most], size: SIZE, count: COUNT },
        repeats: [{ value: resident, details }],
        checks,
        failed,
      }
    }),
}

async function comeAndGo(
  client: Member,
  { place }: { place: { name: string; directory: string } },
  connections: number,
) {
  await client.play('join', { places: [place], connections })
  const sent = await client.send({ sizes: [SIZE], count: COUNT })
  await client.leave()
  return sent
}

export const roles = common
