// What both ends share.

import { method } from 'ringpost'

export const NAME = 'ringpost-example'
/** Which process serves. A call that is repeated after its server has died does no harm. */
export const Who = method('who', { idempotent: true })
