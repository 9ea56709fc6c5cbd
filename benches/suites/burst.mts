// Bursts of messages out of silence: what meets a side that has gone to sleep.

import { bytes } from '../words.mjs'
import { comparison, MESSAGES, rated, type Case } from './suite.mjs'

const COUNTS = [100, 1_000, 10_000, 100_000, 500_000]
const COUNTS_QUICK = [1_000, 10_000, 50_000]
/** Until the other side's code is compiled. */
const WARM_UP = 10_000
/** Long enough for both sides to have gone to sleep. */
const REST_MS = 20

export const burst = comparison('burst', 'bursts of messages out of silence', ({ sizes, quick }) =>
  (quick ? COUNTS_QUICK : COUNTS).map((count) => burstOf(count, sizes[0])),
)

const burstOf = (count: number, size: number): Case => ({
  suite: 'burst',
  id: `burst.${count}.${size}`,
  name: `burst of ${count.toLocaleString('en')} messages of ${bytes(size)}`,
  metric: MESSAGES,
  settings: { size, count },
  command: 'burst',
  warmUp: (pair) => pair.burst({ size, count: WARM_UP }),
  async play(pair) {
    await new Promise((done) => setTimeout(done, REST_MS))
    return rated(await pair.burst({ size, count }))
  },
})
