// Connections with messages of 4 KiB beside connections with messages of 1 MiB, all at once.

import { common } from './peers.mjs'
import { affordable, amount, atLeast, difference, manyEnough } from './scenario.mjs'
import { progressing, total, withCrew, type Scenario } from './scenario.mjs'

interface Kind {
  size: number
  processes: number
  /** Of each process. */
  connections: number
  count: number
}

const connectionsOf = ({ processes, connections }: Kind) => processes * connections

export const scenario: Scenario = {
  name: 'large-beside-small',
  title: 'connections with messages of 4 KiB beside connections with messages of 1 MiB',
  metric: { name: 'bytes a second, all together', unit: 'B/s', better: 'more' },

  run: (form) =>
    withCrew(form, 'large-beside-small', 600, async (crew) => {
      const { short } = form
      // What is left for the large ones is more than they need wherever the small ones fit.
      const wanted = short ? 60 : 600
      const part = affordable(wanted) / wanted
      const small: Kind = {
        ...{ size: 4_096, processes: short ? 2 : 5 },
        connections: Math.floor((short ? 25 : 100) * part),
        count: amount(form, 1_000, 200),
      }
      const large: Kind = {
        ...{ size: 1_048_576, processes: short ? 2 : 5 },
        connections: Math.floor((short ? 5 : 20) * part),
        count: amount(form, 500, 20),
      }
      const server = await crew.serve()
      form.progress(0, 'connecting')
      const join = (kind: Kind, from: number) =>
        Promise.all(
          Array.from({ length: kind.processes }, (_, index) =>
            crew.join({
              ...{ places: [server.place], connections: kind.connections },
              first: from + index * kind.connections,
            }),
          ),
        )
      const [smalls, larges] = await Promise.all([join(small, 0), join(large, 10_000)])

      const send = async (members: typeof smalls, { size, count }: Kind) => {
        const sending = members.map((member) => member.send({ sizes: [size], count }))
        const sent = await Promise.all(sending)
        return { ...total(sent), ms: Math.max(...sent.map(({ ms }) => ms)) }
      }
      const bytes = [small, large]
        .map((kind) => kind.size * kind.processes * kind.connections * kind.count)
        .reduce((sum, bytes) => sum + bytes)
      const sending = Promise.all([send(smalls, small), send(larges, large)])
      const [little, much] = await progressing(form, 'sending', bytes / 2e6, sending)
      const ms = Math.max(little.ms, much.ms)
      const sum = { count: little.count + much.count, bytes: little.bytes + much.bytes }
      const bytesPerSecond = (sum.bytes / ms) * 1e3
      const details = {
        'small messages a second, until theirs were read': (little.count / little.ms) * 1e3,
        'large messages a second, until theirs were read': (much.count / much.ms) * 1e3,
      }
      return {
        settings: { small, large },
        repeats: [{ value: bytesPerSecond, bytesPerSecond, details }],
        checks: [
          manyEnough(wanted, connectionsOf(small) + connectionsOf(large)),
          atLeast('bytes a second', 'B/s', 0.6e9, bytesPerSecond),
        ],
        failed: difference(sum, await server.tally()),
      }
    }),
}

export const roles = common
