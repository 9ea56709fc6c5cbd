// Contracts whose values are cloned, and a program that serves them.

import {
  event,
  json,
  messagePack,
  method,
  sharedMap,
  stateFrame,
  stream,
  structuredClone as codec,
  topic,
} from 'ringpost'

export const Echoes = {
  messagePack: method<any>('echo-packed', { codec: messagePack }),
  json: method<any>('echo-json', { codec: json }),
  structuredClone: method<any>('echo', { codec }),
}
/** Answers whether it has got one object twice. */
export const IsShared = method<object[], boolean>('is-shared', { codec })
/** Answers with what it is sent, before anything else overwrites it and after. */
export const Kept = method<void, unknown[]>('kept', { codec })
/** Comes back as the same event. */
export const Said = event<any>('said', { codec })
/** Yields what is uploaded. */
export const Echoed = stream<any, any, any, any>('echoed', { codec })

export const Newest = stateFrame<any>('newest', { codec })
export const Messages = topic<any>('messages', { codec })
export const Things = sharedMap<any>('things', { codec })
