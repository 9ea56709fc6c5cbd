// Options of published objects, complete and checked.

import type * as api from '../../index.js'
import { native } from '../native.js'
import {
  check,
  isBoolean,
  isCodec,
  isSignal,
  isString,
  oneOf,
  place,
  powerOfTwo,
  span,
  whole,
} from '../values/checks.js'

const {
  FRAME_LEN_MAX,
  MAP_ENTRIES_MAX,
  MAP_KEY_LEN_MAX,
  MAP_VALUE_LEN_MAX,
  TOPIC_CAPACITY_MAX,
  TOPIC_CAPACITY_MIN,
} = native

const PUBLISH = { directory: isString, takeOver: isBoolean }
const FRAME_READ = { directory: isString, maxAgeMs: span }
const CHANGES = { signal: isSignal }
const CREATE_TOPIC = { ...PUBLISH, timeoutMs: span }
const PUBLISH_MESSAGE = { timeoutMs: span }
const SUBSCRIBE = {
  ...{ directory: isString, mode: oneOf('latest', 'lossy', 'lossless') },
  ...{ from: oneOf('next', 'oldest'), retained: isBoolean },
}
const TOPIC = { codec: isCodec, capacity: powerOfTwo(TOPIC_CAPACITY_MIN, TOPIC_CAPACITY_MAX) }
const MAP_READ = { directory: isString }
const MAP_SET = { ttlMs: span }
const SHARED_MAP = {
  codec: isCodec,
  entriesMax: whole(1, MAP_ENTRIES_MAX),
  keyLengthMax: whole(1, MAP_KEY_LEN_MAX),
  valueLengthMax: whole(1, MAP_VALUE_LEN_MAX),
}
const STATE_FRAME = { codec: isCodec, capacity: whole(1, FRAME_LEN_MAX) }

export const changesOptions = (options: api.ChangesOptions | undefined) =>
  check('changes', CHANGES, options)
export const stateFrameOptions = (options: api.StateFrameOptions<any> | undefined) =>
  check('stateFrame', STATE_FRAME, options)
export const topicOptions = (options: api.TopicOptions<any> | undefined) =>
  check('topic', TOPIC, options)
export const publishMessageOptions = (options: api.PublishMessageOptions) =>
  check('publish', PUBLISH_MESSAGE, options)
export const sharedMapOptions = (options: api.SharedMapOptions<any> | undefined) =>
  check('sharedMap', SHARED_MAP, options)

/** Options of what writes a published object, complete. */
export function publishOptions(options: api.PublishOptions | undefined) {
  const { directory, takeOver = false } = check('publish', PUBLISH, options)
  return { place: place(directory), takeOver }
}

/** Options of a publisher, complete. */
export function createTopicOptions(options: api.CreateTopicOptions | undefined) {
  const given = check('createTopic', CREATE_TOPIC, options)
  const { directory, takeOver = false, timeoutMs = 1000 } = given
  return { place: place(directory), takeOver, timeoutMs }
}

/** Options of a subscription, complete. */
export function subscribeOptions(options: api.SubscribeOptions | undefined) {
  const given = check('subscribe', SUBSCRIBE, options)
  const { directory, mode = 'lossy', from = 'next', retained = false } = given
  return { place: place(directory), mode, from, retained }
}

/** Options of a reader of a state frame, complete. */
export function readOptions(options: api.FrameReadOptions | undefined) {
  const { directory, maxAgeMs = Infinity } = check('read', FRAME_READ, options)
  return { place: place(directory), maxAgeMs }
}

/** Options of a reader of a map, complete. */
export function mapReadOptions(options: api.MapReadOptions | undefined) {
  return { place: place(check('read', MAP_READ, options).directory) }
}

/** Options of a value, complete. */
export function mapSetOptions(options: api.MapSetOptions) {
  const { ttlMs = Infinity } = check('set', MAP_SET, options)
  return { ttlMs }
}
