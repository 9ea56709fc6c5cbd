// Printing to what may be slow or gone, and ending early.

/** The exit code of a command that was interrupted. */
export const INTERRUPTED = 130

/** Ends a command without a word. */
export class Ended extends Error {
  readonly exitCode: number

  constructor(exitCode: number) {
    super(`ended with ${exitCode}`)
    this.exitCode = exitCode
  }
}

/** Aborted by Ctrl-C, and when nobody reads the output any more. A second Ctrl-C ends the process
 * at once. */
export function endings(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort(new Ended(INTERRUPTED)))
  process.stdout.on('error', (error) => {
    // Any other failure is the one of who prints.
    if (ended(error) instanceof Ended) controller.abort(ended(error))
  })
  return controller.signal
}

/** Prints, and waits until it is written, so that a slow reader is waited for. */
export function print(text: string | Uint8Array, signal: AbortSignal): Promise<void> {
  return new Promise((done, failed) => {
    if (signal.aborted) return failed(signal.reason)
    const stop = () => failed(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    process.stdout.write(text, (error) => {
      signal.removeEventListener('abort', stop)
      if (error) failed(ended(error))
      else done()
    })
  })
}

/** A reader that has enough is no failure. */
function ended(error: Error): Error {
  return (error as NodeJS.ErrnoException).code === 'EPIPE' ? new Ended(0) : error
}

/** Says why a command has failed, or what it has to say beside its output. */
export function say(command: string, message: string): void {
  console.error(`ringpost ${command}: ${plain(message)}`)
}

/** An error as its code and its message. */
export function described(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, message } = error as NodeJS.ErrnoException
  // Messages of Node.js begin with it.
  return code === undefined || message.startsWith(code) ? message : `${code}: ${message}`
}

/** What others have written, without what a terminal obeys. */
function plain(text: string): string {
  return text.replaceAll(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, '\ufffd')
}
