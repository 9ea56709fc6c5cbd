// Where the members of a record lie, by the rules of a C compiler for this machine, and the text
// that says so: `{id:u32@0,label:text[16]@4}20`. Rust makes the same text of the same members
// (crates/ringpost/src/layout/).

import { IpcError } from './errors.js'

/** Records within records, the outermost included. */
export const DEPTH_MAX = 16
/** Bytes of a record. */
export const SIZE_MAX = 2 ** 30
/** Letters of a name: what every C compiler tells apart. */
const NAME_MAX = 63

/** What a type is read and written by. */
export const I8 = 0
export const U8 = 1
export const I16 = 2
export const U16 = 3
export const I32 = 4
export const U32 = 5
export const I64 = 6
export const U64 = 7
export const F32 = 8
export const F64 = 9
export const BOOL = 10
export const TEXT = 11
export const RECORD = 12

const SCALARS: readonly (readonly [string, number])[] = [
  ...([['i8', 1], ['u8', 1], ['i16', 2], ['u16', 2], ['i32', 4], ['u32', 4]] as const),
  ...([['i64', 8], ['u64', 8], ['f32', 4], ['f64', 8], ['bool', 1]] as const),
]

/** What one item is: of all types the same fields, which keeps reading them fast. */
export class Type {
  readonly kind: number
  readonly size: number
  readonly align: number
  /** How a description writes it. */
  readonly text: string
  /** Of a record. */
  readonly members: readonly Member[]
  /** Records within each other. */
  readonly depth: number

  constructor(
    kind: number,
    size: number,
    align: number,
    text: string,
    members: readonly Member[] = [],
    depth = 0,
  ) {
    this.kind = kind
    this.size = size
    this.align = align
    this.text = text
    this.members = members
    this.depth = depth
  }
}

/** One member of a record, in its place. */
export interface Member {
  readonly name: string
  /** Of a list, what its items are. */
  readonly type: Type
  /** Most items of a list; 0 of what is no list. */
  readonly max: number
  /** Of a list, where the number of its items lies. */
  readonly offset: number
  /** Where the value or the first item lies. */
  readonly start: number
  /** The first byte behind it. */
  readonly end: number
  /** How a description writes it. */
  readonly text: string
}

/** A member that has no place yet. */
export interface Field {
  name: string
  type: Type
  max: number
}

/** The scalar types, by name. */
export const scalars: ReadonlyMap<string, Type> = new Map(
  SCALARS.map(([name, size], kind) => [name, new Type(kind, size, size, name)]),
)

export function textType(bytes: number): Type {
  return new Type(TEXT, bytes, 1, `text[${bytes}]`)
}

/**
 * Gives each member its place: at the next multiple of its alignment.
 * @throws RangeError for names that C does not permit, and for records that are empty, too long or
 * too deep.
 */
export function record(fields: readonly Field[]): Type {
  if (fields.length === 0) throw new RangeError('a layout needs at least one member')
  const names = new Set<string>()
  const members: Member[] = []
  let [end, align, depth] = [0, 1, 0]
  for (const { name, type, max } of fields) {
    checkName(name)
    for (const own of max > 0 ? [name, countName(name)] : [name]) {
      if (names.has(own)) {
        throw new RangeError(`two members of the layout have the name ${own} in C`)
      }
      names.add(own)
    }
    const offset = aligned(end, max > 0 ? 4 : type.align)
    const start = max > 0 ? aligned(offset + 4, type.align) : offset
    end = start + type.size * Math.max(max, 1)
    if (end > SIZE_MAX) throw new RangeError(`${name}: a record of more than ${SIZE_MAX} bytes`)
    align = Math.max(align, type.align, max > 0 ? 4 : 1)
    depth = Math.max(depth, type.depth)
    const of = max > 0 ? `[${type.text};${max}]@${offset}/${start}` : `${type.text}@${offset}`
    members.push({ name, type, max, offset, start, end, text: `${name}:${of}` })
  }
  if (depth === DEPTH_MAX) throw new RangeError(`records nested more than ${DEPTH_MAX} deep`)
  const size = aligned(end, align)
  const text = `{${members.map((member) => member.text).join(',')}}${size}`
  return new Type(RECORD, size, align, text, members, depth + 1)
}

const aligned = (offset: number, align: number) => Math.ceil(offset / align) * align

/** What the number of a list's items is called in C. */
export const countName = (list: string) => `${list}_count`

// ---- names ----

/** Of C and C++, with the macros of <stdbool.h>, and what compilers for Linux define besides. */
const TAKEN = new Set(
  `alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t
  char8_t class co_await co_return co_yield compl concept const const_cast consteval constexpr
  constinit continue decltype default delete do double dynamic_cast else enum explicit export extern
  false float for friend goto if inline int linux long mutable namespace new noexcept not not_eq
  nullptr operator or or_eq private protected public register reinterpret_cast requires restrict
  return short signed sizeof static static_assert static_cast struct switch template this
  thread_local throw true try typedef typeid typename typeof typeof_unqual union unix unsigned using
  virtual void volatile wchar_t while xor xor_eq`.split(/\s+/),
)

/** Why a name cannot be that of a member or a struct in C and C++; `undefined` if it can. */
export function nameFault(name: string): string | undefined {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return 'is no name in C: letters, digits and _'
  if (name.length > NAME_MAX) return `has ${name.length} letters, at most ${NAME_MAX}`
  if (TAKEN.has(name)) return 'is a word of C or C++'
  if (/__|^_[A-Z]/.test(name)) return 'is reserved in C and C++'
  return undefined
}

function checkName(name: string): void {
  const fault = nameFault(name)
  if (fault !== undefined) throw new RangeError(`the name ${JSON.stringify(name)} ${fault}`)
}

// ---- descriptions ----

/** 64-bit FNV-1a of a description, which is ASCII. */
export function hashOf(description: string): bigint {
  let hash = 0xcbf29ce484222325n
  for (let at = 0; at < description.length; at++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(description.charCodeAt(at))) * 0x100000001b3n)
  }
  return hash
}

/**
 * Reads a description.
 * @throws IpcError `ERR_LAYOUT` if it is none, to the letter.
 */
export function parse(description: string): Type {
  const reader = new Descriptions(description)
  let found: Type | undefined
  try {
    found = reader.record(0)
  } catch (error) {
    throw new IpcError('ERR_LAYOUT', `this describes no layout: ${(error as Error).message}`)
  }
  if (found.text === description) return found
  // Names and types are right: of the numbers, the first that is not.
  let at = 0
  while (found.text[at] === description[at]) at++
  throw new IpcError('ERR_LAYOUT', `this describes no layout: byte ${at} is wrong`)
}

/** Takes names and types; the offsets and sizes are made anew and compared. */
class Descriptions {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  record(depth: number): Type {
    if (depth === DEPTH_MAX) throw new RangeError(`records nested more than ${DEPTH_MAX} deep`)
    const fields: Field[] = []
    let mark = '{'
    while (mark === '{' || mark === ',') {
      this.#take(mark)
      const name = this.#match(/[A-Za-z0-9_]+/y)
      this.#take(':')
      const isList = this.#text[this.#at] === '['
      if (isList) this.#at++
      const type = this.#type(depth)
      const max = isList ? this.#max() : 0
      this.#match(isList ? /@\d+\/\d+/y : /@\d+/y)
      fields.push({ name, type, max })
      mark = this.#text[this.#at]
    }
    this.#match(/\}\d+/y)
    return record(fields)
  }

  #type(depth: number): Type {
    if (this.#text[this.#at] === '{') return this.record(depth + 1)
    const name = this.#match(/[a-z0-9]+/y)
    if (name === 'text') return textType(Number(this.#match(/\[[1-9]\d{0,9}\]/y).slice(1, -1)))
    const scalar = scalars.get(name)
    if (scalar === undefined) throw new RangeError(`there is no type ${name}`)
    return scalar
  }

  #max(): number {
    return Number(this.#match(/;[1-9]\d{0,9}\]/y).slice(1, -1))
  }

  #take(mark: string): void {
    if (this.#text[this.#at] !== mark) this.#fail()
    this.#at++
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found === undefined) return this.#fail()
    this.#at += found.length
    return found
  }

  #fail(): never {
    throw new RangeError(`byte ${this.#at} is wrong`)
  }
}

/**
 * How many members a reader and a writer share, where the one's layout is the other's, grown by
 * members at the end or not at all.
 * @throws IpcError `ERR_LAYOUT` with the first difference, if there is another one.
 */
export function shared(writer: Type, reader: Type): number {
  const count = Math.min(writer.members.length, reader.members.length)
  for (let index = 0; index < count; index++) {
    const [theirs, ours] = [writer.members[index], reader.members[index]]
    if (theirs.text === ours.text) continue
    const [inTheirs, inOurs] = difference(theirs, ours, '')
    const message = `the layouts differ: the writer has ${inTheirs}, the reader has ${inOurs}`
    throw new IpcError('ERR_LAYOUT', message)
  }
  return count
}

/** Where two members differ, in the innermost record. */
function difference(a: Member, b: Member, path: string): [string, string] {
  const isSame = a.name === b.name && (a.max > 0) === (b.max > 0)
  if (isSame && a.type.kind === RECORD && b.type.kind === RECORD) {
    const within = `${path}${a.name}${a.max > 0 ? '[]' : ''}.`
    const [ours, theirs] = [a.type.members, b.type.members]
    for (let index = 0; index < Math.max(ours.length, theirs.length); index++) {
      const [one, other] = [ours[index], theirs[index]]
      if (one?.text === other?.text) continue
      if (one && other) return difference(one, other, within)
      return [shown(one, within), shown(other, within)]
    }
  }
  return [shown(a, path), shown(b, path)]
}

function shown(member: Member | undefined, path: string): string {
  if (member === undefined) return 'nothing there'
  const { type, text } = member
  return `${path}${type.kind === RECORD ? text.replace(type.text, `{…}${type.size}`) : text}`
}
