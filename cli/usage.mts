// A mistake in a command line.

/** What was typed is not valid; `usage` says what is. */
export class UsageError extends Error {
  readonly usage: string

  constructor(message: string, usage: string) {
    super(message)
    this.usage = usage
  }
}
