// The context of a row: two connected test peers, and helpers to start more.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findPipe } from '../ts/wasm/pipes.js'
import { TestPeer, CommandError, type How, type Language } from './test-peers.mjs'
import type { RequestOrder, Chosen } from './wire.mjs'

export type Transport = 'sealed' | 'portable' | 'socket'

/** The languages and the transport a row runs with. */
export interface Where {
  caller: Language
  responder: Language
  transport: Transport
  /** What test peers in TypeScript run on. */
  core: 'addon' | 'wasm'
}

/** Privileges that not every machine grants. */
export type Need = 'root' | 'namespaces'

/** A situation and its expected outcome. */
export interface Row {
  name: string
  run(t: Case): Promise<unknown>
  /** Whether the row is meaningful there; otherwise the matrix shows a dash. */
  applies(where: Where): boolean
  /** What the row cannot run without. It fails where that is missing, because it proves nothing. */
  needs?: Need
}

export const row = (
  name: string,
  run: Row['run'],
  applies: Row['applies'] = () => true,
  needs?: Need,
): Row => ({ name, run, applies, needs })

/** Duration of rows that can run for any time: two seconds by default. */
export const LASTING_MS = process.argv.includes('--long') ? 60_000 : 2_000

/** The server that exists for every row. */
const MAIN = 'main'
/** How long a condition may take to become true; generous, because the machine may be busy. */
export const CONDITION_MS = 60_000

/** One column of the matrix: its rows run one after another, with the same test peers. */
export class Column {
  readonly where: Where
  readonly directory = mkdtempSync(join(tmpdir(), 'ringpost-conformance-'))
  readonly rustTestPeer: string | undefined
  #peers: [caller: TestPeer, responder: TestPeer] | undefined

  constructor(where: Where, rustTestPeer: string | undefined) {
    this.where = where
    this.rustTestPeer = rustTestPeer
  }

  /** A case with both test peers alive, the main server, and a new connection to it. */
  async open(): Promise<Case> {
    const { caller, responder, transport } = this.where
    if (!this.#peers?.every((peer) => peer.isAlive)) {
      await this.replace()
      this.#peers = [this.start(caller), this.start(responder)]
      await this.#peers[1].do('listen', { server: MAIN, options: { transport } })
    }
    const opened = new Case(this, ...this.#peers)
    opened.connection = await opened.connect(MAIN)
    return opened
  }

  start(language: Language, how: Partial<How> = {}): TestPeer {
    return new TestPeer(language, this.rustTestPeer, { directory: this.directory, ...how })
  }

  /** Kills both test peers; the next row gets new ones. */
  async replace(): Promise<void> {
    await Promise.all(this.#peers?.map((peer) => peer.kill()) ?? [])
    this.#peers = undefined
  }

  async end(): Promise<void> {
    await this.replace()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export class Case {
  /** The connection from the caller to the responder's main server. */
  connection = 0
  readonly #spawned: TestPeer[] = []
  readonly #ends: (() => unknown)[] = []

  constructor(
    readonly column: Column,
    readonly caller: TestPeer,
    readonly responder: TestPeer,
  ) {}

  get transport(): Transport {
    return this.column.where.transport
  }

  /** What the caller knows of the process at the other end: the core in WebAssembly sees none. */
  pidOf(testPeer: TestPeer): number {
    const { caller, core } = this.column.where
    return caller === 'ts' && core === 'wasm' ? 0 : testPeer.pid
  }

  /** The most that the server grants of a lane and of the control ring. */
  get ringsMax(): [number, number] {
    const { responder, core } = this.column.where
    if (responder === 'ts' && core === 'wasm') return [524_288, 16_384]
    return this.transport === 'portable' ? [262_144, 16_384] : [4_194_304, 65_536]
  }

  get isSealed(): boolean {
    return this.transport === 'sealed'
  }

  /** Name of the server `connection` leads to. */
  readonly main = MAIN

  // ---- actions ----

  /** Sends a request from the caller, on `connection` or on another one. */
  request(method: string, value: unknown = null, more: Partial<RequestOrder> = {}): Promise<any> {
    return this.begin(method, value, more).outcome
  }

  begin(method: string, value: unknown = null, more: Partial<RequestOrder> = {}) {
    return this.caller.begin('request', { connection: this.connection, method, value, ...more })
  }

  /** Requests an echo of so many bytes and checks it. */
  async echo(length: number, more: Partial<RequestOrder> = {}): Promise<void> {
    const answer = await this.request('echo bytes', null, { codec: 'bytes', length, ...more })
    assert.deepEqual(answer, { length, same: true })
  }

  /** Starts a server for this row only. */
  async serve(options: Chosen = {}, testPeer = this.responder, server = fresh()): Promise<string> {
    await testPeer.do('listen', { server, options: { transport: this.transport, ...options } })
    this.#ends.push(() => testPeer.do('closeServer', { server }))
    return server
  }

  /** Opens a connection for this row only. */
  async connect(server: string, options: Chosen = {}, testPeer = this.caller): Promise<number> {
    return (await this.connectTo(server, options, testPeer)).connection
  }

  /** Like `connect`, and also returns what the caller knows about the other side. */
  async connectTo(server: string, options: Chosen = {}, testPeer = this.caller, waiting = false) {
    const chosen = { transport: this.transport, ...options }
    const opened = await testPeer.do('connect', { server, options: chosen, waiting })
    this.#ends.push(() => testPeer.do('forget', { connection: opened.connection }))
    return opened
  }

  /** Starts a test peer for this row only. */
  spawn(language: Language, how: Partial<How> = {}): TestPeer {
    const testPeer = this.column.start(language, how)
    this.#spawned.push(testPeer)
    return testPeer
  }

  /** Creates a directory for this row only. */
  scratch(): string {
    const path = mkdtempSync(join(tmpdir(), 'ringpost-conformance-'))
    this.#ends.push(() => rmSync(path, { recursive: true, force: true }))
    return path
  }

  /** Socket path of the server with this name. */
  path(server: string): string {
    return join(this.column.directory, `${server}.sock`)
  }

  /** What connects to the server with this name. */
  address(server: string): string {
    if (process.platform !== 'win32') return this.path(server)
    return findPipe(this.column.directory, server) ?? ''
  }

  /** Runs `meanwhile` beside requests of the caller, none of which may fail. */
  async besideTraffic(meanwhile: () => Promise<unknown>): Promise<void> {
    const connection = await this.connect(MAIN)
    const request: RequestOrder = { connection, method: 'echo bytes', codec: 'bytes', length: 1000 }
    let isDone = false
    const traffic = (async () => {
      do {
        const { answered, failed } = await this.caller.do('many', { count: 50, request })
        const expected = { answered: 50, failed: {} }
        assert.deepEqual({ answered, failed }, expected, 'another connection was disturbed')
        await sleep(1)
      } while (!isDone)
    })()
    // Awaited below; until then a rejection must not count as unhandled.
    traffic.catch(() => {})
    try {
      await meanwhile()
    } finally {
      isDone = true
    }
    await traffic
    await this.caller.do('forget', { connection })
  }

  /** Waits until `count` connections of a server of the responder have ended; returns their
   * codes. */
  async endings(server: string, count = 1): Promise<(string | null)[]> {
    const ended = async () => (await this.responder.do('connections', { server })).ended
    await until('the server has noticed', async () => (await ended()).length >= count)
    return ended()
  }

  /** Checks that no wake-up was lost on either side. */
  async checkWakeups(): Promise<void> {
    const caller = await this.caller.do('stats', { connection: this.connection })
    const responder = await this.responder.do('connections', { server: MAIN })
    assert.deepEqual([caller.lostWakeups, responder.lostWakeups], [0, 0], 'lost wake-ups')
  }

  /** Cleans up, whether the row passed or failed. */
  async end(): Promise<void> {
    // First, because a suspended one would answer none of the commands below.
    await Promise.all(this.#spawned.map((peer) => peer.kill()))
    for (const end of this.#ends.reverse()) {
      // The row may have ended it already.
      await Promise.resolve(end()).catch(() => {})
    }
  }
}

/** The memory a process has, which is asked while it runs. */
export async function residentBytes(peer: TestPeer): Promise<number> {
  if (process.platform !== 'linux') return peer.do('residentBytes', {})
  return Number(readFileSync(`/proc/${peer.pid}/statm`, 'utf8').split(' ')[1]) * 4096
}

// ---- checks ----

export { assert, sleep }

/** Polls until the condition holds; fails if it does not in time. */
export async function until(what: string, isSo: () => unknown): Promise<void> {
  const end = Date.now() + CONDITION_MS
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`timed out waiting until ${what}`)
    await sleep(5)
  }
}

/** Expects the call to fail with one of these codes. */
export async function fails(call: Promise<unknown>, ...codes: string[]): Promise<CommandError> {
  const outcome = await call.then(
    (value) => new Error(`expected ${codes.join(' or ')}, got ${JSON.stringify(value)}`),
    (error: unknown) => error,
  )
  if (!(outcome instanceof CommandError)) throw outcome
  assert.ok(codes.includes(outcome.code!), `expected ${codes.join(' or ')}, got ${outcome}`)
  return outcome
}

/** Asserts that `found` has all expected properties; it may have more. */
export function has(found: any, expected: object): void {
  for (const [key, value] of Object.entries(expected)) {
    if (typeof value === 'object' && value !== null) has(found[key], value as object)
    else assert.equal(found[key], value, key)
  }
}

let names = 0
/** A server name that is used once. */
export const fresh = (): string => `server-${++names}`
/** A number for a series of one-way messages that is used once. */
export const freshStream = (): number => ++names
