// Topics that tests and their programs share.

import { bytes, topic, type SubscribeOptions } from 'ringpost'

/** A message by whose parts one sees whether they belong together. */
export interface Whole {
  n: number
  parts: number[]
}

export const whole = (n: number, length = 20): Whole => ({ n, parts: Array(length).fill(n) })
export const isWhole = ({ n, parts }: Whole) => parts.every((part) => part === n)

/** A ring of few messages, unless it is to be larger. */
export const Wholes = (name: string, capacity = 4096) => topic<Whole>(name, { capacity })

export const Raw = (name: string, capacity = 4096) => topic(name, { codec: bytes, capacity })

/** What the program `topic` is told to do. */
export interface TopicProgram {
  name: string
  /** Publishes: as many messages as each message to it says, or without a pause. */
  publish?: 'asked' | 'always'
  timeoutMs?: number
  takeOver?: boolean
  capacity?: number
  /** Subscribes so many times. */
  subscriptions?: number
  options?: SubscribeOptions
  /** Reports once each subscription has read a message with this `n`. */
  readTo?: number
  /** Waits for one message, reports its number or why there is none, and leaves the subscription as
   * it is. */
  asksOnce?: boolean
}

/** What a publisher has done when it was asked. */
export interface Published {
  number: number
  tookMs: number
  stats: { published: number; waits: number; cutOff: number }
}

/** What subscriptions of a process have found, all together. */
export interface Found {
  received: number
  skipped: number
  /** Messages that were torn, out of order or not counted right. */
  wrong: number
  restarts: number
  /** Codes of errors that subscriptions have ended with. */
  ends: string[]
}
