// Who is at the other end.

import type * as api from '../../index.js'

interface Introduction extends Omit<api.Peer, 'rings'> {
  rings: [number, number, number, number, number]
}

/** The peer the binding describes. */
export function makePeer(description: string): api.Peer {
  const { rings, ...rest } = JSON.parse(description) as Introduction
  const [critical, high, normal, low, control] = rings
  return Object.freeze({
    ...rest,
    rings: Object.freeze({ critical, high, normal, low, control }),
  })
}
