// Views of records: objects that read a member from the bytes when it is asked for. Each layout has
// a class of its own, whose getters are on its prototype.

import { IpcError } from './errors.js'
import { LIKE_ARRAY, readItem, readLength } from './layout-record.js'
import { RECORD, type Member, type Type } from './layout-shape.js'
import { Refusal } from './refusal.js'

/** Where a record or list lies that is read bit by bit. */
interface Place {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly at: number
  /** Of what it is a part, and as what: errors say it. */
  readonly outer: Place | undefined
  readonly step: string | number
}

/** Views by the types of their records. */
const classes = new WeakMap<Type, new (place: Place, known: number) => object>()

/** A view of a record, of whose members the first `known` are there. */
export function viewOf(type: Type, known: number, bytes: Uint8Array, view: DataView): object {
  return new (classOf(type))({ bytes, view, at: 0, outer: undefined, step: '' }, known)
}

function classOf(type: Type): new (place: Place, known: number) => object {
  let made = classes.get(type)
  if (made === undefined) {
    made = makeClass(type)
    classes.set(type, made)
  }
  return made
}

function makeClass(type: Type): new (place: Place, known: number) => object {
  class RecordView {
    readonly #place: Place
    readonly #known: number

    constructor(place: Place, known: number) {
      this.#place = place
      this.#known = known
    }

    static read(view: RecordView, index: number): unknown {
      if (index >= view.#known) return undefined
      const member = type.members[index]
      return member.max > 0 ? listOf(member, view.#place) : valueOf(member, view.#place)
    }
  }
  for (const [index, { name }] of type.members.entries()) {
    Object.defineProperty(RecordView.prototype, name, {
      get(this: RecordView) {
        return RecordView.read(this, index)
      },
      enumerable: true,
      configurable: true,
    })
  }
  return RecordView
}

function valueOf({ name, type, offset }: Member, place: Place): unknown {
  return itemOf(type, place, place.at + offset, name)
}

function itemOf(type: Type, outer: Place, at: number, step: string | number): unknown {
  const { bytes, view } = outer
  if (type.kind === RECORD) {
    return new (classOf(type))({ bytes, view, at, outer, step }, type.members.length)
  }
  try {
    return readItem(type, bytes, view, at)
  } catch (error) {
    throw told(error, outer, step)
  }
}

function listOf(member: Member, outer: Place): ListView {
  const { bytes, view, at } = outer
  let length: number
  try {
    length = readLength(member, view, at)
  } catch (error) {
    throw told(error, outer, member.name)
  }
  const { name, type, start } = member
  return new ListView(type, length, { bytes, view, at: at + start, outer, step: name })
}

/** The items of a list, each read when it is asked for. */
class ListView implements Iterable<unknown> {
  readonly length: number
  readonly #type: Type
  readonly #place: Place

  constructor(type: Type, length: number, place: Place) {
    this.length = length
    this.#type = type
    this.#place = place
  }

  /** As that of an array: from the end, if it is negative. */
  at(index: number): unknown {
    const from = Math.trunc(index) || 0
    const position = from < 0 ? this.length + from : from
    if (position < 0 || position >= this.length) return undefined
    const { at } = this.#place
    return itemOf(this.#type, this.#place, at + position * this.#type.size, position)
  }

  *[Symbol.iterator](): Iterator<unknown> {
    for (let index = 0; index < this.length; index++) yield this.at(index)
  }
}
Object.defineProperty(ListView.prototype, LIKE_ARRAY, { value: true })

/** A refusal with the whole way to what it is about. */
function told(error: unknown, outer: Place, step: string | number): unknown {
  if (!(error instanceof Refusal)) return error
  error.within(step)
  for (let place = outer; place.outer !== undefined; place = place.outer) error.within(place.step)
  return new IpcError('ERR_INVALID_PAYLOAD', error.said())
}
