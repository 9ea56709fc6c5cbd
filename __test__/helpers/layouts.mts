// Random layouts with values for them, and a slow twin: the same bytes by counting, one at a time.

import { layout, list, text, type Layout, type LayoutField, type LayoutItem } from 'ringpost'
import type { Random } from './random.mjs'

/** How a layout was made. */
export interface Made {
  members: Member[]
  layout: Layout<any>
}

interface Member {
  name: string
  item: Item
  /** Most items, if it is a list. */
  max?: number
}

/** A scalar, bytes of a text, or a record. */
type Item = string | number | Made

const SCALARS = ['i8', 'u8', 'i16', 'u16', 'i32', 'u32', 'i64', 'u64', 'f32', 'f64', 'bool']
const NUMBER_EDGES = [0, 1, -1, 0.5, -0, NaN, Infinity, -Infinity, 2 ** -149, 3.4028234663852886e38]

export function anyLayout(r: Random, depth = 0): Made {
  const members = Array.from({ length: 1 + r.below(6) }, (_, index): Member => {
    const item = anyItem(r, depth)
    const max = r.below(4) === 0 ? { max: 1 + r.below(5) } : {}
    return { name: `${r.pick(['a', 'value_', '_x', 'Wide'])}${index}`, item, ...max }
  })
  const fields = members.map(({ name, item, max }): [string, LayoutField] => {
    return [name, max === undefined ? field(item) : list(field(item), max)]
  })
  return { members, layout: layout(Object.fromEntries(fields)) }
}

function anyItem(r: Random, depth: number): Item {
  const kind = r.below(depth > 2 ? 8 : 10)
  if (kind < 6) return r.pick(SCALARS)
  return kind < 8 ? 1 + r.below(40) : anyLayout(r, depth + 1)
}

function field(item: Item): LayoutItem {
  if (typeof item === 'object') return item.layout
  return typeof item === 'number' ? text(item) : (item as LayoutItem)
}

export function anyRecord(r: Random, { members }: Made): Record<string, unknown> {
  const entries = members.map(({ name, item, max }) => {
    const items = () => Array.from({ length: r.below(max! + 1) }, () => anyValue(r, item))
    return [name, max === undefined ? anyValue(r, item) : items()] as const
  })
  return Object.fromEntries(entries)
}

function anyValue(r: Random, item: Item): unknown {
  if (typeof item === 'object') return anyRecord(r, item)
  if (typeof item === 'number') return anyText(r, item)
  if (item === 'bool') return r.below(2) === 0
  if (item === 'f32') return Math.fround(anyNumber(r))
  if (item === 'f64') return anyNumber(r)
  const bits = Number(item.slice(1))
  const least = item[0] === 'i' ? -(2n ** BigInt(bits - 1)) : 0n
  const most = least + 2n ** BigInt(bits) - 1n
  const between = least + BigInt(Math.floor(r.next() * 2 ** Math.min(bits, 52)))
  const value = r.pick([least, most, between, 0n, between])
  return bits === 64 ? value : Number(value)
}

const anyNumber = (r: Random) => (r.below(3) === 0 ? r.pick(NUMBER_EDGES) : (r.next() - 0.5) * 1e6)

function anyText(r: Random, bytes: number): string {
  let made = ''
  for (const letter of r.text(r.below(bytes + 1)).replaceAll('\0', '-')) {
    if (Buffer.byteLength(made + letter) > bytes) break
    made += letter
  }
  return made
}

// ---- the twin ----

interface Counted {
  size: number
  align: number
}

const sizeOf = (item: string) => (item === 'bool' ? 1 : Number(item.slice(1)) / 8)

function counted(item: Item): Counted {
  if (typeof item === 'number') return { size: item, align: 1 }
  if (typeof item === 'string') return { size: sizeOf(item), align: sizeOf(item) }
  return walk(item, () => {})
}

/** Visits all scalars and texts of a record and returns what it takes. */
function walk(made: Made, visit: (member: Member, at: number, countAt: number) => void): Counted {
  let [at, align] = [0, 1]
  const advance = (to: number) => {
    align = Math.max(align, to)
    while (at % to !== 0) at++
  }
  for (const member of made.members) {
    const { size, align: own } = counted(member.item)
    let countAt = -1
    if (member.max !== undefined) {
      advance(4)
      countAt = at
      at += 4
    }
    advance(own)
    visit(member, at, countAt)
    at += size * (member.max ?? 1)
  }
  advance(align)
  return { size: at, align }
}

/** The bytes of a record. */
export function encodeSlowly(made: Made, value: Record<string, unknown>): Buffer {
  const bytes = Buffer.alloc(counted(made).size)
  walk(made, ({ name, item, max }, start, countAt) => {
    const { size } = counted(item)
    const items = (max === undefined ? [value[name]] : value[name]) as unknown[]
    if (max !== undefined) bytes.writeUInt32LE(items.length, countAt)
    for (const [index, one] of items.entries()) {
      itemSlowly(item, one).copy(bytes, start + index * size)
    }
  })
  return bytes
}

function itemSlowly(item: Item, value: unknown): Buffer {
  if (typeof item === 'object') return encodeSlowly(item, value as Record<string, unknown>)
  if (typeof item === 'number') return Buffer.from(value as string)
  const bytes = Buffer.alloc(sizeOf(item))
  if (item === 'f32') bytes.writeFloatLE(value as number)
  else if (item === 'f64') bytes.writeDoubleLE(value as number)
  else {
    let rest = BigInt.asUintN(64, BigInt(value as number | bigint | boolean))
    for (let at = 0; at < bytes.length; at++, rest >>= 8n) bytes[at] = Number(rest & 0xffn)
  }
  return bytes
}
