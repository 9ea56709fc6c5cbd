// Peers that write invalid data into shared memory, or send it, while other connections continue
// undisturbed.

import { Buffer } from 'node:buffer'
import type { TestPeer } from '../test-peers.mjs'
import { assert, CONDITION_MS, fails, fresh, row, until } from '../case.mjs'
import type { Case, Row, Transport } from '../case.mjs'

const REQUEST = 1
const REPLY = 2
const ONE_WAY = 4
const CONTROL = 5
const DEFINE = 1
const NORMAL = 2
const CONTROL_RING = 4

/** Invalid data, and whether it must end the connection or is ignored. */
interface Violation {
  what: string
  /** Shared words to overwrite, and their values. */
  words?: Record<string, string>
  frames?: readonly object[]
  /** Resizes the memory to so many bytes, and then rings. */
  length?: number
  bells?: { count: number; descriptors: number }
  /** Negotiates checksums that cover payloads. */
  crc?: boolean
  harmless?: boolean
  /** Only possible with memory that is shared. */
  inShared?: boolean
}

const hex = (text: string) => Buffer.from(text).toString('hex')
const frame = (fields: object) => ({ ring: NORMAL, kind: ONE_WAY, code: 0, id: 0, ...fields })
/** A control message on the ring for these. */
const live = (code: number, id = 0, payload = '') =>
  frame({ ring: CONTROL_RING, kind: CONTROL, code, id, payload })
const define = (name: string, code = 0) =>
  frame({ kind: CONTROL, code: DEFINE, id: code, payload: hex(name) })
const spoilt = (spoil: string) => [define('note'), frame({ spoil, payload: hex('12345678') })]
/** An option block: compressed, and so many bytes when unpacked. */
const packed = (length: number) =>
  `08008204${Buffer.from(Uint32Array.of(length).buffer).toString('hex')}`
const compressed = (length: number, payload: string) =>
  frame({ kind: REQUEST, id: 2 ** 33, spoil: 'options', payload: `${packed(length)}${payload}` })
/** An option block with a deadline. */
const BUDGET = '10000108010000000000000000000000'
const TRACED_TWICE = `4000${`031a${'00'.repeat(26)}`.repeat(2)}${'00'.repeat(6)}`
const MAX = (2n ** 64n - 1n).toString()

/** Sealed memory cannot be truncated. */
const TRUNCATED: Record<Exclude<Transport, 'socket'>, Violation> = {
  portable: { what: 'a truncated segment', length: 0 },
  sealed: { what: 'a failed truncation', length: 0, harmless: true },
}
const isShared = (transport: Transport) => transport in TRUNCATED
const truncated = ({ transport }: Case) => TRUNCATED[transport as keyof typeof TRUNCATED]
const BELLS: Violation = { what: 'bells', bells: { count: 50_000, descriptors: 0 } }

const VIOLATIONS: readonly Violation[] = [
  { what: 'a write position beyond the ring', words: { write: '1099511627776' } },
  { what: 'a write position inside a frame', words: { write: '3' } },
  { what: 'a write position that is all ones', words: { write: MAX } },
  { what: 'a write position past frames that were never written', words: { write: '4096' } },
  {
    what: 'a count of publishes that is all ones',
    words: { published: MAX },
    harmless: true,
    inShared: true,
  },
  {
    what: 'an arming word that is all ones',
    words: { armed: MAX },
    harmless: true,
    inShared: true,
  },
  { what: 'a synchronous wait that is all ones', words: { syncWait: MAX }, harmless: true },
  {
    what: 'a position that belongs to the server',
    words: { victims: MAX },
    harmless: true,
    inShared: true,
  },
  { what: 'a wrong magic', frames: spoilt('magic') },
  { what: 'a wrong header version', frames: spoilt('version') },
  { what: 'a frame of an unknown kind', frames: spoilt('kind') },
  { what: 'a length beyond the ring', frames: spoilt('length') },
  { what: 'a wrong header checksum', frames: spoilt('checksum') },
  { what: 'a wrong payload checksum', frames: spoilt('payload'), crc: true },
  {
    // More than a receiver has had room for so far, so that it may be taken in elsewhere.
    what: 'a wrong payload checksum behind a message that is sound',
    frames: [
      ...[define('note'), define('other', 1)],
      frame({ held: true, payload: '77'.repeat(3000) }),
      frame({ code: 1, spoil: 'payload', payload: '77'.repeat(3500) }),
    ],
    crc: true,
  },
  {
    what: 'a length that wraps around, behind messages like it',
    frames: [
      ...[define('note'), frame({ held: true }), frame({ held: true }), frame({ held: true })],
      frame({ spoil: 'wrapping length' }),
    ],
    crc: true,
  },
  {
    what: 'an invalid option block',
    frames: [define('note'), frame({ spoil: 'options', payload: 'ff'.repeat(16) })],
  },
  {
    what: 'a compressed payload for a method that does not accept any',
    frames: [define('note'), frame({ spoil: 'options', payload: `${packed(4096)}00112233` })],
    harmless: true,
  },
  {
    what: 'a compressed payload that cannot be unpacked',
    frames: [define('packed bytes'), compressed(4096, '0400000000112233')],
  },
  {
    what: 'a compressed payload that unpacks to more than agreed',
    frames: [define('packed bytes'), compressed(2 ** 32 - 1, '040000001f00')],
  },
  {
    what: 'a compressed payload with an empty block',
    frames: [define('packed bytes'), compressed(2 ** 26, '0000008000000080')],
  },
  { what: 'an unknown control code', frames: [frame({ kind: CONTROL, code: 99 })] },
  { what: 'LEAVING with a payload', frames: [live(7, 0, '00')] },
  { what: 'LEAVING in a lane', frames: [frame({ kind: CONTROL, code: 7 })] },
  { what: 'PING with a payload', frames: [live(8, 1, '00')] },
  { what: 'PONG without PING', frames: [live(9, 1), live(9, 2 ** 40)], harmless: true },
  {
    what: 'PING 300 times and reads no PONG',
    frames: Array.from({ length: 300 }, (_, id) => live(8, id)),
    harmless: true,
  },
  { what: 'an undefined method code', frames: [frame({ code: 77 })] },
  { what: 'a request on the control ring', frames: [frame({ ring: CONTROL_RING, kind: REQUEST })] },
  {
    what: 'an answer to no request',
    frames: [frame({ kind: REPLY, id: 2 ** 33 + 5 })],
    harmless: true,
  },
  {
    what: 'an answer with an id that was never used',
    frames: [frame({ kind: REPLY, id: 12_345 })],
  },
  { what: 'a control frame with a codec', frames: [frame({ kind: CONTROL, code: 2, codec: 1 })] },
  {
    what: 'a one-way message with a deadline',
    frames: [define('note'), frame({ spoil: 'options', payload: BUDGET })],
  },
  {
    what: 'a duplicate option',
    frames: [define('note'), frame({ spoil: 'options', payload: TRACED_TWICE })],
  },
  {
    what: 'a payload that is not MessagePack',
    frames: [define('add'), frame({ kind: REQUEST, id: 2 ** 33, codec: 1, payload: 'c1c1c1' })],
    harmless: true,
  },
]

export const malicious: readonly Row[] = [
  ...VIOLATIONS.map((violation) =>
    row(
      `a client writes ${violation.what}`,
      (t) => beside(t, violation),
      ({ transport }) => !violation.inShared || isShared(transport),
    ),
  ),
  row('a client claims to have read what was never written', readsTooMuch),
  row(
    'a client truncates the memory',
    (t) => beside(t, truncated(t)),
    ({ transport }) => isShared(transport),
  ),
  row(
    'a server truncates the memory',
    (t) => t.besideTraffic(() => maliciousServer(t, truncated(t))),
    ({ transport }) => isShared(transport),
  ),
  // Where no memory is shared, bells are no records.
  row('a client rings the bell 50,000 times', (t) =>
    beside(t, { ...BELLS, harmless: isShared(t.transport) }),
  ),
  row('a client sends descriptors with a bell', (t) =>
    beside(t, { what: 'descriptors', bells: { count: 1, descriptors: 2 } }),
  ),
  row('a client writes random data at random positions', async (t) => {
    await t.besideTraffic(async () => {
      for (const seed of [1, 2, 3, 4]) {
        const { testPeer, peer } = await maliciousClient(t, t.main, {})
        await testPeer.do('malicious', { storm: { peer, seed: seed * 7919, rounds: 100 } })
        await testPeer.kill()
      }
    })
    assert.equal(await t.request('add', [1, 2]), 3)
  }),
  row('a client writes LEAVING twice', async (t) => {
    const server = await t.serve()
    await t.besideTraffic(async () => {
      const { testPeer, peer } = await maliciousClient(t, server, {})
      await write(testPeer, peer, { frames: [live(7), live(7)] })
      // The server has nothing in flight, and closes in good order.
      const watched = await testPeer.do('malicious', { watch: { peer, ms: CONDITION_MS } })
      assert.equal(watched, 'closed')
      assert.deepEqual(await t.endings(server), [null])
    })
  }),
  row('a server writes invalid data', async (t) => {
    for (const violation of VIOLATIONS) {
      if (violation.harmless || violation.crc) continue
      await t.besideTraffic(() => maliciousServer(t, violation))
    }
  }),
]

async function maliciousClient(t: Case, server: string, hello: object) {
  const testPeer = t.spawn('rust')
  const { transport } = t
  const before = (await t.responder.do('connections', { server })).accepted
  const connect = { path: t.path(server), transport, until: 'ready', hello }
  const { peer } = await testPeer.do('malicious', { connect })
  assert.ok(peer, 'the malicious peer was not accepted')
  const accepted = async () => (await t.responder.do('connections', { server })).accepted
  await until('the server has accepted it', async () => (await accepted()) > before)
  return { testPeer, peer: peer as number }
}

async function write(
  testPeer: TestPeer,
  peer: number,
  { words = {}, frames = [], length, bells }: Omit<Violation, 'what'>,
): Promise<void> {
  if (length !== undefined) {
    const resized = testPeer.do('malicious', { resize: { peer, length } })
    await resized.catch(({ message }: Error) => assert.match(message, /not permitted/))
    bells ??= { count: 1, descriptors: 0 }
  }
  if (bells) await testPeer.do('malicious', { bells: { peer, ...bells } })
  for (const [word, value] of Object.entries(words)) {
    await testPeer.do('malicious', { word: { peer, ring: NORMAL, word, value } })
  }
  for (const frame of frames) await testPeer.do('malicious', { frame: { peer, ...frame } })
}

async function beside(t: Case, violation: Violation): Promise<void> {
  const { crc = false, harmless = false } = violation
  const server = await t.serve()
  await t.besideTraffic(async () => {
    const { testPeer, peer } = await maliciousClient(t, server, { crc })
    await write(testPeer, peer, violation)
    const ms = harmless ? 50 : CONDITION_MS
    const found = await testPeer.do('malicious', { watch: { peer, ms } })
    assert.equal(found, harmless ? 'open' : 'closed')
    if (harmless) return
    assert.deepEqual(await t.endings(server), ['ERR_CORRUPT'])
  })
}

/** The server checks the read position when it needs space, so it is made to send a long answer. */
async function readsTooMuch(t: Case): Promise<void> {
  const server = await t.serve()
  await t.besideTraffic(async () => {
    const { testPeer, peer } = await maliciousClient(t, server, {})
    // 4,000,000 in MessagePack: an answer that does not fit the ring.
    const payload = 'ce003d0900'
    const request = frame({ kind: REQUEST, id: 2 ** 33, codec: 1, payload })
    await write(testPeer, peer, {
      words: { read: '1099511627776' },
      frames: [define('text'), request],
    })
    assert.equal(await testPeer.do('malicious', { watch: { peer, ms: CONDITION_MS } }), 'closed')
    assert.deepEqual(await t.endings(server), ['ERR_CORRUPT'])
  })
}

async function maliciousServer(t: Case, violation: Violation): Promise<void> {
  const testPeer = t.spawn('rust')
  const server = fresh()
  const { transport } = t
  const serve = { path: t.path(server), transport, answer: 'good' }
  const { peer } = await testPeer.do('malicious', { serve })
  const connection = await t.connect(server)
  const { outcome } = t.begin('add', [1, 2], { connection })
  const stats = () => t.caller.do('stats', { connection })
  await until('the request is pending', async () => (await stats()).pending === 1)
  await until('the malicious server has accepted', () =>
    testPeer.do('malicious', { watch: { peer, ms: 1 } }).then(
      () => true,
      () => false,
    ),
  )
  await write(testPeer, peer, violation)
  if (violation.harmless) {
    assert.equal((await stats()).isOpen, true, violation.what)
    return
  }
  await fails(outcome, 'ERR_PEER_LOST')
  assert.equal(await t.caller.do('closed', { connection }), 'ERR_CORRUPT', violation.what)
}
