// What bytes claim costs nothing before it is there, and what was needed once is not kept for ever.

import { Worker } from 'node:worker_threads'
import { once } from 'node:events'
import test from 'ava'
import { messagePack } from 'ringpost'

/** A thread with so little memory that believing a claim ends it. */
const RESOURCES = { maxOldGenerationSizeMb: 48, maxYoungGenerationSizeMb: 8 }

/** Decodes in such a thread. Resolves to what each of the payloads came to. */
async function decodeWithLittleMemory(payloads: Uint8Array[]): Promise<string[]> {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { messagePack } = require('ringpost')
    parentPort.postMessage(workerData.map((payload) => {
      try {
        messagePack.decode(payload)
        return 'a value'
      } catch (error) {
        return error.name
      }
    }))`
  const worker = new Worker(code, { eval: true, workerData: payloads, resourceLimits: RESOURCES })
  const [outcomes] = (await once(worker, 'message')) as [string[]]
  await worker.terminate()
  return outcomes
}

/** `tag` with a length of 32 bits behind it. */
function claim(tag: number, length: number): number[] {
  return [tag, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255]
}

const [LIST, OBJECT, TEXT, BYTES] = [0xdd, 0xdf, 0xdb, 0xc6]

test('lists and objects that claim to be long are rejected before memory is allocated', async (t) => {
  const payloads: Uint8Array[] = []
  for (const tag of [LIST, OBJECT, TEXT, BYTES]) {
    for (const length of [1e6, 5e6, 2e7, 2 ** 26, 2 ** 32 - 1]) {
      payloads.push(Uint8Array.from(claim(tag, length)))
      // Many of them in one another, each with a little behind it.
      const nested = Array.from({ length: 100 }, () => claim(LIST, length)).flat()
      payloads.push(Uint8Array.from([...nested, ...claim(tag, length), 1, 2, 3]))
    }
  }
  const outcomes = await decodeWithLittleMemory(payloads)
  t.deepEqual(outcomes, payloads.map(() => 'RangeError'))
})

test('memory of a long value is not kept by the short values after it', (t) => {
  const memory = (value: unknown) => messagePack.encode(value).buffer.byteLength
  for (const length of [100, 1 << 20, 1 << 24, 1 << 25]) {
    t.true(memory('x'.repeat(length)) >= length)
    t.true(memory('short') <= 8 << 20, `after ${length} bytes`)
  }
})
