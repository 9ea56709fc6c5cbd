// Audio: a control process plays a score on an audio process in Rust, and measures its commands.
//
//   npm run example -- audio [--name <name>] [--folder <folder>] [--bars <count>] [--rounds <count>]
//
// Starts both beside a load, the audio process again when it was killed, and ends all on Ctrl-C.

import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { synthProgram } from './programs.mjs'

/** How long a process may take to end before it is killed. */
const END_MS = 5_000
/** So that an audio process that cannot run is not started without a pause. */
const PAUSE_MS = 200
const WORKERS = 2

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: 'audio' },
    folder: { type: 'string' },
    bars: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '1000' },
  },
})
const { name, bars, rounds } = values
// What was played is what this is for: it stays.
const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'ringpost-audio-'))
mkdirSync(folder, { recursive: true })

const ended = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => ended.abort())
const { signal } = ended

const part = (file) => new URL(`../../dist/examples/audio/${file}.mjs`, import.meta.url)
const control = fork(part('main'), ['--name', name, '--bars', bars, '--rounds', rounds])
const controlEnded = once(control, 'exit')
const meter = fork(part('meter'), [name])
let synth
const failed = await Promise.race([
  controlEnded.then(([code]) => code !== 0 && !signal.aborted),
  once(signal, 'abort').then(() => false),
  produce(),
])
if (failed) process.exitCode = 1
ended.abort()
await Promise.all([end(control), end(meter)])
await end(synth)
console.log(`All have ended. What was played is in ${folder}`)

/** Keeps an audio process running, each with a file of its own. Returns once one cannot be started. */
async function produce() {
  const program = synthProgram()
  for (let take = 1; ; take++) {
    const args = ['--name', name, '--record', join(folder, `take-${take}.wav`)]
    // It ends when this pipe does, so also if this program is killed.
    const stdio = ['pipe', 'inherit', 'inherit']
    synth = spawn(program, [...args, '--workers', `${WORKERS}`, '--attached'], { stdio })
    const [code, killed] = await once(synth, 'exit')
    // It has ended because it was told to, or has said why it cannot run.
    if (signal.aborted) return false
    if (code !== null) return true
    console.log(`The audio process was ended by ${killed}; another is started.`)
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
