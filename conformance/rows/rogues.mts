// Peers that write nonsense into the shared memory, while their neighbors carry on.

import { Buffer } from 'node:buffer'
import type { Agent } from '../agents.mjs'
import { assert, fails, fresh, row, until, type Cell, type Row, type Transport } from '../cell.mjs'

const REQUEST = 1
const REPLY = 2
const ONE_WAY = 4
const CONTROL = 5
const DEFINE = 1
const NORMAL = 2
const CONTROL_RING = 4

/** What is written, and whether it has to end the connection or may go unnoticed. */
interface Nonsense {
  what: string
  /** Words of the rogue's, and values for them. */
  words?: Record<string, string>
  frames?: readonly object[]
  /** The memory is made so long, and then there is a bell. */
  length?: number
  bells?: { count: number; descriptors: number }
  /** Checksums cover everything. */
  crc?: boolean
  harmless?: boolean
}

const hex = (text: string) => Buffer.from(text).toString('hex')
const frame = (fields: object) => ({ ring: NORMAL, kind: ONE_WAY, code: 0, id: 0, ...fields })
const define = (name: string, code = 0) =>
  frame({ kind: CONTROL, code: DEFINE, id: code, payload: hex(name) })
const spoilt = (spoil: string) => [define('note'), frame({ spoil, payload: hex('12345678') })]
/** An option block that says: compressed, and so long without that. */
const packed = (length: number) => `08008204${Buffer.from(Uint32Array.of(length).buffer).toString('hex')}`
const compressed = (length: number, payload: string) =>
  frame({ kind: REQUEST, id: 2 ** 33, spoil: 'options', payload: `${packed(length)}${payload}` })
const TRACED_TWICE = `4000${`031a${'00'.repeat(26)}`.repeat(2)}${'00'.repeat(6)}`
const MAX = (2n ** 64n - 1n).toString()

/** Sealed memory cannot be made shorter. */
const SHORTER: Record<Transport, Nonsense> = {
  portable: { what: 'into nothing', length: 0 },
  sealed: { what: 'into nothing, in vain', length: 0, harmless: true },
}
const BELLS: Nonsense = { what: 'bells', bells: { count: 50_000, descriptors: 0 } }

const NONSENSE: readonly Nonsense[] = [
  { what: 'a write position beyond the ring', words: { write: '1099511627776' } },
  { what: 'a write position amid a frame', words: { write: '3' } },
  { what: 'a write position that is all ones', words: { write: MAX } },
  { what: 'a position of frames that were never written', words: { write: '4096' } },
  { what: 'a count of publishes that is all ones', words: { published: MAX }, harmless: true },
  { what: 'an arming word that is all ones', words: { armed: MAX }, harmless: true },
  { what: 'a synchronous wait for nothing', words: { syncWait: MAX }, harmless: true },
  { what: 'over a position of the server', words: { victims: MAX }, harmless: true },
  { what: 'another magic', frames: spoilt('magic') },
  { what: 'another header version', frames: spoilt('version') },
  { what: 'a frame of no kind', frames: spoilt('kind') },
  { what: 'a length beyond the ring', frames: spoilt('length') },
  { what: 'a wrong checksum of a header', frames: spoilt('checksum') },
  { what: 'a wrong checksum of a payload', frames: spoilt('payload'), crc: true },
  {
    what: 'an option block of nonsense',
    frames: [define('note'), frame({ spoil: 'options', payload: 'ff'.repeat(16) })],
  },
  {
    what: 'a compressed payload to a method that takes none',
    frames: [define('note'), frame({ spoil: 'options', payload: `${packed(4096)}00112233` })],
    harmless: true,
  },
  {
    what: 'a compressed payload that is none',
    frames: [define('packed bytes'), compressed(4096, '0400000000112233')],
  },
  {
    what: 'a compressed payload that would be longer than agreed',
    frames: [define('packed bytes'), compressed(2 ** 32 - 1, '040000001f00')],
  },
  {
    what: 'a compressed payload with a piece of nothing',
    frames: [define('packed bytes'), compressed(2 ** 26, '0000008000000080')],
  },
  { what: 'a control code nobody knows', frames: [frame({ kind: CONTROL, code: 99 })] },
  { what: 'a code nobody defined', frames: [frame({ code: 77 })] },
  { what: 'a request on the control ring', frames: [frame({ ring: CONTROL_RING, kind: REQUEST })] },
  {
    what: 'an answer nobody asked for',
    frames: [frame({ kind: REPLY, id: 2 ** 33 + 5 })],
    harmless: true,
  },
  { what: 'an answer of an id that nobody has', frames: [frame({ kind: REPLY, id: 12_345 })] },
  { what: 'a control frame with a codec', frames: [frame({ kind: CONTROL, code: 2, codec: 1 })] },
  {
    what: 'an event with a budget',
    frames: [define('note'), frame({ spoil: 'options', payload: '10000108010000000000000000000000' })],
  },
  {
    what: 'an option twice',
    frames: [define('note'), frame({ spoil: 'options', payload: TRACED_TWICE })],
  },
  {
    what: 'a payload that is no MessagePack',
    frames: [define('add'), frame({ kind: REQUEST, id: 2 ** 33, codec: 1, payload: 'c1c1c1' })],
    harmless: true,
  },
]

export const rogues: readonly Row[] = [
  ...NONSENSE.map((nonsense) =>
    row(`a client writes ${nonsense.what}`, (cell) => beside(cell, nonsense)),
  ),
  row('a client claims to have read what was never written', readsTooMuch),
  row('a client makes the memory shorter', (cell) => beside(cell, SHORTER[cell.transport])),
  row('a server makes the memory shorter', async (cell) => {
    await cell.besideTraffic(() => rogueServer(cell, SHORTER[cell.transport]))
  }),
  row('a client rings and rings', (cell) => beside(cell, { ...BELLS, harmless: true })),
  row('a client sends descriptors beside a bell', (cell) =>
    beside(cell, { what: 'descriptors', bells: { count: 1, descriptors: 2 } }),
  ),
  row('a client writes anything anywhere', async (cell) => {
    await cell.besideTraffic(async () => {
      for (const seed of [1, 2, 3, 4]) {
        const { agent, rogue } = await rogueClient(cell, cell.main, {})
        await agent.do('rogue', { storm: { rogue, seed: seed * 7919, rounds: 100 } })
        await agent.kill()
      }
    })
    assert.equal(await cell.ask('add', [1, 2]), 3)
  }),
  row('a server writes nonsense', async (cell) => {
    for (const nonsense of NONSENSE) {
      if (nonsense.harmless || nonsense.crc) continue
      await cell.besideTraffic(() => rogueServer(cell, nonsense))
    }
  }),
]

async function rogueClient(cell: Cell, server: string, hello: object) {
  const agent = cell.spawn('rust')
  const { transport } = cell
  const before = (await cell.answerer.do('connections', { server })).came
  const connect = { path: cell.path(server), transport, until: 'ready', hello }
  const { rogue } = await agent.do('rogue', { connect })
  assert.ok(rogue, 'the rogue was not let in')
  const came = async () => (await cell.answerer.do('connections', { server })).came
  await until('the server knows of it', async () => (await came()) > before)
  return { agent, rogue: rogue as number }
}

async function write(
  agent: Agent,
  rogue: number,
  { words = {}, frames = [], length, bells }: Omit<Nonsense, 'what'>,
): Promise<void> {
  if (length !== undefined) {
    const resized = agent.do('rogue', { resize: { rogue, length } })
    await resized.catch(({ message }: Error) => assert.match(message, /not permitted/))
    bells ??= { count: 1, descriptors: 0 }
  }
  if (bells) await agent.do('rogue', { bells: { rogue, ...bells } })
  for (const [word, value] of Object.entries(words)) {
    await agent.do('rogue', { word: { rogue, ring: NORMAL, word, value } })
  }
  for (const frame of frames) await agent.do('rogue', { frame: { rogue, ...frame } })
}

async function beside(cell: Cell, nonsense: Nonsense): Promise<void> {
  const { crc = false, harmless = false } = nonsense
  const server = await cell.serve()
  await cell.besideTraffic(async () => {
    const { agent, rogue } = await rogueClient(cell, server, { crc })
    await write(agent, rogue, nonsense)
    const ms = harmless ? 50 : 5000
    const found = await agent.do('rogue', { watch: { rogue, ms } })
    assert.equal(found, harmless ? 'open' : 'closed')
    if (harmless) return
    assert.deepEqual(await cell.endings(server), ['ERR_CORRUPT'])
  })
}

/** Only who looks for room looks at what the other side has read. */
async function readsTooMuch(cell: Cell): Promise<void> {
  const server = await cell.serve()
  await cell.besideTraffic(async () => {
    const { agent, rogue } = await rogueClient(cell, server, {})
    // 4,000,000 in MessagePack: an answer that does not fit the ring.
    const payload = 'ce003d0900'
    const request = frame({ kind: REQUEST, id: 2 ** 33, codec: 1, payload })
    await write(agent, rogue, {
      words: { read: '1099511627776' },
      frames: [define('text'), request],
    })
    assert.equal(await agent.do('rogue', { watch: { rogue, ms: 5000 } }), 'closed')
    assert.deepEqual(await cell.endings(server), ['ERR_CORRUPT'])
  })
}

async function rogueServer(cell: Cell, nonsense: Nonsense): Promise<void> {
  const agent = cell.spawn('rust')
  const server = fresh()
  const { transport } = cell
  const serve = { path: cell.path(server), transport, answer: 'good' }
  const { rogue } = await agent.do('rogue', { serve })
  const connection = await cell.connect(server)
  const { outcome } = cell.begin('add', [1, 2], { connection })
  const stats = () => cell.asker.do('stats', { connection })
  await until('it is asked', async () => (await stats()).pending === 1)
  await until('the rogue knows', () =>
    agent.do('rogue', { watch: { rogue, ms: 1 } }).then(
      () => true,
      () => false,
    ),
  )
  await write(agent, rogue, nonsense)
  if (nonsense.harmless) {
    assert.equal((await stats()).isOpen, true, nonsense.what)
    return
  }
  await fails(outcome, 'ERR_PEER_LOST')
  assert.equal(await cell.asker.do('closed', { connection }), 'ERR_CORRUPT', nonsense.what)
}
