// Writes a state frame as it is told to, or reads one and says what it has found.

import { setTimeout } from 'node:timers/promises'
import { createStateFrame, openStateFrame } from 'ringpost'
import { isWhole, Raw, whole, Wholes } from '../helpers/frames.mjs'

interface Settings {
  name: string
  /** Writes without a pause from this number of its own on, and says so once. */
  writes?: number
  /** Reads until it has found a value with this number, and reports what it has read. */
  readsTo?: number
  /** Writes bytes of these lengths in turn without a pause, and says so once. */
  lengths?: number[]
  takeOver?: boolean
  /** Writes once, keeps nothing, and collects what is garbage then. */
  isForgotten?: boolean
}

const { name, writes, readsTo, lengths, takeOver, isForgotten } = JSON.parse(
  process.argv[2],
) as Settings
const report = (message: unknown) => process.send!(message)

if (isForgotten) {
  createStateFrame(Wholes(name)).write(whole(1))
  await setTimeout(10)
  globalThis.gc!()
  await setTimeout(10)
  report('collected')
  // Lives on.
  process.on('message', () => {})
} else if (lengths !== undefined) {
  const writer = createStateFrame(Raw(name))
  const values = lengths.map((length) => new Uint8Array(length).fill(length))
  for (const value of values) writer.write(value)
  report('writing')
  for (;;) for (const value of values) writer.write(value)
} else if (readsTo !== undefined) {
  const reader = openStateFrame(Wholes(name))
  let [torn, last, backwards] = [0, 0, 0]
  while (last < readsTo) {
    const { value, status } = reader.read()
    if (status === 'empty') continue
    if (!isWhole(value!)) torn++
    if (value!.n < last) backwards++
    last = value!.n
  }
  report({ torn, backwards, stats: reader.stats() })
  process.disconnect()
} else {
  const writer = createStateFrame(Wholes(name), { takeOver })
  if (writes === undefined) {
    report(writer.number)
    process.on('message', (length: string) => {
      report(writer.write(whole(writer.number + 1, Number(length))))
    })
  } else {
    report('writing')
    for (let n = writes; ; n++) writer.write(whole(n, 50 + (n % 100)))
  }
}
