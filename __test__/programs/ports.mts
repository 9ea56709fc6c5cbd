// One end of ports: serves them as its tests need them, or connects.

import { connect } from 'ringpost'
import { connectPort, onPort, openPort, servePorts, type MessagePort } from 'ringpost/messageport'
import * as Comlink from 'comlink'
import { obey, type PortsProgram } from '../helpers/ports.mjs'

const { name, role } = JSON.parse(process.argv[2]) as PortsProgram
/** The machine may be busy. */
const CONNECTING = { connectTimeoutMs: 60_000 }
type Square = (value: number) => number
const report = (message: unknown) => process.send?.(message)

if (role === 'serve') {
  const take = (port: MessagePort) => {
    port.on('close', async () => report((await port.closed)?.code ?? 'close'))
    obey(port)
  }
  const server = await servePorts(name, take, { helloTimeoutMs: 60_000 })
  // Reads when it is told to, and says what it has read in the end.
  onPort(server, 'silent', (port) => {
    let count = 0
    let isInOrder = true
    process.once('message', () => {
      port.on('message', ({ number }: { number: number }) => (isInOrder &&= number === count++))
    })
    port.on('close', () => report({ count, isInOrder }))
  })
  onPort(server, 'deaf', (port, connection) => {
    port.on('close', async () => report({ deaf: (await port.closed)?.code ?? null }))
    openPort(connection, 'back').postMessage('from the server')
  })
  onPort(server, 'throws', (port) => {
    process.once('uncaughtException', (error) => port.postMessage(error.message))
    port.on('message', (value) => {
      if (value === 'throw') throw new Error('thrown by a listener')
    })
    port.on('message', (value) => port.postMessage(value))
  })
  onPort(server, 'checks', (port) => {
    port.on('messageerror', (error) => port.postMessage(error))
    port.on('message', async (value: MessagePort | string) => {
      port.postMessage(typeof value === 'string' ? value : (await value.closed)?.code)
    })
  })
  onPort(server, 'comlink', (port: MessagePort) => {
    Comlink.expose(
      {
        add: (a: number, b: number) => a + b,
        names: new Map([[1, new Set(['one'])]]),
        async sum(list: number[], of: (value: number, square: Square) => Promise<number>) {
          let sum = 0
          const square = Comlink.proxy((value: number) => value * value)
          for (const value of list) sum += await of(value, square)
          return sum
        },
        fail() {
          throw new RangeError('as asked')
        },
        Counter: class {
          #count = 0
          increment = () => ++this.#count
        },
      },
      port,
    )
    port.on('close', () => report('comlink: close'))
  })
  process.on('disconnect', () => process.exit())
  report('ready')
} else if (role === 'connect') {
  obey(await connectPort(name, CONNECTING))
  report('connected')
} else if (role === 'leave') {
  // Ends while more is posted than there is room for.
  const port = await connectPort(name, CONNECTING)
  for (let number = 0; number < 1_000; number++) port.postMessage({ number, text: 'x'.repeat(4_000) })
  report(port.hasRef())
} else {
  const client = (await connect(name, CONNECTING)).unref()
  const port = openPort(client, 'main')
  port.on('message', () => port.unref())
  report(port.hasRef())
  port.postMessage({ post: ['unref'] })
}
