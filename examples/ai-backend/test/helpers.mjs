// What the tests have in common: a directory of their own, backends, and windows of an editor.

import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'ringpost'
import { Backend } from '../../../dist/examples/ai-backend/client/backend.mjs'
import { NAME } from '../../../dist/examples/ai-backend/contract.mjs'
import { Child, until } from '../../testing/processes.mjs'
import { backendProgram } from '../programs.mjs'

const root = mkdtempSync(join(tmpdir(), 'ai-backend-test-'))
process.on('exit', () => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))

/** Tools of an editor whose only file is this text. */
export function editing(file) {
  return {
    file,
    async readFile(path) {
      if (path !== 'file') throw new Error(`there is no ${path}`)
      return this.file
    },
    async applyEdit({ old, new: text }) {
      const before = this.file
      this.file = before.replace(old, () => text)
      return before.includes(old)
    },
  }
}

/** A place for one test: what it starts meets there, and ends with it. */
export class Place {
  directory = mkdtempSync(join(root, 'place-'))
  logFile = join(mkdtempSync(join(root, 'log-')), 'log')
  #t

  /** @param {import('node:test').TestContext} t */
  constructor(t) {
    this.#t = t
  }

  get environment() {
    return { ...process.env, RINGPOST_DIR: this.directory }
  }

  /** Files where processes meet. */
  left = () => readdirSync(this.directory)

  /** A backend, once it serves. */
  async backend(...args) {
    const child = this.program(...args)
    await child.prints(/"event":"(serving)"/)
    return child
  }

  /** A backend's program. */
  program(...args) {
    const stdio = ['ignore', 'ignore', 'pipe']
    const child = new Child(spawn(backendProgram(), args, { env: this.environment, stdio }))
    this.#t.after(() => child.kill())
    return child
  }

  /** A window. Backends that it starts end soon after it. */
  async window({ tools = editing(''), ...more } = {}) {
    const { directory, logFile } = this
    const args = ['--idle-exit', '1']
    const program = { path: backendProgram(), args, directory, logFile }
    const window = await Backend.open({ ...program, client: 'test 1.0', tools, ...more })
    this.#t.after(() => window.close())
    return window
  }

  /** A connection without what windows have. */
  async connection(options = {}) {
    const client = await connect(NAME, { directory: this.directory, ...options })
    this.#t.after(() => client.close())
    return client
  }

  /** What backends that windows have started have logged. */
  log = () => readFileSync(this.logFile, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line))
}

/** A prompt of one message. */
export const user = (text, more) => ({ messages: [{ role: 'user', text }], ...more })

/** Reads a chat to its end; resolves to its tokens, and how it has ended. */
export async function said(chat, onToken = () => {}) {
  const tokens = []
  for await (const { text } of chat) {
    tokens.push(text)
    onToken(tokens.length)
  }
  return { tokens, text: tokens.join(''), ...{ finished: await chat.result } }
}

/** Waits until the backend of a window is another process. */
export const replaced = (window, pid) =>
  until(`the backend is not process ${pid} any more`, () => window.welcome.pid !== pid)

/** Waits for the end of a process that is no child of this one. */
export const gone = (pid) =>
  until(`process ${pid} has ended`, () => {
    try {
      // A process that has ended and was not waited for is one no more.
      return /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    } catch {
      return true
    }
  })
