// What is transferred with a message: memory, which is copied and then gone here, and ports.

import { MessagePort as NodePort } from 'node:worker_threads'
import type * as ports from '../../messageport.js'
import { IpcError } from '../values/errors.js'
import { wrongType } from '../values/checks.js'
import { isArrayBuffer, isDetached, kindOf } from '../values/kinds.js'
import { said } from '../values/refusal.js'

export class TransferList {
  readonly #buffers: ArrayBuffer[] = []
  readonly ports: NodePort[] = []

  /** Throws for what cannot be transferred. */
  constructor(given: ports.PostOptions | undefined) {
    const list = typeof given !== 'object' || isIterable(given) ? given : given?.transfer
    if (list === undefined) return
    if (!isIterable(list)) throw wrongType('transfer', 'an iterable', list)
    const seen = new Set<unknown>()
    for (const one of list) {
      if (seen.has(one)) throw cloneError('transfer: the same object twice')
      seen.add(one)
      this.#add(one)
    }
  }

  #add(one: unknown): void {
    if (one instanceof NodePort) this.ports.push(one)
    else if (!isArrayBuffer(one)) {
      const reason = 'only ArrayBuffers and the ports of a MessageChannel can be'
      throw cloneError(`transfer: ${kindOf(one)} cannot be transferred, ${reason}`)
    } else if (isDetached(one)) throw cloneError('transfer: ArrayBuffer was transferred before')
    else this.#buffers.push(one)
  }

  /** Takes all of it away from the program, or nothing; returns the ports as they are now. */
  take(): NodePort[] {
    const { ports } = this
    const transfer = [...this.#buffers, ...ports] as never
    try {
      return structuredClone<NodePort[]>(ports, { transfer })
    } catch (error) {
      // Only that can tell whether a port is closed.
      throw cloneError(`transfer: ${said(error)}`, error)
    }
  }
}

/** By its name it is what other ports throw. */
export function cloneError(message: string, cause?: unknown): IpcError {
  const options = cause === undefined ? undefined : { cause }
  const error = new IpcError('ERR_INVALID_PAYLOAD', message, options)
  return Object.defineProperty(error, 'name', { value: 'DataCloneError', configurable: true })
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof (value as Partial<Iterable<unknown>> | null)?.[Symbol.iterator] === 'function'
}
