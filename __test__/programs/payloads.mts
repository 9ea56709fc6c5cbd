// Exchanges every kind of payload with a server of `server.mts`, which has the name passed as its
// argument, and reports those that were right.

import assert from 'node:assert/strict'
import {
  connect,
  createMap,
  createStateFrame,
  createTopic,
  openMap,
  openStateFrame,
  sharedMap,
  stateFrame,
  subscribe,
  topic,
} from 'ringpost'
import * as contracts from '../helpers/contracts.mjs'
import { Chunks } from '../helpers/streams.mjs'

const client = await connect(JSON.parse(process.argv[2]) as string)
const of = (length: number) => Buffer.alloc(length, 'any bytes')
const large = of(5 << 20)

const KINDS: Record<string, () => Promise<void>> = {
  async kept() {
    const payloads = [0, 1, 100, 50_000].map(of)
    const kept = await Promise.all(payloads.map((it) => client.request(contracts.EchoBytes, it)))
    for (const [at, payload] of payloads.entries()) assert.ok(payload.equals(kept[at]))
  },
  async borrowed() {
    const echoed = await client.request(contracts.Borrowed, of(1000))
    assert.ok(of(1000).equals(echoed.subarray(1)))
  },
  async large() {
    for (let round = 0; round < 3; round++) {
      assert.ok(large.equals(await client.request(contracts.EchoBytes, large)))
    }
  },
  async compressed() {
    assert.ok(large.equals(await client.request(contracts.Blob, large)))
  },
  async synchronous() {
    assert.ok(of(1000).equals(client.requestSync(contracts.EchoBytes, of(1000))))
    assert.ok(large.equals(client.requestSync(contracts.EchoBytes, large)))
  },
  async values() {
    const value = { text: 'x'.repeat(100_000), bytes: new Uint8Array(of(100)), list: [1, null] }
    assert.deepEqual(await client.request(contracts.Echo, value), value)
  },
  async error() {
    const failure = { name: 'RangeError', message: 'refused', code: 'E_REFUSED' }
    await assert.rejects(client.request(contracts.Fail, failure), failure)
  },
  async items() {
    for (const [count, length] of [[1000, 100], [3, 300_000]]) {
      let received = 0
      for await (const item of client.stream(Chunks, Buffer.from(`[${count},${length}]`))) {
        assert.ok(Buffer.alloc(length, 7).equals(item))
        received++
      }
      assert.equal(received, count)
    }
  },
  async events() {
    for (let sent = 0; sent < 100; sent++) client.notify(contracts.TickBytes, of(1000))
    assert.equal(await client.request(contracts.TickedBytes), 100_000)
  },
  async 'state frame'() {
    const Frame = stateFrame<Buffer>('payloads')
    using frame = createStateFrame(Frame)
    using reader = openStateFrame(Frame)
    frame.write(large)
    assert.ok(large.equals(reader.read().value!))
  },
  async map() {
    const Map = sharedMap<Buffer>('payloads')
    using map = createMap(Map)
    using reader = openMap(Map)
    map.set('key', of(1000))
    assert.ok(of(1000).equals(reader.get('key')!))
  },
  async topic() {
    const Topic = topic<Buffer>('payloads')
    using publisher = createTopic(Topic)
    using subscription = subscribe(Topic, { from: 'oldest' })
    void publisher.publish(of(1000))
    const { value } = await subscription.next()
    assert.ok(of(1000).equals(value!.value))
  },
}

for (const check of Object.values(KINDS)) await check()
process.send!(Object.keys(KINDS))
await client.close()
process.disconnect()
