// Other programs of the machine, and others in the same process.

import net from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { amongBusy } from '../../busy.mjs'
import { alternate, row, type Figure, type Row } from '../../compare.mjs'
import type { Bystander } from '../../commands.mjs'
import type { Cost, Pair } from '../../pair.mjs'
import { bytes } from '../../words.mjs'
import { compare, cpu, percentiles, perSecond, type Effort, type Sides } from './sides.mjs'

/** With a process that computes on every core: a side that only polls and yields would wait for its
 * time slices. */
export async function contended(effort: Effort, sides: Sides): Promise<Row[]> {
  const { ms } = effort
  const name = 'others compute on every core'
  const trips = (size: number) =>
    compare(
      effort,
      sides,
      percentiles(`contended.${size}`, `${name}, ${bytes(size)}`, ['p50', 'p99']),
      (pair) => pair.latency({ size, ms }),
    )
  return amongBusy(availableParallelism(), async () => [
    ...(await trips(64)),
    ...(await trips(1024)),
    ...(await compare(
      effort,
      sides,
      percentiles('contended.asleep.64', `${name}, a request every 3 ms`, ['p50']),
      (pair) => pair.latency({ size: 64, ms: ms * 3, pauseMs: 3 }),
    )),
    ...(await compare(
      effort,
      sides,
      [perSecond('contended.one-way.64', `${name}, one-way 64 B`)],
      (pair) => pair.oneWay({ size: 64, ms }),
    )),
  ])
}

/** How others in a process fare while its rings are hot, beside the same while they are idle. */
export async function bystanders(
  { turns, ms }: Effort,
  ours: Pair,
  directory: string,
): Promise<Row[]> {
  const socket = join(directory, 'bystander')
  const echo = net.createServer((peer) => peer.on('error', () => {}).pipe(peer))
  await new Promise<void>((done) => echo.listen(socket, done))
  const results = await alternate(
    turns,
    () => ours.bystander({ ms: ms * 3, hot: true, socket }),
    () => ours.bystander({ ms: ms * 3, hot: false, socket }),
  )
  await new Promise((done) => echo.close(done))
  return (['timer', 'socket'] as const).map((what) => {
    const figure = (result: Bystander & Cost): Figure => ({
      value: what === 'timer' ? result.timerP99 : result.socketP99,
      cpu: cpu(result),
    })
    const names = {
      timer: 'timer of 1 ms, p99, rings hot against idle',
      socket: 'plain socket echo, p99, rings hot against idle',
    }
    const figures = results.map(({ ours, reference }) => ({
      ...{ ours: figure(ours), reference: figure(reference) },
    }))
    return row(`bystander.${what}.p99`, names[what], 'ns', 'more', figures)
  })
}
