// A pseudo-terminal of a known size, for a program that draws on all of it.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { stripVTControlCharacters } from 'node:util'
import type { ExecutionContext } from 'ava'
import './directory.mjs'
import { until } from './program.mjs'

export class Screen {
  /** All that was written to it. */
  written = ''
  /** Settles when its shell has ended. */
  readonly ended: Promise<unknown>
  readonly #shell: ChildProcess

  /** Runs a program. Before it, its terminal and its process are printed; after it, its exit code and
   * the settings of the terminal. */
  constructor(t: ExecutionContext, command: string, columns: number, rows: number) {
    const own = `stty cols ${columns} rows ${rows}; tty; echo $$; exec ${command}`
    const line = `sh -c "${own.replaceAll('$', '\\$')}"; echo "code $?"; stty -a`
    const env: NodeJS.ProcessEnv = { ...process.env, SHELL: '/bin/sh', TERM: 'xterm' }
    // Its colors are those of its terminal, wherever the tests run: Node looks for these, too.
    for (const name of ['CI', 'FORCE_COLOR', 'NO_COLOR', 'NODE_DISABLE_COLORS']) delete env[name]
    this.#shell = spawn('script', ['-qefc', line, '/dev/null'], { env })
    this.#shell.stdout!.setEncoding('utf8').on('data', (text: string) => (this.written += text))
    this.ended = once(this.#shell, 'close')
    t.teardown(() => this.#shell.kill('SIGKILL'))
  }

  /** The process of the program. */
  get pid(): number {
    return Number(/^\d+/m.exec(this.written)![0])
  }

  /** The lines of the last whole picture. */
  get lines(): string[] {
    const pictures = this.written.split('\x1b[?2026h').slice(1)
    const whole = pictures.filter((picture) => picture.includes('\x1b[?2026l'))
    const [last = ''] = (whole.at(-1) ?? '').split('\x1b[?2026l')
    // The terminal puts a carriage return of its own before each line feed.
    return stripVTControlCharacters(last).split(/\r+\n/)
  }

  type(keys: string): void {
    this.#shell.stdin!.write(keys)
  }

  resize(columns: number, rows: number): void {
    const [device] = /\/dev\/pts\/\d+/.exec(this.written)!
    execFileSync('stty', ['-F', device, 'cols', `${columns}`, 'rows', `${rows}`])
  }

  async shows(pattern: RegExp): Promise<void> {
    const isSo = () => pattern.test(this.lines.join('\n'))
    await until(`${pattern} is shown`, isSo).catch((error: Error) => {
      throw new Error(`${error.message}:\n${this.lines.join('\n')}`)
    })
  }
}
