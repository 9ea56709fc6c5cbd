// A server that reports what is seen inside of it: async contexts, channels, spans.

import { AsyncLocalStorage } from 'node:async_hooks'
import { channel, subscribe } from 'node:diagnostics_channel'
import { setTimeout } from 'node:timers/promises'
import { createServer, event, type DiagnosticsChannels } from 'ringpost'
import { Numbers, Pings, type Published } from '../helpers/inside.mjs'

const { name, traced } = JSON.parse(process.argv[2]) as { name: string; traced?: boolean }

const storage = new AsyncLocalStorage<string>()
/** What is bound to the start of handlers. */
const bound = new AsyncLocalStorage<string>()
const published: Published[] = []

if (!traced) {
  channel('ringpost:handler:start').bindStore(bound, (message) => {
    return `bound to ${(message as DiagnosticsChannels['ringpost:handler:start']).name}`
  })
}
const watched: (keyof DiagnosticsChannels)[] = [
  ...(['start', 'end', 'error'] as const).map((moment) => `ringpost:handler:${moment}` as const),
  'ringpost:connection:open',
  'ringpost:connection:close',
]
for (const moment of watched) {
  subscribe(moment, (message) => {
    const { kind, name, code, traceparent, durationMs, peer, reason } = message as Published &
      DiagnosticsChannels[keyof DiagnosticsChannels]
    const { pid } = peer
    published.push({ moment, kind, name, code, traceparent, durationMs, pid, reason })
  })
}

const spans = traced ? (await import('./spans.mjs')).trace() : undefined

await storage.run('registered', async () => {
  const server = await createServer(name)
  const see = () => [storage.getStore() ?? null, bound.getStore() ?? null]
  server.handle('see', see)
  server.handle('see later', async () => {
    await setTimeout(5)
    return see()
  })
  server.handle('enter', (value: string) => storage.enterWith(value))
  server.handle('fail', () => {
    throw Object.assign(new RangeError('no way'), { code: 'E_MINE' })
  })
  server.handle('reject', async () => {
    throw new TypeError('no way either')
  })
  server.handle('never', () => new Promise(() => {}))
  server.handle('settles late', (_, { signal }) => {
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(null)))
  })
  server.handle('count', (_, { connection }) => connection.stats())
  server.handle('count all', () => server.stats())
  server.handle('unhandled', () => server.stats().unhandled)
  server.handle('back', (method: string, { connection }) => connection.request(method))
  server.handle('back sync', (method: string, context) => {
    return context.connection.requestSync(method, undefined, { parent: context })
  })
  server.handle(Numbers, async function* (count) {
    for (let number = 0; number < count; number++) yield number
    if (count < 0) throw Object.assign(new Error('negative'), { code: 'E_NEGATIVE' })
    return see()[1]
  })
  server.handle(Pings, async (count, { connection }) => {
    for (let sent = 0; sent < count; sent++) connection.notify(event('ping'), sent)
  })
  const seen: unknown[] = []
  server.on(event('seen'), () => seen.push(see()))
  server.handle('seen', () => seen)
  server.handle('published', () => published.splice(0))
  server.handle('spans', () => spans?.taken())
})

process.on('disconnect', () => process.exit())
process.send!('ready')
