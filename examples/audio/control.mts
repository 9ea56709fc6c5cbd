// A control process's end: commands that nothing waits for, and commands that are measured.

import { connect, type Client, type ClientOptions } from 'ringpost'
import { AskStatus, Command, commandsOf, Measured, now, Play, Receipt, Reported } from './contract.mjs'
import { Status, sync, type Action, type Report } from './contract.mjs'

export interface ControlOptions {
  /** Where audio processes are found, see `connect`. */
  directory?: string
  /** For people. */
  say?: (words: string) => void
  /** Called for each command that was sent with `report`. */
  onReport?: (report: Report) => void
}

/** A command's way to a thread that was woken for it, and back. In nanoseconds. */
export interface Measurement {
  roundTrip: number
  /** By the one clock that both processes read. */
  oneWay: number
}

/** So many commands may be on their way: an audio thread that looks in each period needs no more.
 * Nothing waits behind a full ring, because a note that is late is worth nothing. */
const COMMANDS: ClientOptions = {
  rings: { critical: 16_384 },
  overflow: { critical: 'dropNewest' },
  whileAway: 'fail',
  connectTimeoutMs: Infinity,
}

export class Control {
  /** Commands that were not sent: there was no room, or no audio process. */
  dropped = 0
  unsent = 0
  readonly #commands: Client
  readonly #desk: Client
  readonly #say: (words: string) => void
  readonly #onReport: (report: Report) => void
  #number = 0n
  /** The audio thread reads: it has answered the first command of this session. */
  #isReady = false
  /** The number of that command. */
  #sync: bigint | undefined
  /** How long there was no session, of a client that has had one before. */
  #awayMs: number | undefined
  #resolveOpened!: () => void
  readonly #opened = new Promise<void>((resolve) => (this.#resolveOpened = resolve))
  /** The last of each kind that has no end, for the next audio process. */
  readonly #settings = new Map<string, Action>()

  /** Waits until there is an audio process, and reads. */
  static async open(name: string, options: ControlOptions = {}): Promise<Control> {
    const { directory } = options
    const [commands, desk] = await Promise.all([
      connect(commandsOf(name), { ...COMMANDS, directory }),
      connect(name, { directory, connectTimeoutMs: Infinity, whileAway: 'fail' }),
    ])
    const control = new Control(commands, desk, options)
    await control.#opened
    return control
  }

  private constructor(commands: Client, desk: Client, options: ControlOptions) {
    this.#commands = commands
    this.#desk = desk
    this.#say = options.say ?? console.log
    this.#onReport = options.onReport ?? (() => {})
    commands.on(Reported, (report) => this.#reported(report))
    commands.on('drop', ({ count }) => {
      this.dropped += count
      this.#say(`control: there was no room for ${count} commands, which were dropped`)
    })
    commands.on('disconnect', () => {
      this.#isReady = false
      this.#say('control: the audio process is gone, and commands are not sent')
    })
    commands.on('reconnect', ({ awayMs }) => {
      this.#awayMs = awayMs
      this.#begin()
    })
    this.#begin()
  }

  /** Whether commands are sent. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** Sends a command, and waits for nothing. `at` is when it is to be heard, but for the latency
   * that all commands have, and may be up to ten seconds ahead. Returns the command's number, or
   * null: it was not sent. */
  send(action: Action, at = now(), report = false): bigint | null {
    const { kind, target } = action
    if (kind > 2) this.#settings.set(`${kind} ${target}`, action)
    if (!this.#isReady || this.#commands.state !== 'open') {
      this.unsent++
      return null
    }
    return this.#write(action, at, report)
  }

  /** Sends a command on the way on which it is answered, by a thread that is woken for it. */
  async measure(action: Action): Promise<Measurement> {
    const start = now()
    const command = Command.encode({ ...action, number: 0n, at: start, report: 0 })
    const answer = await this.#desk.request(Measured, command, { lane: 'critical' })
    const end = now()
    const { receivedAt } = Receipt.decode(answer)
    if (receivedAt < start || receivedAt > end) throw new Error('there are two clocks')
    return { roundTrip: Number(end - start), oneWay: Number(receivedAt - start) }
  }

  async status(): Promise<Status> {
    return Status.decode(await this.#desk.request(AskStatus, new Uint8Array()))
  }

  async close(): Promise<void> {
    await Promise.all([this.#commands.close(), this.#desk.close()])
  }

  #write(action: Action, at: bigint, report: boolean): bigint {
    const number = ++this.#number
    const command = { ...action, number, at, report: report ? 1 : 0 }
    this.#commands.notify(Play, command, { lane: 'critical' })
    return number
  }

  /** The first command of a session takes longer than others, because its name is new. */
  #begin(): void {
    this.#sync = this.#write(sync, now(), true)
  }

  #reported(report: Report): void {
    if (report.number === this.#sync) this.#ready()
    else this.#onReport(report)
  }

  #ready(): void {
    this.#isReady = true
    for (const action of this.#settings.values()) this.#write(action, now(), false)
    if (this.#awayMs !== undefined) {
      const span = `${Math.round(this.#awayMs)} ms; ${this.unsent} commands were not sent so far`
      this.#say(`control: the audio process is back (${this.#commands.peer.pid}) after ${span}`)
    }
    this.#resolveOpened()
  }
}
