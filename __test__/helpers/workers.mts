// The program whose worker threads exchange messages and are terminated.

import type { ExecutionContext } from 'ava'
import { Program } from './program.mjs'

/** Node.js 20 aborts when the compiler of a worker that is terminated needs memory at that very moment:
 * V8 asks for a platform that is gone (`NodePlatform::ForIsolate`). It does not where workers compile on
 * their own thread. */
const ON_ITS_OWN_THREAD = ['--no-concurrent-recompilation']

interface Outcome {
  faults: string[]
  descriptors: number[]
  alive: boolean
}

/** Runs it to its end, and checks that each worker took along what it had. */
export async function runWorkers(t: ExecutionContext, argument: unknown): Promise<Program> {
  const program = new Program('workers', argument, ON_ITS_OWN_THREAD)
  const { faults, descriptors, alive } = await program.report<Outcome>()
  t.deepEqual(faults, [])
  t.true(alive)
  const [, second, ...later] = descriptors
  for (const count of later) t.true(count <= second, `descriptors: ${descriptors}`)
  t.is(await program.end(), 0)
  return program
}
