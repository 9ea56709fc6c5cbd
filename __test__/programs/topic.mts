// Publishes to a topic as it is told to, or subscribes to one and says what it has found.

import { setImmediate } from 'node:timers/promises'
import { createTopic, subscribe, type IpcError } from 'ringpost'
import { isWhole, whole, Wholes } from '../helpers/topics.mjs'
import type { Found, TopicProgram } from '../helpers/topics.mjs'

const settings = JSON.parse(process.argv[2]) as TopicProgram
const { name, publish, timeoutMs, takeOver, capacity, readTo = Infinity } = settings
const report = (message: unknown) => process.send!(message)

if (publish !== undefined) {
  const publisher = createTopic(Wholes(name, capacity), { timeoutMs, takeOver })
  report(publisher.number)
  if (publish === 'always') {
    for (;;) {
      for (let count = 0; count < 100; count++) await publisher.publish(whole(publisher.number + 1))
      await setImmediate()
    }
  }
  process.on('message', async (count: string) => {
    const start = performance.now()
    for (let left = Number(count); left > 0; left--) {
      await publisher.publish(whole(publisher.number + 1))
    }
    const { number } = publisher
    report({ number, tookMs: performance.now() - start, stats: publisher.stats() })
  })
} else if (settings.asksOnce) {
  const step = subscribe(Wholes(name)).next()
  report('subscribed')
  report(await step.then(({ value }) => value!.number, (error: IpcError) => error.code))
} else {
  const found: Found = { received: 0, skipped: 0, wrong: 0, restarts: 0, ends: [] }
  const all = Array.from({ length: settings.subscriptions ?? 1 }, () =>
    subscribe(Wholes(name), settings.options),
  )
  process.on('message', () => report(found))
  report('subscribed')
  const readAll = all.map(async (subscription) => {
    let last = { number: 0, generation: 0 }
    try {
      for await (const item of subscription) {
        const { value, number, generation, skipped, restarted } = item
        found.received++
        found.skipped += skipped
        if (restarted) found.restarts++
        const isFirst = last.generation === 0 && skipped === 0
        const before = generation === last.generation ? last.number : 0
        const isNext = isFirst || number === before + skipped + 1
        if (!isWhole(value) || value.n !== number || !isNext) found.wrong++
        last = { number, generation }
        if (value.n >= readTo) return
      }
    } catch (error) {
      found.ends.push((error as IpcError).code)
    }
  })
  await Promise.all(readAll)
  report(found)
  process.disconnect()
}
