// Invalid arguments, and the error each must cause: a TypeError or a RangeError, thrown or as the
// rejection of the promise.

import {
  configure,
  connect,
  createServer,
  event,
  method,
  type Client,
  type WaitingOptions,
} from 'ringpost'

type Kind = 'TypeError' | 'RangeError'
type Wrong = readonly [kind: Kind, option: string, value: unknown]

const ENDPOINT: readonly Wrong[] = [
  ['TypeError', 'directory', 1],
  ['RangeError', 'directory', ''],
  ['TypeError', 'transport', true],
  ['RangeError', 'transport', 'seeled'],
  ['TypeError', 'crc', 1],
  ['RangeError', 'crc', 'some'],
  ['TypeError', 'rings', 4096],
  ['TypeError', 'rings', { normal: '4096' }],
  ['TypeError', 'rings', { urgent: 4096 }],
  ['RangeError', 'rings', { normal: 2048 }],
  ['RangeError', 'rings', { normal: 5000 }],
  ['RangeError', 'rings', { normal: 2 ** 27 }],
  ['TypeError', 'messageLenMax', '1'],
  ['RangeError', 'messageLenMax', 0],
  ['RangeError', 'messageLenMax', 1.5],
  ['TypeError', 'pendingMax', null],
  ['RangeError', 'pendingMax', 65_537],
  ['TypeError', 'token', 7],
  ['RangeError', 'token', ''],
  ['RangeError', 'token', 'x'.repeat(1025)],
  ['TypeError', 'timeoutMs', '1'],
  ['RangeError', 'timeoutMs', 0],
  ['RangeError', 'timeoutMs', -1],
  ['RangeError', 'timeoutMs', NaN],
  ['TypeError', 'overflow', 'queue'],
  ['TypeError', 'overflow', { noraml: 'queue' }],
  ['RangeError', 'overflow', { normal: 'drop' }],
  ['TypeError', 'backlogMax', true],
  ['RangeError', 'backlogMax', -1],
  ['TypeError', 'servingMax', []],
  ['RangeError', 'servingMax', 0],
  ['TypeError', 'transprot', 'sealed'],
]
const SERVER: readonly Wrong[] = [
  ['TypeError', 'connectionsMax', '1'],
  ['RangeError', 'connectionsMax', 0],
  ['TypeError', 'helloTimeoutMs', null],
  ['RangeError', 'helloTimeoutMs', 0],
  ['TypeError', 'connectTimeoutMs', 1],
  ['TypeError', 'takeOver', 1],
]
const CLIENT: readonly Wrong[] = [
  ['TypeError', 'connectTimeoutMs', '1'],
  ['RangeError', 'connectTimeoutMs', 0],
  ['TypeError', 'signal', {}],
  ['TypeError', 'connectionsMax', 1],
]
const TRAVEL: readonly Wrong[] = [
  ['TypeError', 'lane', 2],
  ['RangeError', 'lane', 'urgent'],
  ['TypeError', 'lanes', 'low'],
]
const TRACE: readonly Wrong[] = [
  ['TypeError', 'traceparent', 1],
  ['RangeError', 'traceparent', '00-xyz'],
]
const SPAN: readonly Wrong[] = [
  ['TypeError', 'timeoutMs', '1'],
  ['RangeError', 'timeoutMs', -1],
  ['TypeError', 'timeoutMS', 1],
]
const SIGNAL: readonly Wrong[] = [['TypeError', 'signal', 'now']]
const CONTRACT: readonly Wrong[] = [
  ['TypeError', 'codec', 'json'],
  ['TypeError', 'codec', { encode() {}, name: 'half' }],
  ['TypeError', 'codek', undefined],
]
const WAITING: readonly Wrong[] = [
  ['TypeError', 'wake', 1],
  ['RangeError', 'wake', 'now'],
  ['RangeError', 'spinRecentUs', -1],
  ['RangeError', 'spinExpectingUs', 1e9],
  ['TypeError', 'lookExpectedUs', 1],
]

/** Describes each call that did not fail as expected; empty if all did. */
export async function wrongArguments(client: Client): Promise<string[]> {
  const takers: [name: string, wrong: readonly Wrong[], take: (options: any) => unknown][] = [
    ['createServer', [...ENDPOINT, ...SERVER], (options) => createServer('wrong', options)],
    ['connect', [...ENDPOINT, ...CLIENT], (options) => connect('wrong', options)],
    [
      'request',
      [...TRAVEL, ...TRACE, ...SPAN, ...SIGNAL],
      (options) => client.request('add', [1, 2], options),
    ],
    [
      'requestSync',
      [...TRAVEL, ...SPAN, ['RangeError', 'timeoutMs', Infinity]],
      (options) => client.requestSync('add', [1, 2], options),
    ],
    ['notify', [...TRAVEL, ...TRACE], (options) => client.notify('note', [], options)],
    ['drained', [...SPAN, ...SIGNAL], (options) => client.drained(options)],
    ['handle', [['TypeError', 'borrowed', 1]], (options) => client.handle('x', () => 1, options)],
    ['method', [...CONTRACT, ['TypeError', 'params', {}]], (options) => method('x', options)],
    ['event', [...CONTRACT, ['TypeError', 'payload', {}]], (options) => event('x', options)],
    ['configure', WAITING, (options) => configure(options as WaitingOptions)],
  ]
  const faults: string[] = []
  for (const [name, wrong, take] of takers) {
    for (const [kind, option, value] of wrong) {
      const found = await outcome(() => take({ [option]: value }))
      const shown = `${name}({ ${option}: ${JSON.stringify(value)} })`
      if (found !== `${kind} ERR_INVALID_ARGUMENT`) faults.push(`${shown} gave ${found}`)
    }
    const found = await outcome(() => take(7))
    if (found !== 'TypeError ERR_INVALID_ARGUMENT') faults.push(`${name}(7) gave ${found}`)
  }
  return faults
}

async function outcome(call: () => unknown): Promise<string> {
  try {
    await call()
    return 'success'
  } catch (error) {
    const { name, code } = error as Error & { code?: unknown }
    return `${name} ${code}`
  }
}
