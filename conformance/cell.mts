// What a row is given: two agents that can talk, and the means to do more.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, AgentError, type How, type Language } from './agents.mjs'
import type { Ask, Chosen } from './wire.mjs'

export type Transport = 'sealed' | 'portable'

/** Where a row is run. */
export interface Where {
  asker: Language
  answerer: Language
  transport: Transport
}

/** What not every machine allows. */
export type Need = 'root' | 'namespaces'

/** A situation, and what has to come of it. */
export interface Row {
  name: string
  run(cell: Cell): Promise<unknown>
  /** Where it makes sense; elsewhere the matrix shows a dash. */
  applies(where: Where): boolean
  /** Without this it has failed: it shows nothing. */
  needs?: Need
}

export const row = (
  name: string,
  run: Row['run'],
  applies: Row['applies'] = () => true,
  needs?: Need,
): Row => ({ name, run, applies, needs })

/** How long rows take that go on for as long as one likes: usually two seconds. */
export const LASTING_MS = process.argv.includes('--long') ? 60_000 : 2_000

/** The server every row finds. */
const MAIN = 'main'
/** How long something may take to come about. */
const PATIENCE = 10_000

/** One column of the matrix: its rows are run one after the other, with the same agents. */
export class Column {
  readonly where: Where
  readonly directory = mkdtempSync(join(tmpdir(), 'ringpost-conformance-'))
  readonly rustAgent: string
  #agents: [asker: Agent, answerer: Agent] | undefined

  constructor(where: Where, rustAgent: string) {
    this.where = where
    this.rustAgent = rustAgent
  }

  /** Both agents, alive, with a server, and a fresh connection to it. */
  async cell(): Promise<Cell> {
    const { asker, answerer, transport } = this.where
    if (!this.#agents?.every((agent) => agent.isAlive)) {
      await this.replace()
      this.#agents = [this.start(asker), this.start(answerer)]
      await this.#agents[1].do('listen', { server: MAIN, options: { transport } })
    }
    const cell = new Cell(this, ...this.#agents)
    cell.connection = await cell.connect(MAIN)
    return cell
  }

  start(language: Language, how: Partial<How> = {}): Agent {
    return new Agent(language, this.rustAgent, { directory: this.directory, ...how })
  }

  /** Ends the agents; the next row gets others. */
  async replace(): Promise<void> {
    await Promise.all(this.#agents?.map((agent) => agent.kill()) ?? [])
    this.#agents = undefined
  }

  async end(): Promise<void> {
    await this.replace()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export class Cell {
  /** From the asker to the answerer's server. */
  connection = 0
  readonly #spawned: Agent[] = []
  readonly #ends: (() => unknown)[] = []

  constructor(
    readonly column: Column,
    readonly asker: Agent,
    readonly answerer: Agent,
  ) {}

  get transport(): Transport {
    return this.column.where.transport
  }

  get isPortable(): boolean {
    return this.transport === 'portable'
  }

  /** The name of the server the connection is to. */
  readonly main = MAIN

  // ---- doing ----

  /** The asker asks, on the connection there is or on another one. */
  ask(method: string, value: unknown = null, more: Partial<Ask> = {}): Promise<any> {
    return this.begin(method, value, more).outcome
  }

  begin(method: string, value: unknown = null, more: Partial<Ask> = {}) {
    return this.asker.begin('request', { connection: this.connection, method, value, ...more })
  }

  /** Bytes that have to come back. */
  async echo(length: number, more: Partial<Ask> = {}): Promise<void> {
    const answer = await this.ask('echo bytes', null, { codec: 'bytes', length, ...more })
    assert.deepEqual(answer, { length, same: true })
  }

  /** A server of its own for this row. */
  async serve(options: Chosen = {}, agent = this.answerer, server = fresh()): Promise<string> {
    await agent.do('listen', { server, options: { transport: this.transport, ...options } })
    this.#ends.push(() => agent.do('closeServer', { server }))
    return server
  }

  /** A connection of its own for this row. */
  async connect(server: string, options: Chosen = {}, agent = this.asker): Promise<number> {
    return (await this.meet(server, options, agent)).connection
  }

  /** The same, with what the asker knows of the other side. */
  async meet(server: string, options: Chosen = {}, agent = this.asker, waiting = false) {
    const chosen = { transport: this.transport, ...options }
    const met = await agent.do('connect', { server, options: chosen, waiting })
    this.#ends.push(() => agent.do('forget', { connection: met.connection }))
    return met
  }

  /** A process of its own for this row. */
  spawn(language: Language, how: Partial<How> = {}): Agent {
    const agent = this.column.start(language, how)
    this.#spawned.push(agent)
    return agent
  }

  /** A directory of its own for this row. */
  scratch(): string {
    const path = mkdtempSync(join(tmpdir(), 'ringpost-conformance-'))
    this.#ends.push(() => rmSync(path, { recursive: true, force: true }))
    return path
  }

  /** Where the server of a name listens. */
  path(server: string): string {
    return join(this.column.directory, `${server}.sock`)
  }

  /** Runs `meanwhile` while the asker and the answerer talk, which has to go undisturbed. */
  async besideTraffic(meanwhile: () => Promise<unknown>): Promise<void> {
    const connection = await this.connect(MAIN)
    const request: Ask = { connection, method: 'echo bytes', codec: 'bytes', length: 1000 }
    let isOver = false
    const traffic = (async () => {
      do {
        const { answered, failed } = await this.asker.do('many', { count: 50, request })
        assert.deepEqual({ answered, failed }, { answered: 50, failed: {} }, 'a neighbor suffers')
        await sleep(1)
      } while (!isOver)
    })()
    // It is waited for below; until then a failure of it is no news.
    traffic.catch(() => {})
    try {
      await meanwhile()
    } finally {
      isOver = true
    }
    await traffic
    await this.asker.do('forget', { connection })
  }

  /** How the connections of a server of the answerer's have ended, once some have. */
  async endings(server: string, count = 1): Promise<(string | null)[]> {
    const ended = async () => (await this.answerer.do('connections', { server })).ended
    await until('the server has heard', async () => (await ended()).length >= count)
    return ended()
  }

  /** Nobody has slept through anything. */
  async checkWakeups(): Promise<void> {
    const asking = await this.asker.do('stats', { connection: this.connection })
    const answering = await this.answerer.do('connections', { server: MAIN })
    assert.deepEqual([asking.lostWakeups, answering.lostWakeups], [0, 0], 'lost wake-ups')
  }

  /** Puts everything back, whatever became of the row. */
  async end(): Promise<void> {
    // First, because some of them are halted and would answer nobody.
    await Promise.all(this.#spawned.map((agent) => agent.kill()))
    for (const end of this.#ends.reverse()) {
      // What a row has ended itself cannot be ended again.
      await Promise.resolve(end()).catch(() => {})
    }
  }
}

// ---- looking ----

export { assert, sleep }

/** Waits until it is so; fails if it never is. */
export async function until(what: string, isSo: () => unknown): Promise<void> {
  const end = Date.now() + PATIENCE
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`it never came to be that ${what}`)
    await sleep(5)
  }
}

/** Waits for a failure of that code, or of one of those. */
export async function fails(call: Promise<unknown>, ...codes: string[]): Promise<AgentError> {
  const outcome = await call.then(
    (value) => new Error(`it came to ${JSON.stringify(value)}, not to ${codes.join(' or ')}`),
    (error: unknown) => error,
  )
  if (!(outcome instanceof AgentError)) throw outcome
  assert.ok(codes.includes(outcome.code!), `${codes.join(' or ')} expected, found ${outcome}`)
  return outcome
}

/** Whether there is all that is expected, and maybe more. */
export function has(found: any, expected: object): void {
  for (const [key, value] of Object.entries(expected)) {
    if (typeof value === 'object' && value !== null) has(found[key], value as object)
    else assert.equal(found[key], value, key)
  }
}

let names = 0
/** A name nobody else has. */
export const fresh = (): string => `server-${++names}`
/** The number of a stream of one-way messages nobody else has. */
export const freshStream = (): number => ++names
