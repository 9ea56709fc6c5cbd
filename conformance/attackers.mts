// The Rust test peer as an attacker of programs of Windows. It runs on Linux beside them, where the
// port RINGPOST_ATTACKERS starts one for each connection, and speaks to them through relays: it
// knows servers by the paths of sockets, and each stands for a named pipe here.
// ci/windows/attackers.mjs is the other end.

import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { parse } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { claimPipe, findPipe } from '../ts/wasm/pipes.js'

const PORT = Number(process.env.RINGPOST_ATTACKERS ?? 0)
export const canAttack = PORT > 0

/** What a malicious peer is told to do with a path: to connect to it, or to serve it. */
type Order = Record<string, { path?: string }>

/** Such a process, with as much of `ChildProcess` as a test peer needs. */
export class Attacker extends EventEmitter {
  readonly pid = 0
  readonly stdin: Writable
  readonly stdout: Socket
  readonly stderr = new PassThrough()
  readonly #ends: (() => void)[] = []

  constructor() {
    super()
    this.stdout = dial('peer')
    this.stdout.once('close', () => {
      for (const end of this.#ends) end()
      this.emit('exit', null, 'SIGKILL')
    })
    this.stdin = new Writable({
      write: (line: Buffer, _, done) => {
        const send = (text: string) => this.stdout.write(text, done)
        this.#redirect(line.toString()).then(send, done)
      },
    })
  }

  kill(): boolean {
    return !this.stdout.destroy().errored
  }

  /** Replaces the path in an order by what leads through a relay. */
  async #redirect(line: string): Promise<string> {
    const { id, do: command } = JSON.parse(line) as { id: number; do: { malicious: Order } }
    for (const [what, order] of Object.entries(command.malicious)) {
      if (order.path === undefined) continue
      order.path = what === 'serve' ? this.#serve(order.path) : await this.#lead(order.path)
    }
    return JSON.stringify({ id, do: command }) + '\n'
  }

  /** Has clients of a name connected to the attacker. */
  #serve(path: string): string {
    const key = randomBytes(8).toString('hex')
    const server = createServer((client) => relay(client, dial(`to ${key}`)))
    const { dir, name } = parse(path)
    const claim = claimPipe(dir, name, (address) => server.listen(address))
    this.#ends.push(() => {
      claim.release()
      server.close()
    })
    return key
  }

  /** Has the attacker connected to the server of a name. */
  async #lead(path: string): Promise<string> {
    const { dir, name } = parse(path)
    const server: Server = createServer((attacker) => {
      relay(attacker, connect(findPipe(dir, name) ?? ''))
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    this.#ends.push(() => server.close())
    return String((server.address() as AddressInfo).port)
  }
}

/** Connects to the other end and says what for. */
function dial(what: string): Socket {
  const socket = connect(PORT, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(`${what}\n`)
  return socket
}

/** Passes on what comes from either, and its end. */
function relay(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ]) {
    from.on('error', () => to.destroy())
    from.on('close', () => to.end())
    from.pipe(to)
  }
}
