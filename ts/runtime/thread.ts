// What all copies of the package in one thread share: its one engine. A copy is made by another
// folder of node_modules, by `import` beside `require`, by a cache of modules that was emptied, and
// by every test file of a test runner, each with a realm of its own. They all have to find the same
// engine, so that there is one descriptor to wait for, and a request that would wait for its own
// thread is detected.
//
// Their globals are not the same, nor are their `process` objects: test runners hand out copies.
// What is the same are the modules that are built in, of which every thread has its own. So what is
// shared is asked for on a channel of `node:diagnostics_channel` with a name of `Symbol.for`; the
// first copy answers, and its subscription keeps it. Nothing is written to objects of others, and
// it works with frozen intrinsics, in workers, and in Bun and Deno.

import { channel, subscribe } from 'node:diagnostics_channel'
import type * as workerThreads from 'node:worker_threads'
import type * as api from '../../index.js'
import { native } from '../native.js'

/** That of package.json, which a test sees to. Only copies of the same version understand each
 * other. */
export const VERSION = '0.1.0'

/** What is shared. */
export interface Thread {
  waiting: api.WaitingOptions
  /** The `Runtime`, of whatever copy has made it; `undefined` until there is one. */
  runtime: unknown
  /** Loads a module of Node's that is larger than all of this library. The copy that came last does
   * so: a test runner lets no code of a file that is over load anything. */
  workerThreads(): typeof workerThreads
}

/** What is asked on the channel, and where the answer goes. */
interface Question {
  /** Builds of one version may differ while it is worked on. */
  readonly layout: string
  thread?: Thread
}

const NAME = Symbol.for(`ringpost ${VERSION}`)

let known: Thread | undefined

/** What this thread has. */
export function theThread(): Thread {
  known ??= find()
  return known
}

function find(): Thread {
  const layout = JSON.stringify(Object.entries(native).filter(([, it]) => typeof it === 'number'))
  const question: Question = { layout }
  channel(NAME).publish(question)
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- an import is not late
  const late = () => require('node:worker_threads') as typeof workerThreads
  if (question.thread !== undefined) return Object.assign(question.thread, { workerThreads: late })
  const thread: Thread = { waiting: {}, runtime: undefined, workerThreads: late }
  subscribe(NAME, (message) => {
    const asked = message as Question
    if (asked.layout === layout) asked.thread ??= thread
  })
  return thread
}

let mark: ((memory: object) => void) | undefined

/** Memory that is not to be handed on to another thread, where the host can see to that. */
export function untransferable(memory: ArrayBufferLike): void {
  try {
    mark ??= theThread().workerThreads().markAsUntransferable
    mark(memory)
  } catch {
    mark = () => {}
  }
}
