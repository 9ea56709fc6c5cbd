// Why a value cannot be sent, and where in it the reason is: `params.user.tags: Set cannot be
// sent`.

/** Names on the way to a value beyond these are left out in the middle. */
const SHOWN_FIRST = 12
const SHOWN_LAST = 4
/** Letters of one name. */
const SHOWN_LETTERS = 60

const PLAIN_NAME = /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u

/** Thrown inside of an encoder. What it is called where it begins is known to who asked for it. */
export class Refusal {
  readonly reason: string
  readonly cause: unknown
  /** The way to it, from the inside out. */
  readonly #way: (string | number)[] = []

  constructor(reason: string, cause?: unknown) {
    this.reason = reason
    this.cause = cause
  }

  /** It lies in a value under this name, or in this place of a list. */
  within(name: string | number): this {
    this.#way.push(name)
    return this
  }

  /** The error for people, of a value that is called `root`. */
  toError(root: string): TypeError {
    const options = this.cause === undefined ? undefined : { cause: this.cause }
    return new TypeError(`${root}${this.#shown()}: ${this.reason}`, options)
  }

  #shown(): string {
    const way = this.#way.toReversed().map(step)
    if (way.length <= SHOWN_FIRST + SHOWN_LAST) return way.join('')
    return `${way.slice(0, SHOWN_FIRST).join('')}…${way.slice(-SHOWN_LAST).join('')}`
  }
}

/** What was thrown within a value, with the name under which that lies. */
export function within(error: unknown, name: string | number): Refusal {
  if (error instanceof Refusal) return error.within(name)
  // A getter, a proxy or toJSON of the value's own has failed.
  return new Refusal(`reading it failed: ${said(error)}`, error).within(name)
}

/** The same of a value that lies in nothing. */
export function refusalOf(error: unknown): Refusal {
  return error instanceof Refusal ? error : new Refusal(`reading it failed: ${said(error)}`, error)
}

/** What an error says of itself, if it can. */
export function said(error: unknown): string {
  try {
    const { message } = error as Error
    return typeof message === 'string' ? message : String(error)
  } catch {
    return 'it cannot be said why'
  }
}

function step(name: string | number): string {
  if (typeof name === 'number') return `[${name}]`
  const shown = name.length > SHOWN_LETTERS ? `${name.slice(0, SHOWN_LETTERS)}…` : name
  return PLAIN_NAME.test(shown) ? `.${shown}` : `[${JSON.stringify(shown)}]`
}
