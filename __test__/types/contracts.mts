// What the compiler accepts of contracts and refuses: compiled by `03-types`, and never run.

import {
  bytes,
  event,
  json,
  layout,
  list,
  messagePack,
  method,
  stream,
  text,
  type Codec,
  type Event,
  type Layout,
  type LayoutListView,
  type LayoutValue,
  type Method,
  type Requester,
  type Server,
  type StandardSchema,
  type Stream,
} from 'ringpost'

/** Fails to compile unless the two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never
declare function same<A, B>(_: Same<A, B>): void

interface Point {
  x: number
  y: number
}
declare const points: Codec<Point>
declare const point: StandardSchema<Point>
declare const requester: Requester
declare const server: Server

const Greet = method<{ name: string }, { greeting: string }>('greet')
const Ping = method<void, number>('ping')
const Maybe = method<string | undefined, string>('maybe')
const Untyped = method('untyped')
const Tick = event<number>('tick')
const Bell = event<void>('bell')
const Lines = stream<{ path: string }, string>('lines')
const Sums = stream<void, number, number, { sum: number }>('sums')

// ---- codecs carry types ----

same<typeof Untyped, Method<any, any>>(true)
const Bytes = method('bytes', { codec: bytes })
same<typeof Bytes, Method<Uint8Array, Uint8Array>>(true)
export const Move = method('move', { codec: points, compress: true })
same<typeof Move, Method<Point, Point>>(true)
export const Moved = event('moved', { codec: points })
same<typeof Moved, Event<Point>>(true)
export const Path = stream('path', { codec: points })
same<typeof Path, Stream<Point, Point, Point, Point>>(true)
export const Plain = method('plain', { codec: json })
same<typeof Plain, Method<any, any>>(true)
const Checked = method('checked', { params: point })
void requester.request(Checked, { x: 1, y: 2 })
// @ts-expect-error: the validator gives the type
void requester.request(Checked, { x: 1 })
const CheckedJson = method('checked-json', { codec: json, params: point })
// @ts-expect-error: with a codec of any, too
void requester.request(CheckedJson, { x: 1 })
method<void, Uint8Array>('blob', { codec: bytes })
method<Uint8Array | undefined, Uint8Array>('blob', { codec: bytes })
method<Point, string>('point', { codec: messagePack })
// @ts-expect-error: an object is not bytes
method<Point, Uint8Array>('point', { codec: bytes })
// @ts-expect-error: nor is it as a result
method<Uint8Array, Point>('point', { codec: bytes })
// @ts-expect-error: what is less is not enough
method<object, Uint8Array>('object', { codec: bytes })
// @ts-expect-error: a codec of another type
method<{ z: number }, Point>('other', { codec: points })
// @ts-expect-error: an object is not bytes
event<Point>('point', { codec: bytes })
// @ts-expect-error: items are not, either
stream<void, Point>('points', { codec: bytes })
// @ts-expect-error: nor are uploads
stream<void, Uint8Array, string>('points', { codec: bytes })
// @ts-expect-error: there is no such option
method('misspelt', { codecs: bytes })

// ---- requests ----

same<ReturnType<typeof greeting>, Promise<string>>(true)
export async function greeting() {
  const { greeting } = await requester.request(Greet, { name: 'world' }, { timeoutMs: 5 })
  return greeting
}
// @ts-expect-error: there are params
void requester.request(Greet)
// @ts-expect-error: there are params, and nothing is not among them
void requester.request(Greet, undefined)
// @ts-expect-error: params are those of the contract
void requester.request(Greet, { nam: 'world' })
// @ts-expect-error: and no others
void requester.request(Greet, { name: 'world', age: 5 })
// @ts-expect-error: and not of another type
void requester.request(Greet, { name: 5 })
// @ts-expect-error: it is no event
requester.notify(Greet, { name: 'world' })
same<ReturnType<typeof pinged>, Promise<number>>(true)
export const pinged = () => requester.request(Ping)
void requester.request(Ping, undefined, { lane: 'high' })
// @ts-expect-error: it has no params
void requester.request(Ping, 5)
void requester.request(Maybe)
void requester.request(Maybe, 'text')
// @ts-expect-error: it may be a string
void requester.request(Maybe, 5)
void requester.request(Untyped)
void requester.request(Untyped, 5)
void requester.request('by name')
void requester.request<number, string>('by name', 5).then((text) => text.trim())
// @ts-expect-error: bytes are wanted
void requester.request(Bytes, { a: 1 })
// @ts-expect-error: there is no such lane
void requester.request(Ping, undefined, { lane: 'higher' })

/** A caller that knows the types no better than its own caller does. */
export function ask<Params, Result>(contract: Method<Params, Result>, params: Params) {
  return requester.request(contract, params) satisfies Promise<Result>
}

// ---- events ----

requester.notify(Tick, 5)
void requester.send(Tick, 5, { lane: 'low' })
requester.notify(Bell)
requester.notify('by name', { any: 'thing' })
server.notify(Tick, 5, { to: [] })
server.notify(Bell)
// @ts-expect-error: there is a payload
requester.notify(Tick)
// @ts-expect-error: there is a payload
void requester.send(Tick)
// @ts-expect-error: there is a payload
server.notify(Tick)
// @ts-expect-error: it is a number
requester.notify(Tick, 'five')
// @ts-expect-error: it is no method
void requester.request(Tick, 5)
for await (const tick of requester.events(Tick)) tick.toFixed()
server.on(Tick, (tick) => tick.toFixed()).dispose()
// @ts-expect-error: the payload is a number
server.on(Tick, (tick: string) => tick)

// ---- streams ----

const lines = requester.stream(Lines, { path: '/' })
same<typeof lines.result, Promise<void>>(true)
for await (const line of lines) line.trim()
// @ts-expect-error: there are params
requester.stream(Lines)
const sums = requester.stream(Sums)
sums.write(5)
// @ts-expect-error: an upload is a number
sums.write('five')
// @ts-expect-error: it is no stream
requester.stream(Greet, { name: 'world' })

// ---- handlers ----

server.handle(Greet, ({ name }, { remainingMs }) => ({ greeting: name + remainingMs.toFixed() }))
server.handle(Ping, async () => 5)
// @ts-expect-error: a handler returns the result
server.handle(Greet, () => 5)
// @ts-expect-error: and all of it
server.handle(Greet, () => ({}))
server.handle(Tick, (tick) => tick.toFixed())
server.handle('by name', (text: string) => text.length)
server.handle(Lines, async function* ({ path }) {
  yield path
})
server.handle(Lines, function* () {
  yield 'text'
})
server.handle(Lines, ({ path }, items) => void items.write(path))
// @ts-expect-error: items are strings
server.handle(Lines, function* () {
  yield 5
})
// @ts-expect-error: items are strings
server.handle(Lines, async function* () {
  yield 5
})
server.handle(Lines, (_, items) => {
  // @ts-expect-error: items are strings
  items.write(5)
})
server.handle(Sums, async (_, items) => {
  let sum = 0
  for await (const item of items) sum += item
  return { sum }
})
// @ts-expect-error: the result is an object
server.handle(Sums, async () => 5)
const Loose = stream<void, string, never, any>('loose')
server.handle(Loose, () => 5)
server.handle(Loose, async () => ({ a: 1 }))
// @ts-expect-error: items are strings, whatever the result is
server.handle(Loose, function* () {
  yield 5
})
server.handle(stream('untyped'), function* () {
  yield 5
  return 6
})

// ---- layouts have the types of their members ----

const Spot = layout({ x: 'f32', on: 'bool' })
const Spots = layout({ at: 'u64', name: text(8), first: Spot, all: list(Spot, 5), ids: list('i64', 2) })
interface SpotsValue {
  at: bigint
  name: string
  first: { x: number; on: boolean }
  all: { x: number; on: boolean }[]
  ids: bigint[]
}
same<LayoutValue<typeof Spots>, SpotsValue>(true)
export const anyOf: Layout<any> = Spots
const Find = method('find', { codec: Spots })
same<LayoutValue<typeof Spots>, typeof Find extends Method<infer P, any> ? P : never>(true)
declare const spots: ReturnType<typeof Spots.view>
same<typeof spots.all, LayoutListView<{ readonly x: number; readonly on: boolean }>>(true)
same<typeof spots.at, bigint>(true)
// @ts-expect-error: a view is not written to
spots.at = 5n
// @ts-expect-error: an integer of 64 bits is a bigint
Spots.encode({ at: 5, name: '', first: { x: 1, on: true }, all: [], ids: [] })
// @ts-expect-error: there is no such type
layout({ a: 'u33' })
// @ts-expect-error: lists have no lists as items
list(list('u8', 2), 2)
