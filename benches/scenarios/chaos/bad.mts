// Misbehaving clients, each in its own way.

import { once } from 'node:events'
import net from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { IpcError } from 'ringpost'
import { open, replaceSenders, Sender, type Place } from '../peers.mjs'
import { random } from './random.mjs'

interface Trouble {
  place: Place
  ms: number
  seed: number
}

// ---- garbage and silence ----

export interface Garbage {
  /** How often each was sent. */
  counts: Record<string, number>
  faults: string[]
}

/** Malicious clients at the same time. */
const MALICIOUS = 4
/** How long a server may take to close a connection after garbage or silence: its own 250 ms, and
 * what a busy machine adds. */
const CLOSE_MS = 2_000

/** What a frame of four gigabytes would begin with. */
const HUGE = Buffer.from('525053540105000000000000000000000000ffffffff000000ffffffff', 'hex')

export async function sendGarbage({ place, ms, seed }: Trouble): Promise<Garbage> {
  const end = performance.now() + ms
  const dice = random(seed)
  const sent: Garbage = { counts: {}, faults: [] }
  const bytes = (length: number) => Buffer.from(Array.from({ length }, () => dice() * 256))
  const attacks: Record<string, () => Promise<void>> = {
    'random bytes sent': () => closed(place, bytes(1 + dice() * 4_096)),
    'frames of four gigabytes announced': () => closed(place, HUGE),
    'incomplete handshakes': () => closed(place, HUGE.subarray(0, 10)),
    'silent connections': () => closed(place, Buffer.alloc(0)),
    'connections closed at once': () => connectAndClose(place),
    'oversized messages': () => oversize(place),
  }
  const names = Object.keys(attacks)
  const client = async () => {
    while (performance.now() < end && sent.faults.length < 5) {
      const name = names[Math.floor(dice() * names.length)]
      try {
        await attacks[name]()
      } catch (error) {
        sent.faults.push(`${name}: ${(error as Error).message}`)
      }
      sent.counts[name] = (sent.counts[name] ?? 0) + 1
      await setTimeout(20 * dice())
    }
  }
  await Promise.all(Array.from({ length: MALICIOUS }, client))
  return sent
}

/** Writes this and waits for the server to close the connection. */
async function closed(place: Place, content: Buffer): Promise<void> {
  const socket = net.connect(join(place.directory, `${place.name}.sock`))
  // A reset is a close as well.
  socket.on('error', () => {})
  try {
    socket.resume()
    if (content.length > 0) socket.write(content)
    await once(socket, 'close', { signal: AbortSignal.timeout(CLOSE_MS) })
  } catch {
    throw new Error(`the server had not closed the connection after ${CLOSE_MS} ms`)
  } finally {
    socket.destroy()
  }
}

async function connectAndClose(place: Place): Promise<void> {
  const socket = net.connect(join(place.directory, `${place.name}.sock`))
  await once(socket, 'connect')
  socket.destroy()
}

/** Is refused, and can go on. */
async function oversize(place: Place): Promise<void> {
  // Failures to connect are counted by the well-behaved clients.
  const client = await open(place).catch(() => undefined)
  if (client === undefined) return
  try {
    client.notify('take', new Uint8Array(client.peer.messageLenMax + 1))
    throw new Error('it was taken')
  } catch (error) {
    if (!(error instanceof IpcError) || error.code !== 'ERR_TOO_LARGE') throw error
    await new Sender(client, 0).ask(64)
  } finally {
    await client.close()
  }
}

// ---- floods ----

export interface Flooded {
  count: number
  /** The number of the first of its senders. */
  first: number
}

const FLOODING = 5
const FIRST = 1_000_000
const TINY = 16

/** Floods of tiny messages, with a pause after each. */
export async function flood({ place, ms, seed }: Trouble): Promise<Flooded> {
  const end = performance.now() + ms
  const dice = random(seed)
  const senders = await Promise.all(
    Array.from({ length: FLOODING }, async (_, index) => {
      const client = await open(place)
      return new Sender(client, FIRST + index)
    }),
  )
  replaceSenders(senders)
  while (performance.now() < end) {
    const stop = Math.min(end, performance.now() + 200 * dice())
    await Promise.all(senders.map((sender) => pour(sender, stop)))
    await setTimeout(300 * dice())
  }
  return { count: senders.reduce((sum, { sent }) => sum + sent, 0), first: FIRST }
}

async function pour(sender: Sender, stop: number): Promise<void> {
  while (performance.now() < stop) {
    for (let turn = 0; turn < 64; turn++) {
      const room = sender.send(TINY)
      if (room) await room
    }
    // The other senders of this process have their turn.
    await new Promise((done) => setImmediate(done))
  }
  await sender.ask(0)
}

// ---- victims ----

const DYING = 10
const DYING_SIZES = [1, 64, 1_000, 16_384, 100_000]

/** Asks and sends on some connections, until it is killed. */
export async function fallVictim({ place }: { place: Place }): Promise<void> {
  const exchange = async (number: number) => {
    const sender = new Sender(await open(place), number)
    for (let turn = 0; ; turn++) {
      const size = DYING_SIZES[turn % DYING_SIZES.length]
      const room = sender.send(size)
      if (room) await room
      await sender.ask(size)
    }
  }
  await Promise.all(Array.from({ length: DYING }, (_, number) => exchange(number)))
}
