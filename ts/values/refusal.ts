// Why a value cannot be sent, and where in it the reason is: `params.user.tags: Set cannot be sent
// as MessagePack; use the codec structuredClone`.

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
  /** What is passed on that way, where values can contain themselves. */
  readonly #holders: object[] = []

  /** The reason if a holder is met twice on the way. */
  readonly #ofCycle: string | undefined

  constructor(reason: string, cause?: unknown, ofCycle?: string) {
    this.reason = reason
    this.cause = cause
    this.#ofCycle = ofCycle
  }

  /** It lies in `holder` under this name, or in this place of a list. */
  within(name: string | number, holder?: object): this {
    this.#way.push(name)
    if (holder !== undefined) this.#holders.push(holder)
    return this
  }

  /** The error for people, of a value that is called `root`. */
  toError(root: string): TypeError {
    const options = this.cause === undefined ? undefined : { cause: this.cause }
    return new TypeError(`${root}${this.#shown()}`, options)
  }

  /** The way and the reason, of a value that is not called anything. */
  said(): string {
    return this.#shown().replace(/^(\.|: )/, '')
  }

  #shown(): string {
    const way = this.#way.toReversed().map(step)
    const holders = this.#holders.toReversed()
    const again = holders.findIndex((holder, at) => holders.indexOf(holder) < at)
    if (this.#ofCycle === undefined || again < 0) return `${shortened(way)}: ${this.reason}`
    return `${shortened(way.slice(0, again))}: ${this.#ofCycle}`
  }
}

/** What structured cloning carries, and MessagePack does not. */
const CLONED = new Set([
  ...['Map', 'Set', 'RegExp', 'Error', 'cycle', 'bigint of more than 64 bits'],
  ...['Boolean object', 'Number object', 'String object', 'BigInt object'],
])

/** Refuses what a format has no place for, and says which codec would carry it. */
export function unsupported(what: string, format: string, carrier?: string): Refusal {
  return new Refusal(unsupportedText(what, format, carrier))
}

function unsupportedText(what: string, format: string, carrier?: string): string {
  const advised = CLONED.has(what) ? 'structuredClone' : carrier
  const advice = advised === undefined ? '' : `; use the codec ${advised}`
  return `${what} cannot be sent as ${format}${advice}`
}

/** Refuses what is nested too deep, which may be because it contains itself. */
export function tooDeep(depthMax: number, format: string): Refusal {
  const ofCycle = unsupportedText('cycle', format)
  return new Refusal(`nested more than ${depthMax} deep`, undefined, ofCycle)
}

/** Of a value that has more than `most`, which is what so many bytes may have. */
export function tooMany(values: number, most: number, bytes: number, hint = ''): Refusal {
  const text = `${values} items and fields cannot be sent, ${most} may be in ${bytes} bytes`
  return new Refusal(text + hint)
}

function shortened(way: string[]): string {
  if (way.length <= SHOWN_FIRST + SHOWN_LAST) return way.join('')
  return `${way.slice(0, SHOWN_FIRST).join('')}…${way.slice(-SHOWN_LAST).join('')}`
}

/** What was thrown within a value, with the name under which that lies. */
export function within(error: unknown, name: string | number, holder?: object): Refusal {
  return refusalOf(error).within(name, holder)
}

/** The same of a value that lies in nothing. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  // A getter, a proxy or toJSON of the value's own has failed.
  return new Refusal(`reading it failed: ${said(error)}`, error)
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
