// A live dashboard in a browser: a camera and a posture from Rust, to any number of pages.
//
//   npm run example -- dashboard [--name <name>] [--port <port>]
//
// Starts producer and server, each again when it was killed, and ends both on Ctrl-C.

import { fork, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { producerProgram } from './programs.mjs'

/** How long a process may take to end before it is killed. */
const END_MS = 5_000
/** So that a person sees what the page says meanwhile. */
const PAUSE_MS = 4_000

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: 'dashboard' },
    port: { type: 'string', default: '0' },
  },
})
const { name } = values
let { port } = values
// Of each server, so that pages find the next one.
const env = { ...process.env, DASHBOARD_TOKEN: randomBytes(32).toString('base64url') }

const ended = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => ended.abort())
const { signal } = ended
const children = new Set()
let listens
const listening = new Promise((resolve) => (listens = resolve))

const failed = await Promise.race([
  keep('server', serve),
  producing(),
  once(signal, 'abort').then(() => false),
])
if (failed) process.exitCode = 1
ended.abort()
await Promise.all([...children].map(end))
console.log('Both have ended.')

/** Keeps a process running that was killed. Returns once it has ended by itself, and whether that
 * was because it cannot run. */
async function keep(word, start) {
  for (;;) {
    const child = start()
    children.add(child)
    const [code, killed] = await once(child, 'exit')
    children.delete(child)
    if (signal.aborted) return false
    // It was told to end, or has said why it cannot run.
    if (code !== null) return code !== 0
    console.log(`The ${word} was ended by ${killed}; another is started.`)
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => {})
    if (signal.aborted) return false
  }
}

/** A producer, once it is known that there is a server. */
async function producing() {
  explain(await listening)
  return keep('producer', produce)
}

function serve() {
  const main = new URL('../../dist/examples/dashboard/server/main.mjs', import.meta.url)
  const server = fork(main, ['--name', name, '--port', port], { env })
  server.once('message', ({ link, port: chosen }) => {
    port = `${chosen}`
    listens(link)
  })
  return server
}

function produce() {
  // It ends when this pipe does, so also if this program is killed.
  const options = { stdio: ['pipe', 'inherit', 'inherit'] }
  return spawn(producerProgram(), ['--name', name, '--attached'], options)
}

/** Sees a process end, which also gets the signal of a terminal. */
async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), END_MS)
  await once(child, 'exit')
  clearTimeout(timer)
}

function explain(link) {
  console.log(`
Open this, in as many windows as you like:

  ${link}

A producer draws what a camera sees, ten times a second, and says how the person in front of it
sits. A server passes that on to each page as fast as the page can show it, and never anything old.
Unplug the camera with "kill -USR1", and plug it in again likewise; or kill the producer with
"kill -9" (its process number is below) and see the pages wait for the next one. Ctrl-C ends all.
`)
}
