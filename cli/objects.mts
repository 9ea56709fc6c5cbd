// What there is where processes meet, as plain objects: what `ls` and `inspect` print as JSON.

import type {
  NativeConnectionStatus,
  NativeObject,
  NativePublished,
  NativeServerStatus,
  NativeStatusCounts,
} from '../native/binding.js'
import { linkCounters } from '../ts/connection/counters.js'
import { native } from '../ts/native.js'
import { place } from '../ts/values/checks.js'

/** The codecs by their numbers. */
const CODECS = ['bytes', 'MessagePack', 'JSON', 'custom']

export type Counts = ReturnType<typeof countsOf>
export type Server = ReturnType<typeof serverOf>
export type ConnectionRow = ReturnType<typeof rowOf>
export type PublishedObject = ReturnType<typeof publishedOf>

/** Something that has a name. */
export interface Found {
  kind: 'server' | 'stateFrame' | 'topic' | 'map'
  name: string
  directory: string
  /** Whether the process lives that serves or writes it. */
  alive: boolean
  /** Why nothing more is known. */
  error: { code: string; message: string } | null
  server: Server | null
  published: PublishedObject | null
}

/** Everything there is, or what has this name. Throws where the directory cannot be read. */
export function objects(name?: string): Found[] {
  return native.listObjects(place(undefined), name ?? null).map(foundOf)
}

/** All servers or the one of this name, as the binding has them, which costs less where many
 * connections are read once a second. Throws where the directory cannot be read. */
export function servers(name?: string): NativeObject[] {
  const found = native.listObjects(place(undefined), name ?? null)
  return found.filter(({ kind }) => kind === 'server')
}

/** Where it is looked for. */
export const directories = (): string[] => native.listDirectories(place(undefined))

/** Reads what one server does again and again. `null`: it says nothing of itself. */
export function watchServer(directory: string, name: string) {
  const reader = native.NativeStatusReader.open(directory, name)
  if (reader === null) return null
  return {
    read: () => serverOf(reader.read()),
    isAlive: () => reader.isAlive(),
    /** Whether another server has the name: then it is to be watched anew. */
    isOver: () => reader.isOver(),
  }
}

function foundOf({ kind, isAlive, error, server, published, ...where }: NativeObject): Found {
  const [code = '', message = ''] = error?.split(/\n(.*)/s) ?? []
  return {
    kind: kind as Found['kind'],
    ...where,
    alive: isAlive,
    error: error ? { code, message: printable(message) } : null,
    server: server ? serverOf(server) : null,
    published: published ? publishedOf(published) : null,
  }
}

function serverOf({ startedAtMs, totals, rows, ...others }: NativeServerStatus) {
  return {
    ...others,
    startedAt: dateOf(startedAtMs),
    totals: countsOf(totals),
    rows: rows.map(rowOf),
  }
}

function rowOf({ openedAtMs, counts, ...others }: NativeConnectionStatus) {
  return { ...others, openedAt: dateOf(openedAtMs), counts: countsOf(counts) }
}

function countsOf({ link, ...others }: NativeStatusCounts) {
  return { ...linkCounters(link), ...others }
}

function publishedOf({ codec, layout, changedAtMs, ...others }: NativePublished) {
  return {
    ...others,
    codec: CODECS[codec],
    layout: layout === '' ? null : printable(layout),
    changedAt: dateOf(changedAtMs),
  }
}

/** What is no time there can be is none. */
function dateOf(ms: number): string | null {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? null : date.toISOString()
}

/** Without what a terminal would take for a command. */
export const printable = (text: string): string => text.replaceAll(/[^ -~\u00a0-\uffff]/g, '?')
