// The program as a person starts it.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { taken } from '../../testing/processes.mjs'
import { meetingPlace, until } from './helpers.mjs'

const file = (name) => fileURLToPath(new URL(`../${name}.mjs`, import.meta.url))
const [run, peek] = [file('run'), file('peek')]
const execFileAsync = promisify(execFile)

/** A seed with an alert and its correction in the first seconds. */
const EARLY = '121'

/** The running program. */
class Program {
  lines = []
  #child
  #ended

  constructor(t, directory, ...args) {
    this.#child = spawn(process.execPath, [run, ...args], {
      env: { ...process.env, RINGPOST_DIR: directory },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    for (const output of [this.#child.stdout, this.#child.stderr]) {
      createInterface(output).on('line', (line) => this.lines.push(line))
    }
    this.#ended = once(this.#child, 'close').then(([code, signal]) => signal ?? code)
    t.after(() => killAll(`RINGPOST_DIR=${directory}`))
  }

  /** Types a line. */
  type = (line) => this.#child.stdin.write(`${line}\n`)
  /** To all of its processes, as Ctrl-C in a terminal. */
  interrupt = () => this.#processes().forEach((pid) => process.kill(pid, 'SIGINT'))
  /** To the one that was started. */
  kill = (signal) => this.#child.kill(signal)

  /** Waits for a line; resolves to the first group of the pattern. */
  prints = (pattern) => taken(this.lines, pattern)

  /** How it has ended, once all of its processes have closed their output. */
  async end() {
    let how
    void this.#ended.then((ended) => (how = ended))
    await until('it has ended', () => how !== undefined)
    return how
  }

  #processes() {
    const { pid } = this.#child
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return [pid, ...children.match(/\d+/g).map(Number)]
  }
}

/** Kills all processes that have this in their environment, whatever has become of their parents. */
function killAll(marker) {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
      if (environment.includes(marker)) process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It has ended, or belongs to another user.
    }
  }
}

test('it says what happens, takes commands, and ends on Ctrl-C without a trace', async (t) => {
  const { directory, files } = meetingPlace()
  const program = new Program(t, directory, 'demo', EARLY)
  await program.prints(/the backend is there: process \d+/)
  await program.prints(/ALERT: you have been (slouching|leaning) for \d+\.\d s, sit up/)
  await program.prints(/well done: you sit well again/)
  program.type('pause')
  await program.prints(/monitoring is paused/)
  program.type('stats')
  await program.prints(/monitoring is off, the camera is connected/)
  await program.prints(/you have sat well \d+ % of the time: \d+ alerts?, \d+ corrections?/)
  await program.prints(/alerts arrive after .* ms/)
  await program.prints(/the backend has run for \d+\.\d s, for 1 client/)
  program.type('resume')
  await program.prints(/monitoring goes on/)
  const { stdout } = await execFileAsync(process.execPath, [peek, 'demo'], {
    env: { ...process.env, RINGPOST_DIR: directory },
  })
  assert.match(stdout, /^monitoring is on, the camera is connected\nyou have sat well/)
  program.type('dance')
  await program.prints(/"dance" is none of "pause", "resume" and "stats"/)
  assert.notDeepEqual(files(), [])
  program.interrupt()
  assert.equal(await program.end(), 0)
  assert.deepEqual(files(), [])
  // Everything else it has printed is one of the sentences, or that the machine is busy.
  const usual = /^\d\d:\d\d:\d\d  |reads? its events/
  const others = program.lines.filter((line) => !usual.test(line))
  assert.deepEqual(others, ['Someone sits at a desk, in fast motion. Ctrl-C ends it.'])
})

test('a backend that is killed is started again, and the tray is back by itself', async (t) => {
  const { directory, files } = meetingPlace()
  const program = new Program(t, directory, 'alerts', EARLY)
  const pid = Number(await program.prints(/the backend is there: process (\d+)/))
  process.kill(pid, 'SIGKILL')
  await program.prints(/the backend has ended \(SIGKILL\), starting another/)
  await program.prints(/the backend is gone/)
  const next = Number(await program.prints(/the backend is back: process (\d+), after \d+ ms/))
  assert.notEqual(next, pid)
  await program.prints(/ALERT/)
  program.kill('SIGTERM')
  assert.equal(await program.end(), 0)
  assert.deepEqual(files(), [])
})

test('if the program itself is killed, both processes end, without a trace', async (t) => {
  const { directory, files } = meetingPlace()
  const program = new Program(t, directory, 'alerts', EARLY)
  await program.prints(/the backend is there/)
  program.kill('SIGKILL')
  // It is only closed when the others have closed their output as well.
  assert.equal(await program.end(), 'SIGKILL')
  assert.deepEqual(files(), [])
})

test('a second one of the same name says why it cannot start', async (t) => {
  const { directory } = meetingPlace()
  const first = new Program(t, directory, 'alerts', EARLY)
  await first.prints(/the backend is there/)
  const second = new Program(t, directory, 'alerts', EARLY)
  await second.prints(/backend: an alert center named "alerts" is running already/)
  await second.prints(/the backend does not start \(1\)/)
  assert.equal(await second.end(), 1)
  first.interrupt()
  assert.equal(await first.end(), 0)
})
