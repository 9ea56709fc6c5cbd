// A thousand connections to one server, all of which send at once.

import { common } from './peers.mjs'
import { affordable, amount, atLeast, atMost, descriptors, difference } from './scenario.mjs'
import { manyEnough, memory, progressing, total, withCrew, type Scenario } from './scenario.mjs'

const PROCESSES = 10
const SIZE = 1_024
/** A thousand rings of the usual size would be gigabytes. */
const RINGS = { normal: 65_536 }

export const scenario: Scenario = {
  name: 'thousand-connections',
  title: '1,000 connections send messages of 1 KiB at once',
  metric: { name: 'messages a second, all together', unit: '/s', better: 'more' },

  run: (form) =>
    withCrew(form, 'thousand-connections', 300, async (crew) => {
      const count = amount(form, 5_000, 100)
      const wanted = form.scale < 1 ? 100 : 1_000
      const connections = Math.floor(affordable(wanted) / PROCESSES)
      const server = await crew.serve({ options: { rings: RINGS } })
      const before = { ...memory(server.pid), descriptors: descriptors(server.pid) }
      form.progress(0, 'starting')
      const clients = Array.from({ length: PROCESSES }, () => crew.member())
      await Promise.all(clients.map((client) => client.ready()))
      form.progress(0.1, 'connecting')
      const start = performance.now()
      const joining = { places: [server.place], connections, options: { rings: RINGS } }
      await Promise.all(
        clients.map((client, index) =>
          client.play('join', { ...joining, first: index * connections }),
        ),
      )
      const connectMs = performance.now() - start
      const connected = { ...memory(server.pid), descriptors: descriptors(server.pid) }

      const sending = clients.map((client) => client.send({ sizes: [SIZE], count }))
      const guess = (connections * PROCESSES * count) / 500
      const sent = await progressing(form, 'sending', guess, Promise.all(sending), [0.2, 1])
      const after = memory(server.pid)
      const ms = Math.max(...sent.map((part) => part.ms))
      const sum = total(sent)
      const perSecond = (sum.count / ms) * 1e3
      const details = {
        'until all are connected, ms': connectMs,
        'descriptors of a connection':
          (connected.descriptors - before.descriptors) / (connections * PROCESSES),
        'memory of the server without connections, B': before.own,
        'memory of the server with all of them, B': connected.own,
        'memory of the server at the end, B': after.own,
        'memory shared with its clients at the end, B': after.shared,
      }
      const failed = difference(sum, await server.tally())
      const expected = connections * PROCESSES * count
      return {
        settings: { connections: connections * PROCESSES, count, size: SIZE, rings: RINGS },
        repeats: [{ value: perSecond, perSecond, bytesPerSecond: perSecond * SIZE, details }],
        checks: [
          manyEnough(wanted, connections * PROCESSES),
          atMost('until all are connected', 'ns', 500e6, connectMs * 1e6),
          atLeast('messages a second', '/s', 100_000, perSecond),
        ],
        failed: failed ?? (sum.count === expected ? null : `${sum.count} of ${expected} were sent`),
      }
    }),
}

export const roles = common
