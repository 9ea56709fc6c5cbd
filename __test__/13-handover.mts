// Handing a name over to a new server: no client is refused, whoever dies in between.

import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { connect, createServer, IpcError, type ServerOptions } from 'ringpost'
import { WhoServes } from './helpers/contracts.mjs'
import { directory } from './helpers/directory.mjs'
import { Program, until } from './helpers/program.mjs'

const TRANSPORTS = ['sealed', 'portable'] as const
const files = (name: string) => readdirSync(directory).filter((file) => file.startsWith(`${name}.`))
const all = (name: string) => [`${name}.lock`, `${name}.sock`, `${name}.status`]

/** A server in a process of its own, which serves once it has reported that it is ready. */
const start = (name: string, server: ServerOptions = {}) =>
  new Program('handover', { name, server })

async function serve(name: string, server?: ServerOptions): Promise<Program> {
  const program = start(name, server)
  await program.report()
  return program
}

/** Connects, asks which process serves, and closes. */
async function asked(name: string): Promise<number> {
  const client = await connect(name)
  try {
    return await client.request(WhoServes)
  } finally {
    await client.close()
  }
}

/** Whether a client waits to be accepted: the kernel lists its socket beside the one that listens. */
function isQueued(name: string): boolean {
  const path = join(directory, `${name}.sock`)
  const lines = readFileSync('/proc/net/unix', 'utf8').split('\n')
  return lines.filter((line) => line.endsWith(path)).length > 1
}

for (const transport of TRANSPORTS) {
  test(`five handovers refuse, lose and repeat nothing, ${transport}`, async (t) => {
    const name = `busy-${transport}`
    let serving = await serve(name, { transport })
    const answered = new Map<number, number>()
    let isDone = false
    const client = async () => {
      while (!isDone) {
        const pid = await asked(name)
        answered.set(pid, (answered.get(pid) ?? 0) + 1)
      }
    }
    const clients = Promise.all([client(), client(), client()])
    const isServing = ({ pid }: Program) => until('it serves', () => (answered.get(pid) ?? 0) > 50)
    const handled = new Map<number, number>()
    for (let handover = 0; handover < 5; handover++) {
      await Promise.race([isServing(serving), clients])
      const next = await serve(name, { transport, takeOver: true })
      t.is(await serving.report(), 'taken over')
      handled.set(serving.pid, await serving.report<number>())
      t.deepEqual(files(name), all(name), 'what is left after the old server has closed')
      serving = next
    }
    await Promise.race([isServing(serving), clients])
    isDone = true
    await clients
    t.is(answered.size, 6)
    for (const [pid, count] of handled) t.is(answered.get(pid), count)
    serving.send('close')
    await until('its files are removed', () => files(name).length === 0)
  })
}

test('connections stay with the server that has handed its name over', async (t) => {
  const old = await serve('stays')
  const early = await connect('stays')
  const young = await serve('stays', { takeOver: true })
  t.is(await old.report(), 'taken over')
  t.is(await early.request(WhoServes), old.pid)
  t.is(await asked('stays'), young.pid)
  await early.close()
  t.is(await old.report(), 1)
})

test('a server takes over within one thread', async (t) => {
  const old = await createServer('thread')
  old.handle(WhoServes, () => 1)
  const early = await connect('thread')
  const takenOver = once(old, 'takenOver')
  await using young = await createServer('thread', { takeOver: true })
  young.handle(WhoServes, () => 2)
  await takenOver
  t.is(await early.request(WhoServes), 1)
  t.is(await asked('thread'), 2)
  await early.close()
  await old.close()
  t.deepEqual(files('thread'), all('thread'))
  await young.close()
  t.deepEqual(files('thread'), [])
})

test('a server that was taken over and has no clients waits for none', async (t) => {
  const old = await createServer('idle')
  const takenOver = once(old, 'takenOver')
  await using young = await createServer('idle', { takeOver: true })
  await takenOver
  let isClosed = false
  void old.close({ drainMs: 1e9 }).then(() => (isClosed = true))
  await until('it is closed', () => isClosed)
  t.is(young.connections.size, 0)
})

test('without a server of the name, or with a dead one, a server just starts', async (t) => {
  await using first = await createServer('fresh', { takeOver: true })
  t.is(first.name, 'fresh')
  await (await serve('dead')).kill()
  await using second = await createServer('dead', { takeOver: true })
  second.handle(WhoServes, () => 2)
  t.is(await asked('dead'), 2)
})

test('clients see the new process at the other end, and it sees itself', async (t) => {
  await serve('seen')
  await using own = await createServer('seen', { takeOver: true })
  const client = await connect('seen')
  t.like(client.peer, { pid: process.pid, isSelf: true })
  await client.close()
  const young = await serve(own.name, { takeOver: true })
  const other = await connect('seen')
  t.like(other.peer, { pid: young.pid, isSelf: false })
  await other.close()
})

test('a token that is wrong or missing gets no name', async (t) => {
  const old = await serve('guarded', { token: 'secret' })
  for (const options of [{ token: 'secre' }, { token: 'x'.repeat(1024) }, {}]) {
    const taking = createServer('guarded', { ...options, takeOver: true })
    await t.throwsAsync(taking, { instanceOf: IpcError, code: 'ERR_TOKEN' })
  }
  const client = await connect('guarded', { token: 'secret' })
  t.is(await client.request(WhoServes), old.pid)
  await client.close()
  await using young = await createServer('guarded', { token: 'secret', takeOver: true })
  t.is(await old.report(), 'taken over')
  t.is(young.connections.size, 0)
})

test('the clients that wait are served, although the old server has died meanwhile', async (t) => {
  const old = await serve('stopped')
  old.stop()
  const taking = start('stopped', { takeOver: true })
  await until('it has asked', () => isQueued('stopped'))
  await old.kill()
  t.is(await taking.report(), 'ready')
  t.is(await asked('stopped'), taking.pid)
})

test('a server whose successor has died before its time goes on', async (t) => {
  const old = await serve('orphaned')
  old.stop()
  const taking = start('orphaned', { takeOver: true })
  await until('it has asked', () => isQueued('orphaned'))
  await taking.kill()
  old.resume()
  t.is(await asked('orphaned'), old.pid)
  const young = await serve('orphaned', { takeOver: true })
  t.is(await old.report(), 'taken over')
  t.is(await asked('orphaned'), young.pid)
})

test('of several that take over at once each gets the name from another', async (t) => {
  const old = await serve('wanted')
  const wanting = Array.from({ length: 4 }, () => start('wanted', { takeOver: true }))
  for (const one of wanting) t.is(await one.report(), 'ready')
  const last = await asked('wanted')
  t.true(wanting.some(({ pid }) => pid === last))
  for (const one of [old, ...wanting]) {
    if (one.pid === last) continue
    t.is(await one.report(), 'taken over')
    t.is(await one.report(), 0)
  }
  t.deepEqual(files('wanted'), all('wanted'))
})

test('a server that ends each handshake is given up', async (t) => {
  const path = join(directory, 'mute.sock')
  const mute = net.createServer((socket) => socket.destroy()).listen(path)
  await once(mute, 'listening')
  t.teardown(() => mute.close())
  const taking = createServer('mute', { takeOver: true })
  await t.throwsAsync(taking, { instanceOf: IpcError, code: 'ERR_HANDSHAKE' })
})
