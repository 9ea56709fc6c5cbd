// What scenarios have in common: the form they are played in, the processes that play them, and
// what is made of what was seen. But for this one, `peers` and `pace`, a file of this folder is a
// scenario for the runner, and the roles its processes play.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { Check, Latency, Measurement, Repeat, Unit } from '../results.mjs'
import { cpuMs, Process } from '../process.mjs'
import { RUST_PROGRAMS } from '../transports.mjs'
import type { Asked } from './pace.mjs'
import type { Asking, Joining, Place, Probing, Sending, Sent, Serving } from './peers.mjs'
import type { Tally, Usage } from './peers.mjs'

/** How much of it is played. */
export interface Form {
  /** Seconds, for a first impression and for tests. */
  short: boolean
  /** What counts and spans are multiplied with; tests play with less than 1. */
  scale: number
  /** Where processes meet. */
  directory: string
  /** How far it is, from 0 to 1, and what happens. */
  progress(share: number, word: string): void
  signal: AbortSignal
}

/** A count or a span of either form. */
export const amount = ({ short, scale }: Form, full: number, brief: number): number =>
  Math.max(1, Math.round((short ? brief : full) * scale))

export interface Scenario {
  name: string
  /** For people. */
  title: string
  /** What `value` of its repeats is. */
  metric: Measurement['metric']
  run(form: Form): Promise<Outcome>
}

/** What came of it. */
export interface Outcome {
  settings: Measurement['settings']
  repeats: Repeat[]
  checks: Check[]
  /** A message lost, or another promise of correctness broken. */
  failed: string | null
}

// ---- checks ----

// A floor that nothing else gives is about half of what the run in benches/record/ has seen.

export const atLeast = (what: string, unit: Unit, floor: number, seen: number): Check => ({
  ...{ what, unit, floor, atMost: false, seen },
  ok: seen >= floor,
})

export const atMost = (what: string, unit: Unit, floor: number, seen: number): Check => ({
  ...{ what, unit, floor, atMost: true, seen },
  ok: seen <= floor,
})

/** Why what has arrived is not what was sent, or null. */
export function difference(sent: Pick<Sent, 'count' | 'bytes'>, got: Tally): string | null {
  if (got.faults.length > 0) return got.faults.join('; ')
  if (sent.count === got.count && sent.bytes === got.bytes) return null
  return (
    `${sent.count} messages of ${sent.bytes} bytes were sent, ` +
    `${got.count} of ${got.bytes} bytes received`
  )
}

/** What several senders have sent together. */
export function total(parts: Sent[]): Pick<Sent, 'count' | 'bytes'> {
  const sum = (of: 'count' | 'bytes') => parts.reduce((sum, part) => sum + part[of], 0)
  return { count: sum('count'), bytes: sum('bytes') }
}

// ---- what a process has ----

/** A connection's socket. */
const DESCRIPTORS_EACH = 1
/** What a process has besides. */
const DESCRIPTORS_OWN = 64

/** As many connections as one process may have here; `manyEnough` says whether those are fewer. */
export function affordable(wanted: number, limit = openFilesMax()): number {
  return Math.min(wanted, Math.floor((limit - DESCRIPTORS_OWN) / DESCRIPTORS_EACH))
}

export const manyEnough = (wanted: number, connections: number): Check =>
  atLeast('connections that open files allow', '', wanted, connections)

function openFilesMax(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity)
}

/** Bytes of a process that are there: those of its own, and those in memory others have too. */
export function memory(pid: number | 'self'): { own: number; shared: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)![1])
  return { own: field('RssAnon') * 1024, shared: field('RssShmem') * 1024 }
}

export const descriptors = (pid: number | 'self'): number => readdirSync(`/proc/${pid}/fd`).length

// ---- processes ----

/** Plays with some processes, which are all ended when it is over, however that comes to be. What
 * they take of the processor over all of it is noted in each repeat. */
export async function withCrew(
  form: Form,
  scenario: string,
  secondsMax: number,
  work: (crew: Crew) => Promise<Outcome>,
): Promise<Outcome> {
  form.signal.throwIfAborted()
  const crew = new Crew(form, scenario)
  // Every wait for a process ends with that process.
  let reason: unknown
  const end = (why: unknown) => {
    reason ??= why
    crew.kill()
  }
  const late = new Error(`was not done after ${secondsMax} s`)
  const timer = setTimeout(end, secondsMax * 1e3, late)
  const aborted = () => end(form.signal.reason)
  form.signal.addEventListener('abort', aborted, { once: true })
  try {
    const outcome = await work(crew)
    const cpu = crew.cores()
    return { ...outcome, repeats: outcome.repeats.map((repeat) => ({ ...repeat, cpu })) }
  } catch (error) {
    throw reason ?? error
  } finally {
    clearTimeout(timer)
    form.signal.removeEventListener('abort', aborted)
    crew.kill()
  }
}

let names = 0

/** Libraries that publish, each with the program it is in. */
const LIBRARIES = {
  ringpost: RUST_PROGRAMS.worker,
  iceoryx2: RUST_PROGRAMS.peers,
  'mmap-sync': RUST_PROGRAMS.peers,
}
export type Library = keyof typeof LIBRARIES

export class Crew {
  readonly #form: Form
  readonly #scenario: string
  readonly #members: Member[] = []
  readonly #programs: Process[] = []
  readonly #start = performance.now()

  constructor(form: Form, scenario: string) {
    this.#form = form
    this.#scenario = scenario
  }

  member(): Member {
    const member = new Member(new Process('ts'), this.#scenario)
    this.#members.push(member)
    return member
  }

  /** A process that serves. */
  async serve(options: Partial<Serving> = {}): Promise<Member & { place: Place }> {
    const place = {
      name: `${this.#scenario}-${process.pid}-${++names}`,
      directory: this.#form.directory,
    }
    const member = Object.assign(this.member(), { place })
    await member.play('serve', { place, ...options })
    return member
  }

  /** A process with connections to some places. */
  async join(joining: Joining): Promise<Member> {
    const member = this.member()
    await member.play('join', joining)
    return member
  }

  /** So many processes in Rust with a library that publishes, whose processor time is not counted;
   * null where that is not built. */
  async programs(library: Library, count: number): Promise<Process[] | null> {
    const rust = LIBRARIES[library]
    if (!existsSync(rust)) return null
    const programs = Array.from({ length: count }, () => new Process('rust', { rust }))
    this.#programs.push(...programs)
    // One that was built before there were libraries knows no such command.
    const known = programs.map((one) => one.call<string[]>({ do: 'libraries' }).catch((): string[] => []))
    return (await Promise.all(known)).every((one) => one.includes(library)) ? programs : null
  }

  kill(): void {
    for (const one of [...this.#members, ...this.#programs]) one.kill()
  }

  /** Processor time of each side, starting included. */
  cores(): NonNullable<Repeat['cpu']> {
    const wallMs = performance.now() - this.#start
    const of = (side: Side) => {
      const spans = this.#members.filter((member) => member.side === side)
      return spans.reduce((sum, member) => sum + member.cpuMs(), 0) / wallMs
    }
    return { client: of('client'), server: of('server'), others: of('others') }
  }
}

type Side = keyof NonNullable<Repeat['cpu']>

/** By its name: a role that serves begins with that word, and one that computes is on no side. */
function sideOf(role: string): Side {
  if (role.startsWith('serve')) return 'server'
  return role === 'compute' ? 'others' : 'client'
}

/** One process, with what all of them can do. */
export class Member {
  readonly #process: Process
  readonly #scenario: string
  #cpuMs = 0
  /** Of a process with several roles, the first that is not a client's. */
  side: Side = 'client'

  constructor(process: Process, scenario: string) {
    this.#process = process
    this.#scenario = scenario
  }

  get pid(): number {
    return this.#process.pid
  }

  play<T>(role: string, parameters: object = {}): Promise<T> {
    if (this.side === 'client') this.side = sideOf(role)
    const played = this.#process.call<T>({
      ...{ do: 'play', scenario: this.#scenario, role },
      with: parameters as Record<string, unknown>,
    })
    // The caller may be waiting for another process that failed first.
    played.catch(() => {})
    return played
  }

  /** Resolves when it has started. */
  ready = (): Promise<void> => this.play('ready')
  /** Sends on all of its connections, until everything was read. */
  send = (sending: Sending): Promise<Sent> => this.play('send', sending)
  /** Round trips at fixed rates on its first connection. */
  ask = (asking: Asking): Promise<Asked[]> => this.play('ask', asking)
  /** Round trips one at a time, likewise. */
  probe = (probing: Probing): Promise<Latency> => this.play('probe', probing)
  /** Closes its connections. */
  leave = (): Promise<void> => this.play('leave')
  /** What it has received since it was asked last. */
  tally = (): Promise<Tally> => this.play('tally')
  /** Waits until all clients have left; resolves to how many have not. */
  settle = (): Promise<number> => this.play('settle')
  /** What it has of the machine, once garbage is gone. */
  usage = (): Promise<Usage> => this.play('usage')
  kill = (): void => {
    this.cpuMs()
    this.#process.kill()
  }
  /** Processor time so far, or until it was killed. */
  cpuMs(): number {
    try {
      this.#cpuMs = Math.max(this.#cpuMs, cpuMs(this.pid))
    } catch {
      // It is gone, and what was seen last counts.
    }
    return this.#cpuMs
  }
  /** Keeps it from running, until it is killed. */
  freeze = (): void => void process.kill(this.pid, 'SIGSTOP')
}

/** Waits, and reports from time to time how much of the span is over. */
export async function progressing<T>(
  form: Form,
  word: string,
  ms: number,
  work: Promise<T>,
  [from, to]: [number, number] = [0, 1],
): Promise<T> {
  const start = performance.now()
  const report = () => {
    const share = Math.min(1, (performance.now() - start) / ms)
    form.progress(from + (to - from) * share, word)
  }
  report()
  const timer = setInterval(report, 500)
  try {
    return await work
  } finally {
    clearInterval(timer)
  }
}
