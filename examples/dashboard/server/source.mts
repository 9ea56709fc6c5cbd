// What the producer publishes, as messages for browsers: of each kind the newest.

import { openStateFrame, subscribe, type FrameReading, type StateFrameReader } from 'ringpost'
import { publishedBy, type Kind, type Message, type Presence } from './contract.mjs'
import type { ProducerError, ProducerStatus } from './contract.mjs'

/** The producer says once a second that it is there. */
const STATUS_AGE_MAX_MS = 3_000
/** So often browsers are told how it is, changed or not: by its absence they notice that this
 * process hangs. */
const STATUS_PERIOD_MS = 1_000
/** How many errors browsers get. */
const ERRORS_MAX = 20

/** Takes what is new; `null`: there is nothing of this kind any more. */
export type Listener = (kind: Kind, message: Message | null) => void

export class Source {
  readonly #newest = new Map<Kind, Message>()
  readonly #listener: Listener
  readonly #status: StateFrameReader<ProducerStatus>
  readonly #closing: (() => void)[] = []
  readonly #errors: ProducerError[] = []
  #presence: Presence | undefined
  #camera: ProducerStatus['camera'] = 'lost'

  /** @param name Of the producer, which may come and go. */
  constructor(name: string, listener: Listener) {
    const { status, posture, camera, errors } = publishedBy(name)
    this.#listener = listener
    this.#status = openStateFrame(status, { maxAgeMs: STATUS_AGE_MAX_MS })
    const [postures, pictures] = [openStateFrame(posture), openStateFrame(camera)]
    const events = subscribe(errors, { from: 'oldest' })
    this.#closing.push(
      ...[this.#status, postures, pictures, events].map((each) => () => each.close()),
    )

    this.#look()
    this.#status.onChange((reading) => this.#look(reading))
    postures.onChange(({ value, status }) => {
      if (value !== undefined && status !== 'stale') this.#set('posture', text('posture', value))
    })
    pictures.onChange(({ value, status }) => {
      if (value !== undefined && status !== 'stale') this.#set('camera', value)
    })
    void events
      .batches((items) => this.#append(items.map(({ value }) => value)))
      .catch((error) => console.error('server: no errors can be read:', error))
    const timer = setInterval(() => this.#look(), STATUS_PERIOD_MS)
    this.#closing.push(() => clearInterval(timer))
  }

  /** What a browser gets first. */
  get newest(): Iterable<[Kind, Message]> {
    return this.#newest
  }

  close(): void {
    for (const close of this.#closing.splice(0)) close()
  }

  /** Looks whether the producer is there. */
  #look(reading: FrameReading<ProducerStatus> = this.#read()): void {
    const { value, status, isTooOld } = reading
    const isGone = value === undefined || status === 'stale'
    const presence = isGone ? 'gone' : isTooOld ? 'late' : 'live'
    const camera = isGone ? 'lost' : value.camera
    const hasChanged = presence !== this.#presence || camera !== this.#camera
    ;[this.#presence, this.#camera] = [presence, camera]
    const process = isGone ? null : value.process
    this.#set('status', text('status', { producer: presence, camera, process }))
    if (hasChanged && (isGone || camera === 'lost')) {
      // What was seen last is not what is there.
      for (const kind of ['posture', 'camera'] as const) this.#set(kind, null)
    }
  }

  #read(): FrameReading<ProducerStatus> {
    try {
      return this.#status.read()
    } catch (error) {
      console.error('server: the status cannot be read:', error)
      return { status: 'empty', number: 0, writtenAt: 0, ageMs: 0, isTooOld: false, value: undefined }
    }
  }

  #append(errors: ProducerError[]): void {
    this.#errors.push(...errors)
    this.#errors.splice(0, this.#errors.length - ERRORS_MAX)
    this.#set('errors', text('errors', { errors: this.#errors }))
  }

  #set(kind: Kind, message: Message | null): void {
    if (message === null) this.#newest.delete(kind)
    else this.#newest.set(kind, message)
    this.#listener(kind, message)
  }
}

function text(kind: Kind, value: object): string {
  return JSON.stringify({ kind, ...value })
}
