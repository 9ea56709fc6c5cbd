// A server whose socket is a supervisor's, as systemd hands it over: clients wait while it is started
// anew. examples/service shows the whole of it.

import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { connect, createServer, systemdSocket } from 'ringpost'
import { attempt, isRoot } from './helpers/attempt.mjs'
import { WhoServes } from './helpers/contracts.mjs'
import { directory } from './helpers/directory.mjs'
import { until } from './helpers/program.mjs'

const program = (name: string) => fileURLToPath(new URL(`./programs/${name}.mjs`, import.meta.url))
const NAME = 'served'
/** What systemd says to a process it hands one socket. */
const HANDED = 'export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=one.socket;'

interface Supervised {
  where: string
  path: string
  /** Starts a server with these variables; resolves to what it reports first. */
  start(shell?: string, argument?: object, prefix?: readonly string[]): Promise<any>
  /** What is reported next. */
  next(): Promise<any>
}

/** A socket in a directory of its own, and a process that listens there and starts servers. */
async function supervise(t: ExecutionContext, within = directory, user?: number): Promise<Supervised> {
  const where = mkdtempSync(join(within, 'service-'))
  chmodSync(where, 0o700)
  if (user !== undefined) chownSync(where, user, user)
  const path = join(where, `${NAME}.sock`)
  const env = { ...process.env, RINGPOST_DIR: where }
  const args = [program('supervisor'), path, ...(user === undefined ? [] : [String(user)])]
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.stdin.end())
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await lines.next()).value as string)
  await next()
  return {
    ...{ where, path, next },
    start(shell = HANDED, argument = {}, prefix = []) {
      const json = JSON.stringify({ name: NAME, ...argument })
      const command = [...prefix, process.execPath, program('service'), json]
      child.stdin.write(`${shell} exec ${command.map((word) => `'${word}'`).join(' ')}\n`)
      return next()
    },
  }
}

/** Whether a client waits to be accepted. */
const isQueued = (path: string) =>
  readFileSync('/proc/net/unix', 'utf8').split('\n').filter((line) => line.endsWith(path)).length > 1

/** Connects as soon as there is a server, which answers and is the one that was asked. */
async function asked(where: string): Promise<number> {
  const client = await connect(NAME, { directory: where, connectTimeoutMs: 60_000 })
  const pid = await client.request(WhoServes)
  const { peer } = client
  await client.close()
  if (peer.pid !== pid) throw new Error(`process ${pid} has answered, and the peer is ${peer.pid}`)
  return pid
}

test('clients wait in the queue of the socket for each server that is started', async (t) => {
  const { where, path, start } = await supervise(t)
  const options = { directory: where }
  for (let round = 0; round < 3; round++) {
    const waiting = asked(where)
    await until('it waits', () => isQueued(path))
    const { fd, pid, left } = await start()
    t.deepEqual({ fd, left }, { fd: 3, left: [] })
    t.is(await waiting, pid)
    process.kill(pid, 'SIGKILL')
    await until('it is dead', () => !isAlive(pid))
    // A process that finds no server removes what dead ones have left, and not this.
    const { code } = await attempt({ verb: 'ask', name: 'another', options })
    t.is(code, 'ERR_NO_SERVER')
    t.true(existsSync(path))
  }
})

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test('a server that closes leaves the socket to its supervisor, and takes its lock away', async (t) => {
  const { where, start, next } = await supervise(t)
  for (let round = 0; round < 2; round++) {
    const { pid } = await start()
    t.is(await asked(where), pid)
    t.deepEqual(readdirSync(where), [`${NAME}.lock`, `${NAME}.sock`, `${NAME}.status`])
    process.kill(pid, 'SIGTERM')
    t.deepEqual(await next(), { closed: true })
    t.deepEqual(readdirSync(where), [`${NAME}.sock`])
  }
})

test('a socket that is gone is reported, a lock that is gone is restored', async (t) => {
  const { where, path, start, next } = await supervise(t)
  const { pid } = await start()
  const lock = join(where, `${NAME}.lock`)
  rmSync(lock)
  await until('it is restored', () => existsSync(lock))
  t.is(await asked(where), pid)
  rmSync(path)
  const { code, message } = await next()
  t.is(code, 'ERR_NO_SERVER')
  t.true(message.includes(path) && message.includes('socket unit'), message)
  t.deepEqual(readdirSync(where), [])
})

test('a name with an inherited socket is not handed over', async (t) => {
  const { where, start } = await supervise(t)
  const { pid } = await start()
  const taking = createServer(NAME, { directory: where, takeOver: true })
  await t.throwsAsync(taking, { code: 'ERR_FEATURE', message: /supervisor/ })
  t.is(await asked(where), pid)
})

test('without a socket the same program listens at one of its own', async (t) => {
  const { path, where, start } = await supervise(t)
  rmSync(path)
  const { fd, pid } = await start('')
  t.is(fd, null)
  t.is(await asked(where), pid)
})

test('what is wrong with the sockets is an error that says what to change', async (t) => {
  const { path, start } = await supervise(t)
  const two = 'export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=one:two;'
  const elsewhere = join(tmpdir(), 'elsewhere')
  for (const [shell, argument, message] of [
    [HANDED, { name: 'other' }, `ListenStream=${path.replace(NAME, 'other')}`],
    [HANDED, { directory: elsewhere }, `ListenStream=${join(elsewhere, NAME)}.sock`],
    [`exec 3</dev/null; ${HANDED}`, {}, 'no Unix stream socket that listens'],
    ['export LISTEN_PID=1 LISTEN_FDS=1;', {}, 'handed to process 1'],
    ['export LISTEN_PID=$$ LISTEN_FDS=many;', {}, 'LISTEN_FDS must be 0 to 1024, got "many"'],
    [two, {}, '2 sockets were handed over, one, two: say which'],
    [two, { socket: 'three' }, '0 of them are named "three"'],
  ] as const) {
    const found = await start(shell, argument)
    t.is(found.code, 'ERR_INVALID_ARGUMENT', found.message)
    t.true(found.message.includes(message), found.message)
  }
  rmSync(elsewhere, { recursive: true, force: true })
  t.is((await start(two, { socket: 'one' })).fd, 3)
})

test('wrong options are refused at once', async (t) => {
  t.is(systemdSocket(), undefined)
  t.throws(() => systemdSocket(3 as never), { instanceOf: TypeError })
  const serve = (options: object) => createServer('wrong', options)
  await t.throwsAsync(serve({ fd: '3' }), { instanceOf: TypeError, message: /fd must be a number/ })
  await t.throwsAsync(serve({ fd: -1 }), { instanceOf: RangeError, message: /got -1/ })
  const closed = { code: 'ERR_INVALID_ARGUMENT', message: /is not open/ }
  await t.throwsAsync(serve({ fd: 2 ** 31 - 1 }), closed)
  const both = { instanceOf: RangeError, message: /fd must be left out with takeOver/ }
  await t.throwsAsync(serve({ fd: 3, takeOver: true }), both)
})

test('a server runs where V8 compiles nothing, which MemoryDenyWriteExecute= asks for', async (t) => {
  const options = { directory: mkdtempSync(join(directory, 'jitless-')) }
  const env = { NODE_OPTIONS: '--jitless' }
  const { answer, message } = await attempt({ verb: 'both', name: NAME, options }, { env })
  t.is(answer, 'answer', message)
})

const NOBODY = 65_534
const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
const asRoot =
  isRoot && spawnSync(asNobody[0], [...asNobody.slice(1), 'true']).status === 0 ? test : test.skip

asRoot('a supervisor may be root: who serves is who answers', async (t) => {
  const reachable = mkdtempSync(join(tmpdir(), 'ringpost-reachable-'))
  t.teardown(() => rmSync(reachable, { recursive: true, force: true }))
  chmodSync(reachable, 0o711)
  const { where, path, start } = await supervise(t, reachable, NOBODY)
  const what = { verb: 'ask', name: NAME, options: { directory: where, connectTimeoutMs: 60_000 } }
  const waiting = attempt(what, { prefix: asNobody })
  await until('it waits', () => isQueued(path))
  const { pid } = await start(HANDED, {}, asNobody)
  const found = await waiting
  t.like(found, { answer: 'answer', pid }, found.message)
  process.kill(pid, 'SIGKILL')
  // Clients of that user let no other one serve them, not even root.
  const foreign = attempt(what, { prefix: asNobody })
  await until('it waits', () => isQueued(path))
  t.is((await start()).code, 'ERR_FOREIGN_USER')
  await start(HANDED, {}, asNobody)
  t.is((await foreign).answer, 'answer')
})
