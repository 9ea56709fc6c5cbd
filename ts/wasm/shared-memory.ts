// What lies in memory that processes share, which there is none of without the addon: each of these
// is an error where it is asked for.

import { unsupported } from './fault.js'

function refusing(what: string) {
  return class {
    constructor() {
      throw unsupported(`${what} need`)
    }
  }
}

const frames = 'state frames'
const topics = 'topics'
const maps = 'shared maps'

export const NativeFrameReader = refusing(frames)
export const NativeFrameWriter = refusing(frames)
export const NativeTopicPublisher = refusing(topics)
export const NativeTopicSubscriber = refusing(topics)
export const NativeMapReader = refusing(maps)
export const NativeMapWriter = refusing(maps)
export const NativeKeySeen = refusing(maps)
export const NativeLeftovers = refusing('those who clean up after dead processes')

export class NativeStatusReader {
  static open(): never {
    throw unsupported('to look at servers from outside needs')
  }
}

export function listObjects(): never {
  throw unsupported('to look at servers and at what is published needs')
}
