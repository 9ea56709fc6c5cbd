// A perception pipeline: a producer in Rust or C, and a web API in front of it.
//
//   npm run example -- perception [--name <name>] [--port <port>] [--seed <number>]
//                                 [--producer rust|c] [--api typescript|python]
//
// Starts both, the producer again when it was killed, and ends both on Ctrl-C.

import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { apiInPython, producerProgram } from './programs.mjs'

/** How long a process may take to end before it is killed. */
const END_MS = 5_000
/** So that a producer that cannot run is not started without a pause. */
const PAUSE_MS = 200

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: 'perception' },
    port: { type: 'string', default: '8710' },
    seed: { type: 'string', default: '1' },
    producer: { type: 'string', default: 'rust' },
    api: { type: 'string', default: 'typescript' },
  },
})
const { name, port, seed } = values
const folder = mkdtempSync(join(tmpdir(), 'perception-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
// Which the producer in C does not write.
const statistics = values.producer === 'c' ? [] : ['--statistics', join(folder, 'statistics.json')]

const ended = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => ended.abort())
const { signal } = ended

const { api, listens } = values.api === 'python' ? startInPython() : start()
const apiEnded = once(api, 'exit')
let producer
const started = await Promise.race([listens, apiEnded.then(() => null)])
if (started !== null && !signal.aborted) {
  explain(started)
  const failed = await Promise.race([
    apiEnded.then(() => !signal.aborted),
    once(signal, 'abort').then(() => false),
    produce(),
  ])
  if (failed) process.exitCode = 1
} else if (started === null) process.exitCode = 1
ended.abort()
await Promise.all([end(producer), end(api)])
console.log('Both have ended.')

/** Starts the API; `listens` resolves to where. */
function start() {
  const main = new URL('../../dist/examples/perception/api/main.mjs', import.meta.url)
  const api = fork(main, ['--name', name, '--port', port, ...statistics])
  return { api, listens: once(api, 'message').then(([{ port }]) => port) }
}

/** The same in Python, which says it in a line. */
function startInPython() {
  const { command, args, env } = apiInPython()
  const api = spawn(command, [...args, '--name', name, '--port', port, '--attached'], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const listens = new Promise((resolve) => {
    createInterface(api.stdout).on('line', (line) => {
      console.log(line)
      resolve(/listens at \S+:(\d+)$/.exec(line)?.[1])
    })
  })
  return { api, listens }
}

/** Keeps a producer running. Returns once one cannot be started. */
async function produce() {
  const program = producerProgram(values.producer)
  const args = ['--name', name, '--seed', seed, ...statistics, '--attached']
  for (;;) {
    // It ends when this pipe does, so also if this program is killed.
    producer = spawn(program, args, { stdio: ['pipe', 'inherit', 'inherit'] })
    const [code, killed] = await once(producer, 'exit')
    // It has ended because it was told to, or has said why it cannot run.
    if (signal.aborted) return false
    if (code !== null) return true
    console.log(`The producer was ended by ${killed}; another is started.`)
    await sleep(PAUSE_MS)
  }
}

/** Sees a process end, which also gets the signal of a terminal. */
async function end(child) {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), END_MS)
  await once(child, 'exit')
  clearTimeout(timer)
}

function explain(port) {
  const url = `http://127.0.0.1:${port}/api`
  console.log(`
A producer simulates what a robot sees of up to 50 people, cars, bicycles and dogs around it:
detections and tracks ten times a second, and once a second where they will be. It writes them to
shared memory; a web API in another process reads them there. Try, in another terminal:

  curl -s ${url}/perception/detections
  curl -s ${url}/perception/tracks
  curl -s ${url}/timeline/predictions
  curl -s -X POST ${url}/timeline/refresh -H 'content-type: application/json' -d '{"horizonMs":2000}'
  curl -s ${url}/health${statistics.length > 0 ? `\n  cat ${statistics[1]}` : ''}

Kill the producer (its process number is below) and ask again: the last frames are served as stale,
until another producer is there. Ctrl-C ends everything.
`)
}
