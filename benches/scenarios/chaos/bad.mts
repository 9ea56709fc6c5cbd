// Clients that do not behave, each in its own way.

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

// ---- those who talk nonsense, or nothing at all ----

export interface Annoyed {
  /** How often each was done. */
  counts: Record<string, number>
  faults: string[]
}

/** Annoying ones at the same time. */
const IMPS = 4
/** How long a server may take to hang up on nonsense and on silence: its own 250 ms, and what a
 * busy machine adds. */
const HANG_UP_MS = 2_000

/** What a frame of four gigabytes would begin with. */
const GIANT = Buffer.from('525053540105000000000000000000000000ffffffff000000ffffffff', 'hex')

export async function annoy({ place, ms, seed }: Trouble): Promise<Annoyed> {
  const end = performance.now() + ms
  const dice = random(seed)
  const annoyed: Annoyed = { counts: {}, faults: [] }
  const bytes = (length: number) => Buffer.from(Array.from({ length }, () => dice() * 256))
  const deeds: Record<string, () => Promise<void>> = {
    'times garbage was sent': () => hungUp(place, bytes(1 + dice() * 4_096)),
    'times a giant was announced': () => hungUp(place, GIANT),
    'times half a greeting came': () => hungUp(place, GIANT.subarray(0, 10)),
    'times nothing came': () => hungUp(place, Buffer.alloc(0)),
    'times somebody only knocked': () => knock(place),
    'times a message was oversized': () => oversize(place),
  }
  const names = Object.keys(deeds)
  const imp = async () => {
    while (performance.now() < end && annoyed.faults.length < 5) {
      const name = names[Math.floor(dice() * names.length)]
      try {
        await deeds[name]()
      } catch (error) {
        annoyed.faults.push(`${name}: ${(error as Error).message}`)
      }
      annoyed.counts[name] = (annoyed.counts[name] ?? 0) + 1
      await setTimeout(20 * dice())
    }
  }
  await Promise.all(Array.from({ length: IMPS }, imp))
  return annoyed
}

/** Says this and waits for the server to hang up. */
async function hungUp(place: Place, words: Buffer): Promise<void> {
  const socket = net.connect(join(place.directory, `${place.name}.sock`))
  // How it hangs up is its own affair.
  socket.on('error', () => {})
  try {
    socket.resume()
    if (words.length > 0) socket.write(words)
    await once(socket, 'close', { signal: AbortSignal.timeout(HANG_UP_MS) })
  } catch {
    throw new Error(`the server had not hung up after ${HANG_UP_MS} ms`)
  } finally {
    socket.destroy()
  }
}

async function knock(place: Place): Promise<void> {
  const socket = net.connect(join(place.directory, `${place.name}.sock`))
  await once(socket, 'connect')
  socket.destroy()
}

/** Is refused, and can go on. */
async function oversize(place: Place): Promise<void> {
  // Whether one can connect is for those to say who behave.
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

// ---- those who send too much ----

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
    // Others of this process want to pour too.
    await new Promise((done) => setImmediate(done))
  }
  await sender.ask(0)
}

// ---- those who die ----

const DYING = 10
const DYING_SIZES = [1, 64, 1_000, 16_384, 100_000]

/** Asks and sends on some connections, until it is killed. */
export async function fallVictim({ place }: { place: Place }): Promise<void> {
  const live = async (number: number) => {
    const sender = new Sender(await open(place), number)
    for (let turn = 0; ; turn++) {
      const size = DYING_SIZES[turn % DYING_SIZES.length]
      const room = sender.send(size)
      if (room) await room
      await sender.ask(size)
    }
  }
  await Promise.all(Array.from({ length: DYING }, (_, number) => live(number)))
}
