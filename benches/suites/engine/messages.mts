// Messages without answers, and streams.

import type { Row } from '../../compare.mjs'
import type { Rate } from '../../commands.mjs'
import type { Cost, Pair } from '../../pair.mjs'
import { bytes } from '../../words.mjs'
import { compare, perSecond, type Column, type Effort, type Sides } from './sides.mjs'

/** Processor time of both sides for a message, where messages are small enough for it to count. */
const cpuOfEach: Column<Rate & Cost> = {
  ...{ id: 'one-way.64.cpu', name: 'one-way 64 B, processor time of both sides a message' },
  ...({ unit: 'ns', better: 'less' } as const),
  figure: ({ clientCpuMs, serverCpuMs, count }) => ((clientCpuMs + serverCpuMs) * 1e6) / count,
}

const rate = (size: number): Column<Rate & Cost> =>
  perSecond(`one-way.${size}`, `one-way ${bytes(size)}`)

export const oneWay = (effort: Effort, sides: Sides, size: number): Promise<Row[]> =>
  compare(
    effort,
    sides,
    size === 64 ? [rate(size), cpuOfEach] : [rate(size)],
    (pair) => pair.oneWay({ size, ms: effort.ms }),
  )

/** Objects: as MessagePack, which is the default, beside JSON over the sockets. */
export const objects = async (effort: Effort, sides: Sides): Promise<Row[]> => {
  const measure = (pair: Pair) => pair.items({ ms: effort.ms })
  for (const pair of [sides.ours, sides.reference, sides.plain!]) await measure(pair)
  const name = 'one-way, objects of 20 fields and 1 KiB; JSON over the sockets'
  return compare(effort, sides, [perSecond('one-way.object', name)], measure)
}

/** Items from the other side, beside one-way messages to it: a socket has neither credit nor an
 * end of a stream. */
export async function stream(
  effort: Effort,
  sides: Sides,
  size: number,
  { iterated = false } = {},
): Promise<Row[]> {
  const { ms } = effort
  await sides.ours.stream({ size, ms, iterated })
  const [id, how] = iterated ? ['.iterated', 'iterated'] : ['', 'taken together']
  return compare(
    effort,
    sides,
    [perSecond(`stream.${size}${id}`, `stream of ${bytes(size)} items, ${how}`)],
    (pair) => pair.stream({ size, ms, iterated }),
    (pair) => pair.oneWay({ size, ms }),
  )
}
