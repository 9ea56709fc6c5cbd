// Payloads that are compressed on their way, as seen through what waits for room.

import ava from 'ava'
import { bytes, event, method } from 'ringpost'
import { Blob, PackedTick } from './helpers/contracts.mjs'
import { pair } from './helpers/program.mjs'

const test = ava.serial
const MIB = 1 << 20

test('a compressed payload takes less space and is restored', async (t) => {
  const rings = { normal: 262_144 }
  const { client, server } = await pair(t, { client: { rings } })
  server.stop()
  const text = Buffer.from('all work and no play '.repeat(50_000))
  const answer = client.request(Blob, text)
  for (let count = 0; count < 5; count++) t.true(client.notify(PackedTick, text))
  await client.drained()
  t.is(client.stats().queuedBytes, 0)
  server.resume()
  t.deepEqual(Buffer.from(await answer), text)
  t.is(await client.request('packed-ticked'), 5 * text.length)
})

test('a synchronous request may be compressed; an incompressible payload is sent as it is', async (t) => {
  const { client } = await pair(t)
  const noise = new Uint8Array(MIB)
  for (let at = 0; at < noise.length; at += 65_536) {
    crypto.getRandomValues(noise.subarray(at, at + 65_536))
  }
  for (const payload of [noise, new Uint8Array(5 * MIB), new Uint8Array(4096), new Uint8Array(0)]) {
    t.deepEqual(new Uint8Array(client.requestSync(Blob, payload)), payload)
  }
})

test('a payload above the agreed length is rejected however well it compresses', async (t) => {
  const { client } = await pair(t, { client: { messageLenMax: 10_000 } })
  const error = { code: 'ERR_TOO_LARGE' }
  await t.throwsAsync(client.request(Blob, new Uint8Array(10_001)), error)
  t.is((await client.request(Blob, new Uint8Array(10_000))).length, 10_000)
})

test('the option compress is a boolean', (t) => {
  const wrong = { compress: 'yes' } as unknown as { compress: boolean }
  const error = { code: 'ERR_INVALID_ARGUMENT' }
  t.throws(() => method('x', { codec: bytes, ...wrong }), error)
  t.throws(() => event('x', wrong), error)
})
