// Worker threads: each has an engine of its own, and takes it along when it is terminated.

import test from 'ava'
import { Program } from './helpers/program.mjs'

/** Node.js 20 aborts when the compiler of a worker that is terminated needs memory at that very moment:
 * V8 asks for a platform that is gone (`NodePlatform::ForIsolate`). It does not where workers compile on
 * their own thread. */
const ON_ITS_OWN_THREAD = ['--no-concurrent-recompilation']

interface Outcome {
  faults: string[]
  descriptors: number[]
  alive: boolean
}

for (const wake of ['loop', 'thread'] as const) {
  test.serial(`four workers and the main thread exchange messages and are terminated, woken by a ${wake}`, async (t) => {
    const program = new Program('workers', { wake }, ON_ITS_OWN_THREAD)
    const { faults, descriptors, alive } = await program.report<Outcome>()
    t.deepEqual(faults, [])
    t.true(alive)
    const [, second, ...later] = descriptors
    for (const count of later) t.true(count <= second, `descriptors: ${descriptors}`)
    t.is(await program.end(), 0)
    t.is(program.errors, '')
  })
}
