// The `ringpost` command as a program of its own, with pipes or on a terminal.

import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { stripVTControlCharacters } from 'node:util'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { directory } from './directory.mjs'
import { until } from './program.mjs'

export const COMMAND = fileURLToPath(new URL('../../cli/main.mjs', import.meta.url))

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  out: string
  err: string
}

const environment = () => ({ ...process.env, TMPDIR: directory })

/** Starts it with pipes. What it prints is read at once. */
export function start(...words: string[]) {
  const child = fork(COMMAND, words, { silent: true, env: environment() })
  return { child, ended: endOf(child) }
}

/** Starts it with pipes, and nothing reads what it prints. */
export function startUnread(...words: string[]): ChildProcess {
  return fork(COMMAND, words, { silent: true, env: environment() })
}

/** How it ends, and all that it has printed until then. */
export async function endOf(child: ChildProcess): Promise<Ended> {
  const [[code, signal], out, err] = await Promise.all([
    once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>,
    text(child.stdout!),
    text(child.stderr!),
  ])
  return { code, signal, out, err }
}

export const play = (...words: string[]) => start(...words).ended

/** The same, with something to read. */
export function playWith(input: string | Uint8Array, ...words: string[]): Promise<Ended> {
  const { child, ended } = start(...words)
  child.stdin!.end(input)
  return ended
}

/** The same, within a line of a shell: `command` stands for the command. */
export function shell(line: string, env: Record<string, string> = {}): Promise<Ended> {
  const command = [process.execPath, COMMAND].map(quoted).join(' ')
  const words = ['-o', 'pipefail', '-c', line.replace('command', command)]
  return endOf(spawn('bash', words, { env: { ...environment(), ...env } }))
}

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`

/** A pseudo-terminal on which a command runs. */
export class Terminal {
  /** All that it shows, without colors. */
  shown = ''
  /** Settles with the exit code; of what a signal has ended, as a shell says it. */
  readonly ended: Promise<number>
  readonly #child: ChildProcess

  constructor(t: ExecutionContext, command: string) {
    const env = { ...environment(), SHELL: '/bin/sh', TERM: 'dumb' }
    this.#child = spawn('script', ['-qefc', `exec ${command}`, '/dev/null'], { env })
    this.#child.stdout!.on('data', (data: Buffer) => {
      this.shown += stripVTControlCharacters(data.toString()).replaceAll('\r\n', '\n')
    })
    t.teardown(() => this.#child.kill('SIGKILL'))
    this.ended = once(this.#child, 'close').then(([code]) => code as number)
  }

  /** One on which the `ringpost` command runs. */
  static ofCommand(t: ExecutionContext, ...words: string[]): Terminal {
    return new Terminal(t, [process.execPath, COMMAND, ...words].map(quoted).join(' '))
  }

  type(keys: string): void {
    this.#child.stdin!.write(keys)
  }

  async shows(pattern: RegExp): Promise<void> {
    await until(`${String(pattern)} is shown`, () => pattern.test(this.shown))
  }
}
