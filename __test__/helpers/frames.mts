// State frames that tests and their programs share.

import { bytes, layout, list, stateFrame, text } from 'ringpost'

/** A value by whose parts one sees whether they belong together. */
export interface Whole {
  n: number
  parts: number[]
}

export const whole = (n: number, length = 100): Whole => ({ n, parts: Array(length).fill(n) })
export const isWhole = ({ n, parts }: Whole) => parts.every((part) => part === n)

export const Wholes = (name: string) => stateFrame<Whole>(name)

const object = layout({ id: 'u32', x: 'f32', label: text(8) })
export const First = layout({ frameId: 'u64', objects: list(object, 50) })
/** The same, with a member appended. */
export const Second = layout({ frameId: 'u64', objects: list(object, 50), camera: 'u16' })
/** Neither. */
export const Other = layout({ frameId: 'u32', objects: list(object, 50) })

export const Detections = (name: string, codec: typeof First | typeof Second | typeof Other) =>
  stateFrame<any>(name, { codec })

export const Raw = (name: string) => stateFrame(name, { codec: bytes })
