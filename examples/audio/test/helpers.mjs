// What the tests have in common: a directory of their own, the audio process in its sandbox, and
// control processes.

import assert from 'node:assert/strict'
import { fork, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect } from 'ringpost'
import { AskStatus, Status } from '../../../dist/examples/audio/contract.mjs'
import { Control } from '../../../dist/examples/audio/control.mjs'
import { Child, until } from '../../testing/processes.mjs'
import { sandboxedProgram } from '../programs.mjs'
import { readWav, render } from './render.mjs'

const MAIN = fileURLToPath(new URL('../../../dist/examples/audio/main.mjs', import.meta.url))
const NAME = 'test'

const root = mkdtempSync(join(tmpdir(), 'audio-test-'))
process.on('exit', () => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))

/** A place for one test: what it starts meets there, and ends with it. */
export class Place {
  directory = mkdtempSync(join(root, 'place-'))
  files = mkdtempSync(join(root, 'files-'))
  name = NAME
  #t
  #takes = 0

  /** @param {import('node:test').TestContext} t */
  constructor(t) {
    this.#t = t
  }

  get environment() {
    return { ...process.env, RINGPOST_DIR: this.directory }
  }

  /** Files where processes meet. */
  left = () => readdirSync(this.directory)

  /** An audio process, which says how it plays. */
  async synth({ args = [], env = {} } = {}) {
    const wav = join(this.files, `${++this.#takes}.wav`)
    const synth = this.child(sandboxedProgram(), ['--name', NAME, '--record', wav, ...args], env)
    synth.wav = wav
    synth.how = await synth.prints(/synth: plays (.*)/)
    return synth
  }

  child(program, args, env = {}) {
    const options = { env: { ...this.environment, ...env }, stdio: ['pipe', 'pipe', 'pipe'] }
    return this.#kept(new Child(spawn(program, args, options)))
  }

  /** A control process as it is, which plays the score. */
  main(...args) {
    const stdio = ['ignore', 'pipe', 'pipe', 'ipc']
    return this.#kept(new Child(fork(MAIN, ['--name', NAME, ...args], { env: this.environment, stdio })))
  }

  /** A control process's end in this process, with what it says and what is reported. */
  async control() {
    const [said, reports] = [[], new Map()]
    const onReport = (report) => {
      assert.ok(!reports.has(report.number), `${report.number} is reported twice`)
      reports.set(report.number, report)
    }
    const options = { directory: this.directory, say: (words) => said.push(words), onReport }
    const control = await Control.open(NAME, options)
    this.#t.after(() => control.close())
    const says = (pattern) => until(`${pattern}`, () => said.some((words) => pattern.test(words)))
    return Object.assign(control, { said, says, reports })
  }

  /** Asks the audio process for its status, as often as is called. */
  async status() {
    const client = await connect(NAME, { directory: this.directory })
    this.#t.after(() => client.close())
    return async () => Status.decode(await client.request(AskStatus, new Uint8Array()))
  }

  #kept(child) {
    this.#t.after(() => child.kill())
    return child
  }
}

/** Waits until all of these were reported; resolves to each with the frame it was carried out at. */
export async function carriedOut(control, played) {
  const { reports } = control
  await until('all are reported', () => played.every(({ number }) => reports.has(number)))
  return played.map(({ number, action }) => {
    const { applied, due } = reports.get(number)
    return { action, frame: Number(applied), due: Number(due) }
  })
}

/** Ends an audio process, and compares its file with what should be in it, sample by sample. */
export async function checkFile(synth, commands) {
  assert.equal(await synth.end(), 0)
  const heard = readWav(synth.wav)
  const inOrder = commands.toSorted((a, b) => a.frame - b.frame || a.due - b.due)
  const expected = render(inOrder, heard.length)
  const differs = (at) => Math.abs(heard[at] - expected[at]) > 1
  const at = heard.findIndex((_, at) => differs(at))
  assert.equal(at, -1, `frame ${at} of ${heard.length} is ${heard[at]} rather than ${expected[at]}`)
  return heard
}
