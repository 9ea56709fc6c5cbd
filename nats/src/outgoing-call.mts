// A request or stream of a local client, on its way to another machine.

import { IpcError, type Context, type ServerStream } from 'ringpost'
import type { Call } from './bridge.mjs'
import { decodeError } from './errors.mjs'
import { ItemSender, ItemTaker, Pulse } from './flow.mjs'
import type { Box, BoxHandler, Letter, Post } from './post.mjs'
import { checkCodec, type Fields, type Kind } from './wire.mjs'

/** Which call it is, and how it is made. */
export interface Outgoing {
  readonly post: Post
  readonly subject: string
  /** The name of the method or stream, and of its codec. */
  readonly name: string
  readonly codec: string
  readonly heartbeatMs: number
  readonly windowBytes: number
  /** It is over at both ends. */
  readonly ended: (call: Call) => void
}

const NOTHING = new Uint8Array(0)

export class OutgoingCall implements Call, BoxHandler {
  /** Its one outcome. */
  readonly result: Promise<Uint8Array>
  readonly #how: Outgoing
  readonly #context: Context
  readonly #box: Box
  readonly #pulse: Pulse
  /** Where the other side listens, once that is known. */
  #control: string | undefined
  #resolve!: (result: Uint8Array) => void
  #reject!: (error: unknown) => void
  #isAnswered = false
  #isSettled = false
  #isClosed = false
  readonly #cancel = () => this.abandon(this.#context.signal.reason)

  constructor(how: Outgoing, context: Context) {
    this.#how = how
    this.#context = context
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#box = how.post.open(this)
    this.#pulse = new Pulse(
      how.heartbeatMs,
      () => this.say('alive'),
      () => this.#gone(),
    )
    context.signal.addEventListener('abort', this.#cancel, { once: true })
  }

  get subject(): string {
    return this.#how.subject
  }

  get codec(): string {
    return this.#how.codec
  }

  get isAnswered(): boolean {
    return this.#isAnswered
  }

  get isSettled(): boolean {
    return this.#isSettled
  }

  /** Sends it. What that throws is its outcome. */
  start(kind: Kind, payload: Uint8Array, window?: number): this {
    const { post, subject, name, codec, heartbeatMs: beat } = this.#how
    const { lane, remainingMs, traceparent } = this.#context
    const ms = remainingMs === Infinity ? undefined : Math.max(1, Math.floor(remainingMs))
    const fields: Fields = { kind, codec, ms, lane, window, beat }
    const what = `the request "${name}"`
    if (this.#context.signal.aborted) {
      this.fail(this.#context.signal.reason)
      return this
    }
    try {
      post.publish(subject, fields, payload, what, { reply: this.#box.subject, traceparent })
    } catch (error) {
      this.fail(error)
    }
    return this
  }

  received(letter: Letter): void {
    this.#pulse.heard()
    if (this.#control === undefined && letter.reply !== undefined) {
      this.#control = letter.reply
      if (this.#isSettled) this.say('cancel')
      else this.accepted()
    }
    const { kind } = letter.fields
    if (kind === 'reply' || kind === 'error') this.#answered()
    if (this.#isSettled) {
      if (this.#control !== undefined || this.#isAnswered) this.#close()
    } else {
      this.take(letter)
    }
  }

  unclaimed(): void {
    if (this.#control !== undefined) return this.fail(gone(this.#how.name))
    const message = `no bridge offers "${this.#how.name}": no exporter listens on ${this.subject}`
    this.fail(new IpcError('ERR_NO_SERVER', message))
  }

  fail(error: unknown): void {
    this.settle(() => this.#reject(error))
    this.#close()
  }

  /** Nobody here wants its outcome any more. */
  abandon(reason: unknown): void {
    if (this.#isSettled) return
    this.settle(() => this.#reject(reason))
    // Otherwise the other side is told as soon as it is known where it listens.
    if (this.#control === undefined && !this.#isAnswered) return
    this.say('cancel')
    this.#close()
  }

  /** The other side has told where it listens. */
  protected accepted(): void {
    // A request has nothing more to say.
  }

  protected take({ fields, payload }: Letter): void {
    if (fields.kind === 'reply') this.succeed(fields, payload)
    else if (fields.kind === 'error') this.fail(decodeError(payload))
  }

  protected succeed(fields: Fields, payload: Uint8Array): void {
    try {
      checkCodec(fields, this.codec, 'the result')
    } catch (error) {
      return this.fail(error)
    }
    this.settle(() => this.#resolve(payload))
    this.#close()
  }

  protected settle(outcome: () => void): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#context.signal.removeEventListener('abort', this.#cancel)
    outcome()
  }

  /** Says something to the other side, if it is known where it listens. */
  protected say(kind: Kind, payload: Uint8Array = NOTHING, n?: number): void {
    if (this.#control === undefined) return
    const codec = kind === 'item' ? this.codec : undefined
    try {
      const what = `an item of "${this.#how.name}"`
      // With where it is said that nobody listens any more.
      const options = { reply: this.#box.subject }
      this.#how.post.publish(this.#control, { kind, codec, n }, payload, what, options)
    } catch (error) {
      // What else is said can be missed: the other side notices that there is silence.
      if (kind === 'item') throw error
    }
  }

  /** Its outcome is here, and may wait until the items before it are read, however slowly: that
   * the other side is silent from now on, or gone, says nothing any more. */
  #answered(): void {
    this.#isAnswered = true
    this.#pulse.stop()
    this.#box.close()
  }

  #gone(): void {
    this.fail(gone(this.#how.name))
  }

  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#pulse.stop()
    this.#box.close()
    this.#how.ended(this)
  }
}

function gone(name: string): IpcError {
  const message = `nothing is heard any more of "${name}" from the machine that works on it`
  return new IpcError('ERR_PEER_LOST', message)
}

export class OutgoingStream extends OutgoingCall {
  readonly #post: Post
  readonly #stream: ServerStream<Uint8Array, Uint8Array>
  readonly #sender: ItemSender
  readonly #taker: ItemTaker

  constructor(how: Outgoing, stream: ServerStream<Uint8Array, Uint8Array>) {
    super(how, stream)
    this.#post = how.post
    this.#stream = stream
    const { windowBytes } = how
    this.#sender = new ItemSender(windowBytes, (item, n) => this.say('item', item, n))
    this.#taker = new ItemTaker(windowBytes, stream, (credit) =>
      this.say('credit', undefined, credit),
    )
  }

  protected override accepted(): void {
    void this.#upload()
  }

  protected override take(letter: Letter): void {
    const { fields, payload } = letter
    try {
      if (fields.kind === 'credit') this.#sender.granted(fields.n ?? 0)
      else if (fields.kind === 'item') this.#takeItem(fields, payload)
      else if (fields.kind === 'reply') this.#behindItems(fields, () => super.take(letter))
      else if (fields.kind === 'error') this.#fail(fields, decodeError(payload))
    } catch (error) {
      this.abandon(error)
    }
  }

  protected override settle(outcome: () => void): void {
    this.#sender.stop(new IpcError('ERR_CANCELLED', 'the stream has ended'))
    super.settle(outcome)
  }

  #takeItem(fields: Fields, payload: Uint8Array): void {
    checkCodec(fields, this.codec, 'an item')
    this.#taker.received(payload, fields.n).catch((error: unknown) => this.abandon(error))
  }

  #behindItems(fields: Fields, then: () => void): void {
    this.#taker.ended(fields.n).then(then, (error: unknown) => this.fail(error))
  }

  /** An error says more than that items are missing before it. */
  #fail(fields: Fields, error: unknown): void {
    const fail = () => this.fail(error)
    try {
      this.#behindItems(fields, fail)
    } catch {
      fail()
    }
  }

  async #upload(): Promise<void> {
    try {
      for await (const item of this.#stream) {
        await this.#post.ready()
        await this.#sender.send(item)
      }
      if (!this.isSettled) this.say('end', undefined, this.#sender.count)
    } catch (error) {
      // Where the stream has ended, its outcome says why.
      this.abandon(error)
    }
  }
}
