// Progress: one line that is overwritten on a terminal, and a plain line once in a while elsewhere.
// Both go to the error output, so that results can be piped.

const WIDTH = 24
/** Between two plain lines. */
const QUIET_MS = 10_000

export class Progress {
  readonly #terminal = process.stderr.isTTY
  #what = ''
  #steps = 1
  #done = 0
  #start = 0
  #writtenAt = 0
  #shown = false

  /** Begins something that takes so many steps. */
  begin(what: string, steps: number): void {
    this.#what = what
    this.#steps = Math.max(1, steps)
    this.#done = 0
    this.#start = this.#writtenAt = performance.now()
  }

  /** Begins the next step. */
  step(detail: string): void {
    this.at(this.#done + 1, detail)
  }

  /** So many steps are done or in progress. */
  at(done: number, detail: string): void {
    this.#done = done
    const share = Math.min(1, done / this.#steps)
    const left = this.#left(share).padStart(9)
    const line = `${this.#what.padEnd(10)} ${bar(share)} ${left}  ${detail}`
    if (this.#terminal) {
      process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`)
      this.#shown = true
    } else if (performance.now() - this.#writtenAt > QUIET_MS) {
      process.stderr.write(`${line}\n`)
      this.#writtenAt = performance.now()
    }
  }

  /** Makes room for other output. */
  clear(): void {
    if (this.#shown) process.stderr.write('\r\x1b[K')
    this.#shown = false
  }

  #left(share: number): string {
    if (share < 0.02) return ''
    const seconds = ((performance.now() - this.#start) / 1e3) * (1 / share - 1)
    return seconds < 100 ? `${Math.ceil(seconds)} s left` : `${Math.ceil(seconds / 60)} min left`
  }
}

function bar(share: number): string {
  const full = Math.round(share * WIDTH)
  const percent = String(Math.floor(share * 100)).padStart(3)
  return `${'█'.repeat(full)}${'·'.repeat(WIDTH - full)} ${percent} %`
}
