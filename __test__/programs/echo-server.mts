// A server that tests kill and start again: it serves one name until it is ended.

import { createServer, method, stream, type ServerOptions } from 'ringpost'

const { name, options } = JSON.parse(process.argv[2]) as { name: string; options?: ServerOptions }

/** Answers never, unless it is asked again. */
const Once = method<string, { replayed: boolean; pid: number }>('once', { idempotent: true })
const Count = stream<number, number>('count', { resumable: true })

const server = await createServer(name, options)
server.handle('echo', (value) => value)
server.handle('pid', () => process.pid)
server.handle('never', () => new Promise(() => {}))
server.handle('dismiss', (_, { connection }) => void connection.close())
server.handle(Once, (_, { replayed }) => {
  return replayed ? { replayed, pid: process.pid } : new Promise<never>(() => {})
})
// Ten items a process, so that the rest is another one's.
server.handle(Count, async function* (upTo, { itemsTaken }) {
  counts++
  for (let item = itemsTaken; item < upTo; item++) {
    if (item === itemsTaken + 10) await new Promise(() => {})
    yield item
  }
})
let counts = 0
server.handle('counts', () => counts)
server.handle('heard', () => heard)
const heard: unknown[] = []
server.on('say', (word) => heard.push(word))
server.on('connection', (connection) => connection.notify('welcome', process.pid))
const leave = () => void server.close({ drainMs: 30_000 }).then(() => process.exit())
server.on('takenOver', leave)
process.on('SIGTERM', leave)
process.on('disconnect', () => process.exit())
process.send!('serving')
