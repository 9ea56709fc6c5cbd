// Worker threads: each has an engine of its own, and takes it along when it is terminated.

import test from 'ava'
import { runWorkers } from './helpers/workers.mjs'

for (const wake of ['loop', 'thread'] as const) {
  test.serial(`four workers and the main thread exchange messages and are terminated, woken by a ${wake}`, async (t) => {
    const program = await runWorkers(t, { wake })
    t.is(program.errors, '')
  })
}
