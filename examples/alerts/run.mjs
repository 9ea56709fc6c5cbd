// The alert center: a backend that watches someone at a desk, and a tray that says what happens.
//
//   node run.mjs [name] [seed]
//
// Starts both, a backend again when it was killed, and ends both on Ctrl-C.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { lifetime } from './lifetime.mjs'

/** How long a process may take to end before it is killed. */
const END_MS = 5_000

const [name = 'alerts', seed = '1'] = process.argv.slice(2)
const signal = lifetime()
let isEnding = false

class Part {
  isReady = false
  #child

  constructor(program, args, stdin) {
    const path = new URL(`./${program}.mjs`, import.meta.url)
    this.#child = fork(path, args, { stdio: [stdin, 'inherit', 'inherit', 'ipc'] })
    this.#child.once('message', () => (this.isReady = true))
    /** How it has ended: an exit code or the name of a signal. */
    this.ended = once(this.#child, 'exit').then(([code, signal]) => signal ?? code)
  }

  /** Says that it has to end, and waits until it has. */
  async end() {
    if (this.#child.connected) this.#child.disconnect()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_MS)
    await this.ended
    clearTimeout(timer)
  }
}

console.log('Someone sits at a desk, in fast motion. Ctrl-C ends it.')
const tray = new Part('tray', [name], 'inherit')
/** @type {Part | undefined} */
let backend
const failure = await Promise.race([
  once(signal, 'abort').then(() => null),
  tray.ended.then((how) => `the tray has ended (${how})`),
  serve(),
])
isEnding = true
// In this order, so that the tray does not report that the backend is gone.
await tray.end()
await backend?.end()
if (failure !== null && !signal.aborted) {
  console.error(failure)
  process.exitCode = 1
}

/** Keeps a backend running. Returns why that cannot be done. */
async function serve() {
  for (;;) {
    backend = new Part('backend', [name, seed], 'ignore')
    const how = await backend.ended
    if (isEnding) return null
    if (!backend.isReady) return `the backend does not start (${how})`
    console.log(`the backend has ended (${how}), starting another`)
  }
}
