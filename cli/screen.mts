// A terminal that is ours until it is given back.

import { EventEmitter, on } from 'node:events'
import { emitKeypressEvents, type Key } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'

/** The other screen, without a cursor and without lines that wrap. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l'
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l'
/** A terminal that knows these shows nothing of a picture before all of it. */
const BEGIN = '\x1b[?2026h\x1b[H'
const END = '\x1b[?2026l'
const ERASE_LINE = '\x1b[K'
const ERASE_REST = '\x1b[J'
/** Within this time a process has been stopped that has sent itself that signal. */
const STOP_MS = 50
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** The keys by their names, `resize`, or `gone`: there is no terminal any more. */
export class Screen {
  readonly #events = new EventEmitter<{ event: [string] }>()
  readonly #keys = (text: string | undefined, { ctrl, name }: Key) =>
    this.emit(ctrl ? `ctrl-${name}` : (name ?? text ?? ''))
  readonly #resized = () => this.emit('resize')
  readonly #gone = () => this.emit('gone')
  /** An exception that nothing has caught gets here as well. */
  readonly #leave = () => this.#give()
  readonly #signalled = (signal: NodeJS.Signals) => {
    this.close()
    process.kill(process.pid, signal)
  }

  constructor() {
    const { stdin, stdout } = process
    process.on('exit', this.#leave)
    for (const signal of SIGNALS) process.on(signal, this.#signalled)
    stdout.on('resize', this.#resized).on('error', this.#gone)
    emitKeypressEvents(stdin)
    if (stdin.isTTY) stdin.on('keypress', this.#keys).on('error', this.#gone).on('end', this.#gone)
    this.#take()
  }

  get width(): number {
    return process.stdout.columns
  }

  get height(): number {
    return process.stdout.rows
  }

  emit(event: string): void {
    this.#events.emit('event', event)
  }

  async *events(): AsyncGenerator<string, void> {
    for await (const [event] of on(this.#events, 'event')) yield event as string
  }

  /** Shows these lines and nothing else, with one write. */
  draw(lines: string[]): void {
    // Erasing comes first: behind a line as wide as the screen it would take the last character.
    const last = lines.length - 1
    const erased = lines.map((line, at) => (at === last ? ERASE_REST : ERASE_LINE) + line)
    process.stdout.write(BEGIN + erased.join('\r\n') + END)
  }

  /** Gives the terminal back, stops as a shell expects it of Ctrl-Z, and goes on with `fg`. */
  async suspend(): Promise<void> {
    this.#give()
    process.kill(0, 'SIGTSTP')
    await pause(STOP_MS)
    this.#take()
  }

  /** Gives the terminal back. */
  close(): void {
    const { stdin, stdout } = process
    this.#give()
    process.off('exit', this.#leave)
    for (const signal of SIGNALS) process.off(signal, this.#signalled)
    stdout.off('resize', this.#resized)
    stdin.off('keypress', this.#keys)
  }

  #take(): void {
    if (process.stdin.isTTY) process.stdin.setRawMode(true).resume()
    process.stdout.write(ENTER)
  }

  #give(): void {
    process.stdout.write(LEAVE)
    if (process.stdin.isTTY) process.stdin.setRawMode(false).pause()
  }
}
