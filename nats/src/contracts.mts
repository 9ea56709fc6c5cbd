// What is carried, and how: contracts as their programs have made them, and the same for messages
// that nobody looks at on the way.

import { encoded, event, IpcError, messagePack, method, stream, topic } from 'ringpost'
import type { AnyContract, Codec, Event, Layout, Method, Stream, Topic } from 'ringpost'

/** A service, as the machine that has it and those that use it know it. */
export interface Service {
  /** The name of its server: of the local one that is exported, and of the one that is imported,
   * unless that has another. */
  readonly name: string
  /** The methods and streams that may be called from other machines, and the events that may be
   * sent to the server. What is not here stays on its machine. */
  readonly contracts: readonly AnyContract[]
  /** The events that the server sends to its clients, and that are to reach those of other
   * machines.
   * @default none */
  readonly broadcasts?: readonly Event[]
}

type Passed<Contract extends AnyContract> = Contract extends Method
  ? Method<Uint8Array, Uint8Array>
  : Contract extends Event
    ? Event<Uint8Array>
    : Stream<Uint8Array, Uint8Array, Uint8Array, Uint8Array>

/** The same contract for encoded messages. Their validators are those of the peers at both ends,
 * not ours. */
export function passed<Contract extends AnyContract>(contract: Contract): Passed<Contract> {
  const { name, kind } = contract
  const codec = encoded(codecOf(contract))
  if (kind === 'stream') {
    const { resumable } = contract.options
    return stream(name, { codec, resumable }) as Passed<Contract>
  }
  const { compress } = contract.options
  if (kind === 'event') return event(name, { codec, compress }) as Passed<Contract>
  const { idempotent } = contract.options
  return method(name, { codec, compress, idempotent }) as Passed<Contract>
}

export function codecOf(contract: AnyContract | Topic): Codec<any> {
  return contract.options.codec ?? messagePack
}

/** A topic for encoded messages; one with a layout, which stands beside its messages, as it is. */
export function passedTopic(contract: Topic): Topic {
  const codec = codecOf(contract)
  if (isLayout(codec)) return contract
  const { name, options } = contract
  return topic(name, { codec: encoded(codec), capacity: options.capacity })
}

/** What tells the formats of a topic's messages apart. */
export function formatOf(contract: Topic): string {
  const codec = codecOf(contract)
  return isLayout(codec) ? `layout-${codec.hash.toString(16)}` : codec.name
}

/** What makes a message of NATS of a value of the passed topic, and back. */
export function valuesOf(contract: Topic): Codec<any> {
  const codec = codecOf(contract)
  const same = (value: Uint8Array) => value
  return isLayout(codec) ? codec : { name: codec.name, encode: same, decode: same }
}

function isLayout(codec: Codec<any>): codec is Layout<any> {
  return 'description' in codec && 'hash' in codec
}

/** @throws TypeError for anything but a topic. */
export function checkTopic(contract: Topic): void {
  const { kind } = (contract ?? {}) as Partial<Topic>
  if (kind !== 'topic') throw new TypeError('topic must be what topic() makes')
}

/** @throws TypeError, or IpcError `ERR_INVALID_ARGUMENT` if nothing is carried, or a name twice. */
export function checkService(service: Service): void {
  const { name, contracts, broadcasts = [] } = service
  if (typeof name !== 'string') throw new TypeError(`name must be a string, got ${typeof name}`)
  if (!Array.isArray(contracts)) throw new TypeError('contracts must be an array of contracts')
  if (contracts.length + broadcasts.length === 0) {
    const message = `the service "${name}" has neither contracts nor broadcasts`
    throw new IpcError('ERR_INVALID_ARGUMENT', message)
  }
  checkNames(contracts, ['method', 'stream', 'event'], 'contracts')
  checkNames(broadcasts, ['event'], 'broadcasts')
}

function checkNames(
  contracts: readonly AnyContract[],
  kinds: readonly string[],
  where: string,
): void {
  const names = new Set<string>()
  for (const contract of contracts) {
    // What programs without types pass.
    const { kind, name } = (contract ?? {}) as Partial<AnyContract>
    if (kind === undefined || !kinds.includes(kind)) {
      throw new TypeError(`${where} must hold what ${kinds.join('(), ')}() makes`)
    }
    // Methods and streams share their names; events have their own.
    const key = `${kind === 'event' ? 'event' : 'call'} ${name}`
    if (names.has(key)) {
      throw new IpcError('ERR_INVALID_ARGUMENT', `${where} has "${name}" twice`)
    }
    names.add(key)
  }
}
