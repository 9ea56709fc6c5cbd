// Long texts, taken out of a message and put back.

export interface Text {
  /** The keys that lead to it. */
  path: string[]
  text: string
}

/** Shorter ones are not worth it. */
const LENGTH_MIN = 16 << 10
/** A document is near the top of its message: so many values are looked at, and so deep. */
const VALUES_MAX = 64
const DEPTH_MAX = 6

type Fields = Record<string, unknown>

/** A copy of a message with empty texts in the place of long ones, or itself if it has none. */
export function liftTexts(message: object, texts: Text[]): object {
  left = VALUES_MAX
  return holdsLong(message, DEPTH_MAX) ? (lift(message, [], texts) as object) : message
}

/** Values that are still to be looked at. */
let left = 0

/** Whether to take a closer look, which most messages do not need. */
function holdsLong(value: unknown, depth: number): boolean {
  if (!isShort(value)) return false
  for (const item of Object.values(value)) {
    if (left-- <= 0) return false
    if (typeof item === 'string' && item.length >= LENGTH_MIN) return true
    if (depth > 0 && typeof item === 'object' && holdsLong(item, depth - 1)) return true
  }
  return false
}

function lift(value: unknown, path: readonly string[], texts: Text[]): unknown {
  if (typeof value === 'string' && value.length >= LENGTH_MIN && value.isWellFormed()) {
    texts.push({ path: [...path], text: value })
    return ''
  }
  if (path.length > DEPTH_MAX || !isShort(value) || !isPlain(value)) return value
  const below = (key: string, item: unknown) => lift(item, [...path, key], texts)
  if (Array.isArray(value)) return value.map((item, at) => below(String(at), item))
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, below(key, item)]))
}

function isShort(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null) return false
  return !Array.isArray(value) || value.length <= VALUES_MAX
}

/** Whether JSON has all of it, and nothing else. */
function isPlain(value: Fields): boolean {
  if ('toJSON' in value) return false
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype
}

/** @throws RangeError if the path does not lead to an empty text of the message's own. */
export function putBack(message: unknown, path: readonly string[], text: string): void {
  let holder = message
  for (const key of path.slice(0, -1)) holder = own(holder, key)
  const last = path[path.length - 1]
  if (own(holder, last) !== '') throw new RangeError('there is something else')
  ;(holder as Fields)[last] = text
}

function own(holder: unknown, key: string): unknown {
  // What a prototype has is everyone's.
  if (typeof holder === 'object' && holder !== null && Object.hasOwn(holder, key)) {
    return (holder as Fields)[key]
  }
  throw new RangeError('there is nothing')
}
