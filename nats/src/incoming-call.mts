// A request or stream from another machine, for the local server.

import { IpcError } from 'ringpost'
import type { Client, ClientStream, Method, RequestOptions, Stream } from 'ringpost'
import type { Call } from './bridge.mjs'
import { encodeError } from './errors.mjs'
import { ItemSender, ItemTaker, Pulse } from './flow.mjs'
import type { Box, BoxHandler, Letter, Post } from './post.mjs'
import { checkCodec, type Kind } from './wire.mjs'

/** Milliseconds after which a request that is not answered says where it listens. Most are answered
 * by then, and need neither that message nor an inbox. */
const ANSWERED_WITHIN_MS = 10
const BEAT_DEFAULT_MS = 5_000
/** Bytes of the longest error, where the server takes more. */
const ERROR_MAX = 262_144

/** Which call it is, and what it needs. */
export interface Incoming {
  readonly post: Post
  readonly client: Client
  /** The name of the codec of its payloads. */
  readonly codec: string
  /** Where its answers go. */
  readonly reply: string
  readonly letter: Letter
  readonly ended: (call: Call) => void
}

const NOTHING = new Uint8Array(0)

/** Answers with an error. It is not answered where that cannot be sent either. */
export function refuse(post: Post, reply: string, error: unknown, n?: number): void {
  // Within what is always left for the header.
  const lengthMax = Math.min(ERROR_MAX, (post.nats.info?.max_payload ?? 0) - 512)
  try {
    post.publish(reply, { kind: 'error', n }, encodeError(error, lengthMax), 'an error')
  } catch {
    // The other side notices by itself that the connection is lost.
  }
}

abstract class IncomingCall implements Call, BoxHandler {
  protected readonly how: Incoming
  readonly #controller = new AbortController()
  #box: Box | undefined
  #pulse: Pulse | undefined
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(how: Incoming) {
    this.how = how
  }

  /** Answers with what `work` resolves to, or with what it rejects with. */
  protected answerWith(work: Promise<Uint8Array>): void {
    work.then(
      (result) => this.#answer(result),
      (error: unknown) => this.fail(error),
    )
  }

  protected get options(): RequestOptions {
    const { fields, traceparent } = this.how.letter
    const { ms = Infinity, lane } = fields
    return { signal: this.#controller.signal, timeoutMs: ms, lane, traceparent }
  }

  /** Items that were sent. */
  protected abstract readonly count: number | undefined

  protected acceptLater(): void {
    this.#timer = setTimeout(() => this.accept(), ANSWERED_WITHIN_MS)
  }

  /** Says where it listens, and from now on that it is alive. */
  protected accept(): void {
    if (this.#isOver) return
    const { post, letter } = this.how
    const { beat = BEAT_DEFAULT_MS } = letter.fields
    this.#box = post.open(this)
    const alive = () => this.say('alive')
    this.#pulse = new Pulse(beat, alive, () => this.#abandon('the caller is silent'))
    alive()
  }

  received(letter: Letter): void {
    this.#pulse?.heard()
    if (letter.fields.kind === 'cancel') this.#abandon('the caller has cancelled it')
    else this.take(letter)
  }

  unclaimed(): void {
    this.#abandon('the caller is gone')
  }

  fail(error: unknown): void {
    if (this.#isOver) return
    refuse(this.how.post, this.how.reply, error, this.count)
    this.#end(error)
  }

  protected abstract take(letter: Letter): void

  protected say(kind: Kind, payload: Uint8Array = NOTHING, n?: number): void {
    const { post, codec } = this.how
    const fields = { kind, codec: kind === 'item' ? codec : undefined, n }
    try {
      // With where it is said that nobody listens any more.
      const options = { reply: this.#box?.subject }
      post.publish(this.how.reply, fields, payload, 'an item', options)
    } catch (error) {
      // What else is said can be missed: the other side notices that there is silence.
      if (kind === 'item') throw error
    }
  }

  #answer(result: Uint8Array): void {
    if (this.#isOver) return
    const { post, reply, codec } = this.how
    const fields = { kind: 'reply', codec, n: this.count } as const
    try {
      post.publish(reply, fields, result, 'the result')
    } catch (error) {
      return this.fail(error)
    }
    this.#end(undefined)
  }

  #abandon(why: string): void {
    this.#end(new IpcError('ERR_CANCELLED', why))
  }

  #end(reason: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#pulse?.stop()
    this.#box?.close()
    if (reason !== undefined) this.#controller.abort(reason)
    this.over?.(reason)
    this.how.ended(this)
  }

  /** It has ended: for this reason, unless it was answered. */
  protected over?(reason: unknown): void
}

export class IncomingRequest extends IncomingCall {
  protected readonly count = undefined

  constructor(how: Incoming, method: Method<Uint8Array, Uint8Array>) {
    super(how)
    const { client, codec, letter } = how
    const work = async () => {
      checkCodec(letter.fields, codec, 'the request')
      return client.request(method, letter.payload, this.options)
    }
    this.acceptLater()
    this.answerWith(work())
  }

  protected take(): void {
    // A request has nothing to take but what all calls have.
  }
}

type PassedStream = Stream<Uint8Array, Uint8Array, Uint8Array, Uint8Array>

export class IncomingStream extends IncomingCall {
  readonly #sender: ItemSender
  #stream: ClientStream<Uint8Array, Uint8Array, Uint8Array> | undefined
  #taker: ItemTaker | undefined

  constructor(how: Incoming, contract: PassedStream) {
    super(how)
    const window = how.letter.fields.window!
    this.#sender = new ItemSender(window, (item, n) => this.say('item', item, n))
    this.accept()
    this.answerWith(this.#run(contract, window))
  }

  protected get count(): number {
    return this.#sender.count
  }

  async #run(contract: PassedStream, window: number): Promise<Uint8Array> {
    const { client, codec, letter, post } = this.how
    checkCodec(letter.fields, codec, 'the request')
    const options = { ...this.options, windowBytes: window }
    const stream = client.stream(contract, letter.payload, options)
    // Its outcome is awaited only behind the items.
    stream.result.catch(() => {})
    this.#stream = stream
    this.#taker = new ItemTaker(window, stream, (credit) => this.say('credit', undefined, credit))
    try {
      for await (const item of stream) {
        await post.ready()
        await this.#sender.send(item)
      }
    } catch (error) {
      stream.cancel(error)
      // What has ended the stream says more than that it has ended.
      await stream.result.then(() => {
        throw error
      })
    }
    return stream.result
  }

  protected override over(reason: unknown): void {
    this.#sender.stop(reason)
  }

  protected take({ fields, payload }: Letter): void {
    const [stream, taker] = [this.#stream, this.#taker]
    if (stream === undefined || taker === undefined) return
    const cancel = (error: unknown) => stream.cancel(error)
    try {
      if (fields.kind === 'credit') {
        this.#sender.granted(fields.n ?? 0)
      } else if (fields.kind === 'item') {
        checkCodec(fields, this.how.codec, 'an item')
        taker.received(payload, fields.n).catch(cancel)
      } else if (fields.kind === 'end') {
        taker.ended(fields.n).then(() => stream.end(), cancel)
      }
    } catch (error) {
      cancel(error)
    }
  }
}
