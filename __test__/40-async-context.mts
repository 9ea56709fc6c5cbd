// Stores of AsyncLocalStorage: behind what is awaited they are the caller's own, and a handler has
// those of its message.

import { AsyncLocalStorage } from 'node:async_hooks'
import test from 'ava'
import { event } from 'ringpost'
import { Numbers, Pings } from './helpers/inside.mjs'
import { inside } from './helpers/look-inside.mjs'
import { until } from './helpers/program.mjs'

const Ping = event<number>('ping')
const storage = new AsyncLocalStorage<string>()
const store = () => storage.getStore()

test('behind each await there is the store of its caller', async (t) => {
  const { client } = await inside(t)
  const ask = (mine: string) =>
    storage.run(mine, async () => {
      const seen: unknown[] = []
      await client.request('see')
      seen.push(store())
      await t.throwsAsync(client.request('fail'), { code: 'E_MINE' })
      seen.push(store())
      await client.send('seen')
      seen.push(store())
      await client.drained()
      seen.push(store())
      const numbers = client.stream(Numbers, 3)
      for await (const number of numbers) seen.push(number < 3 && store())
      await numbers.result
      seen.push(store())
      t.deepEqual([...new Set(seen)], [mine])
      t.is(seen.length, 8)
    })
  await Promise.all(Array.from({ length: 20 }, (_, at) => ask(`caller ${at}`)))
  t.is(store(), undefined)
})

test('what takes items together has the store of its caller', async (t) => {
  const { client } = await inside(t)
  const take = (mine: string) =>
    storage.run(mine, async () => {
      const seen: unknown[] = []
      let items = 0
      await client.stream(Numbers, 20_000).forEach((some) => {
        items += some.length
        seen.push(store())
      })
      seen.push(store())
      t.deepEqual([...new Set(seen)], [mine])
      t.is(items, 20_000)
    })
  await Promise.all(['one', 'other'].map(take))
})

test('a loop over events has the store of its caller, and a listener none', async (t) => {
  const { client } = await inside(t)
  const heard: unknown[] = []
  storage.run('registered', () => client.on(Ping, () => heard.push(store())))
  const loop = storage.run('the loop', async () => {
    for await (const count of client.events(Ping)) {
      t.is(store(), 'the loop')
      if (count === 9) return store()
    }
  })
  await client.request(Pings, 10)
  t.is(await loop, 'the loop')
  t.deepEqual(heard, Array.from({ length: 10 }, () => undefined))
})

test('a handler does not see the store in which it was registered, nor one that another entered', async (t) => {
  const { client } = await inside(t)
  const asked = Array.from({ length: 50 }, async (_, at) => {
    await client.request('enter', `message ${at}`)
    t.deepEqual(await client.request('see'), [null, 'bound to see'])
    t.deepEqual(await client.request('see later'), [null, 'bound to see later'])
    client.notify('seen')
  })
  await Promise.all(asked)
  const seen = () => client.request<void, [unknown, unknown][]>('seen')
  await until('all events were handled', async () => (await seen()).length === 50)
  t.deepEqual([...new Set((await seen()).map(String))], [String([null, 'bound to seen'])])
  t.is(await client.stream(Numbers, 1).result, 'bound to numbers')
})
