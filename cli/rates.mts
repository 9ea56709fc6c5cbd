// What servers do, from two readings of what they have counted: plain functions of these.

import type {
  NativeConnectionStatus,
  NativeServerStatus,
  NativeStatusCounts,
} from '../native/binding.js'
import { printable } from './objects.mjs'
import { conditionOf, since, type Condition, type State } from './process.mjs'

/** A server writes what it has counted so often, unless nothing has happened since. */
const WRITTEN_EVERY_MS = 100

/** A server as it was at one moment. */
export interface Reading {
  name: string
  directory: string
  /** When it was read, by a clock that only goes on. */
  atMs: number
  isAlive: boolean
  /** `null`: it says nothing of itself. */
  server: NativeServerStatus | null
  /** The code of the error why that is so. */
  error: string | null
  process: State | null
  thread: State | null
}

/** A line about a server or one of its connections. `null`: not known, or none of its matters. */
export interface Row {
  name: string
  pid: number | null
  state: { condition: Condition | 'unknown'; text: string } | null
  connections: number | null
  /** Which connection it is of all the server has had. */
  number: number | null
  /** Messages and bytes of the server in a second; bytes in both directions. */
  in: number | null
  out: number | null
  bytes: number | null
  doorbells: number | null
  queued: number | null
  calls: number | null
  serving: number | null
  p50Ms: number | null
  p95Ms: number | null
  lost: number | null
}

/** A server and its connections between two readings; without the first there are no rates. */
export function rows(now: Reading, before?: Reading): { server: Row; connections: Row[] } {
  const { name, server } = now
  const known = before && isSame(now, before) ? before : null
  const state = stateBetween(now, known)
  if (server === null) return { server: nothingOf(name, state), connections: [] }
  const was = known?.server
  const row = rowOf(
    name,
    { counts: server.totals, atMs: writtenAt(now, server) },
    was && { counts: was.totals, atMs: writtenAt(known, was) },
  )
  Object.assign(row, { pid: server.pid, state, connections: server.connections })
  const old = new Map(was?.rows.map((one) => [one.number, one]))
  return {
    server: row,
    connections: server.rows.map((one) => connectionRow(now, one, known, old.get(one.number))),
  }
}

/** A server that was asked for by its name and is not there. */
export const absent = (name: string): Row => nothingOf(printable(name), unknown('not there'))

function connectionRow(
  now: Reading,
  one: NativeConnectionStatus,
  before: Reading | null,
  was: NativeConnectionStatus | undefined,
): Row {
  const row = rowOf(
    now.name,
    { counts: one.counts, atMs: writtenAt(now, one) },
    was && { counts: was.counts, atMs: writtenAt(before!, was) },
  )
  const { count, p50, p95 } = one.counts.link.latency
  row.number = one.number
  row.pid = one.pid
  if (count > 0) {
    row.p50Ms = p50
    row.p95Ms = p95
  }
  return row
}

/** When what was read was so: when it was written or, if that is longer ago than a server takes for
 * it, until just now, as nothing has happened since. */
const writtenAt = ({ atMs }: Reading, { shownAgoMs }: { shownAgoMs: number }) =>
  atMs - Math.min(shownAgoMs, WRITTEN_EVERY_MS)

interface Counted {
  counts: NativeStatusCounts
  atMs: number
}

function rowOf(name: string, now: Counted, was: Counted | null | undefined): Row {
  const { link, calls, serving } = now.counts
  const before = was?.counts.link
  const seconds = was ? (now.atMs - was.atMs) / 1000 : 0
  // What has become less is not what was counted before.
  const rate = (count: number, old: number | undefined) =>
    old !== undefined && count >= old && seconds > 0 ? (count - old) / seconds : null
  const bytes = link.bytesReceived + link.bytesSent
  return {
    ...nothingOf(name, null),
    in: rate(link.received, before?.received),
    out: rate(link.sent, before?.sent),
    bytes: rate(bytes, before && before.bytesReceived + before.bytesSent),
    doorbells: rate(link.rings, before?.rings),
    queued: link.queued,
    calls,
    serving,
    lost: link.refused + sum(link.dropped) + sum(link.peerDropped),
  }
}

const sum = (byLane: number[]) => byLane.reduce((a, b) => a + b, 0)

/** Another server that has the name counts from 0 on. */
function isSame({ server }: Reading, { server: was }: Reading): boolean {
  if (!server || !was) return false
  return was.pid === server.pid && was.startedAtMs === server.startedAtMs
}

function stateBetween(now: Reading, was: Reading | null): NonNullable<Row['state']> {
  const { isAlive, server, process, thread, error } = now
  if (!isAlive) return { condition: 'dead', text: 'dead' }
  if (server === null) return unknown(error ?? 'silent')
  const before = was?.server
  const runs = was?.thread?.state === 'running' && thread?.state === 'running'
  const condition = conditionOf(server, process, runs && before!.turns === server.turns)
  if (condition === 'stopped') return { condition, text: 'stopped' }
  if (condition === 'stuck') return { condition, text: `hangs for ${since(server.turnedAgoMs)}` }
  // One that sleeps between messages is at work all the same.
  const messages = ({ totals: { link } }: NativeServerStatus) => link.sent + link.received
  const hasMoved = before ? messages(server) > messages(before) : false
  if (condition === 'asleep' && !hasMoved) return { condition, text: 'idle' }
  return { condition: 'busy', text: 'busy' }
}

const unknown = (text: string) => ({ condition: 'unknown', text }) as const

const nothingOf = (name: string, state: Row['state']): Row => ({
  name,
  pid: null,
  state,
  connections: null,
  number: null,
  in: null,
  out: null,
  bytes: null,
  doorbells: null,
  queued: null,
  calls: null,
  serving: null,
  p50Ms: null,
  p95Ms: null,
  lost: null,
})
