// Whether servers, clients and pools can be used, and what probes over HTTP are answered.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { request as ask, type RequestOptions } from 'node:http'
import { connect as reach } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { connect, createPool, createServer } from 'ringpost'
import { serveHealth } from 'ringpost/health'
import { directory } from './helpers/directory.mjs'
import { Program, until } from './helpers/program.mjs'

/** An answer, with its body as JSON where it is that. */
async function probe(options: RequestOptions) {
  const request = ask({ host: '127.0.0.1', method: 'GET', agent: false, ...options }).end()
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage]
  let text = ''
  for await (const chunk of response) text += chunk
  const { statusCode: status, headers } = response
  const isJson = headers['content-type'] === 'application/json' && text !== ''
  return { status, headers, text, body: isJson ? (JSON.parse(text) as unknown) : undefined }
}

const listening = (listening: boolean, accepting = listening) => ({
  ok: accepting,
  checks: { listening, accepting },
})

test('a server is healthy while clients can come', async (t) => {
  const server = await createServer('healthy', { connectionsMax: 1 })
  t.deepEqual(server.health(), listening(true))
  const client = await connect('healthy')
  await until('it is there', () => server.connections.size === 1)
  t.deepEqual(server.health(), listening(true, false))
  const closing = server.close({ drainMs: 30_000 })
  t.deepEqual(server.health(), listening(false))
  await Promise.all([client.close(), closing])
  t.deepEqual(server.health(), listening(false))
})

test('a server whose name was taken over is not', async (t) => {
  const server = await createServer('handed')
  const over = once(server, 'takenOver')
  const next = await createServer('handed', { takeOver: true })
  t.teardown(() => Promise.all([server.close(), next.close()]))
  await over
  t.deepEqual([server.health(), next.health()], [listening(false), listening(true)])
})

test('a client is healthy while it has a session that reads', async (t) => {
  const program = new Program('echo-server', { name: 'session' })
  t.teardown(() => program.kill())
  await program.report()
  const client = await connect('session', { unresponsiveAfterMs: 100 })
  const pool = createPool('session')
  t.teardown(() => Promise.all([client.close(), pool.close()]))
  const connected = (connected: boolean, responsive = connected) => ({
    ok: responsive,
    checks: { connected, responsive },
  })
  t.deepEqual(client.health(), connected(true))
  t.deepEqual(pool.health(), { ok: true, checks: { reachable: true } })
  await pool.request('echo')
  const unresponsive = once(client, 'unresponsive')
  program.stop()
  client.notify('say', 'anything')
  await unresponsive
  t.deepEqual(client.health(), connected(true, false))
  const lost = once(client, 'disconnect')
  await program.kill()
  await lost
  t.deepEqual(client.health(), connected(false))
  await until('the pool knows', () => !pool.health().ok)
  await client.close()
  t.deepEqual(client.health(), connected(false))
})

test('probes over HTTP are answered by another process, which ends by itself', async (t) => {
  const program = new Program('observed', { name: 'observed' })
  t.teardown(() => program.kill())
  const port = await program.report<number>()
  const client = await connect('observed', { reconnect: false })
  const live = await probe({ port, path: '/healthz' })
  t.deepEqual([live.status, live.body], [200, { ok: true, checks: {} }])
  t.is(live.headers['cache-control'], 'no-store')
  const checks = { 'server.listening': true, 'server.accepting': true, fine: true, slow: true }
  const ready = await probe({ port, path: '/readyz?verbose' })
  t.deepEqual([ready.status, ready.body], [200, { ok: true, checks }])
  await client.request('break')
  const broken = await probe({ port, path: '/readyz' })
  t.deepEqual([broken.status, broken.body], [503, { ok: false, checks: { ...checks, fine: false } }])
  t.is((await probe({ port, path: '/healthz' })).status, 200)

  const head = await probe({ port, path: '/readyz', method: 'HEAD' })
  t.deepEqual([head.status, head.text], [503, ''])
  t.is(Number(head.headers['content-length']), broken.text.length)
  const post = await probe({ port, path: '/healthz', method: 'POST' })
  t.deepEqual([post.status, post.headers.allow], [405, 'GET, HEAD'])
  t.is((await probe({ port, path: '/' })).status, 404)
  t.regex((await probe({ port, path: '/metrics' })).text, /^ringpost_connections\{role="server",/m)

  // Connections that are open do not keep it alive, nor does the server of probes.
  const idle = reach(port, '127.0.0.1')
  await once(idle, 'connect')
  idle.on('error', () => {})
  await client.request('close')
  t.is(await program.end(), 0)
})

test('a Host that is not this machine is refused', async (t) => {
  await using health = await serveHealth({ port: 0 })
  const status = async (host: string) => {
    const options = { port: health.port, path: '/healthz', headers: { host } }
    return (await probe(options)).status
  }
  for (const host of ['localhost', '127.0.0.1:80', '[::1]:9464', 'LOCALHOST:1']) t.is(await status(host), 200, host)
  const foreign = ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '192.168.1.1']
  for (const host of [...foreign, 'localhost:80@evil', '[::2]']) t.is(await status(host), 403, host)
})

test('a check that throws, hangs or returns no boolean is false, and no other is affected', async (t) => {
  let called = 0
  await using health = await serveHealth({
    port: 0,
    timeoutMs: 200,
    live: { hangs: () => new Promise<never>(() => called++) },
    ready: {
      good: () => true,
      throws: () => {
        throw new Error('secret-7f3a9')
      },
      rejects: () => Promise.reject(new Error('secret-7f3a9')),
      odd: () => 'yes' as never,
      broken: {
        health: () => {
          throw new Error('secret-7f3a9')
        },
      },
      hangs: () => new Promise<never>(() => called++),
      ['__proto__']: () => false,
    },
  })
  const { port } = health
  for (let round = 0; round < 2; round++) {
    const { status, text } = await probe({ port, path: '/readyz' })
    t.is(status, 503)
    t.is(text, '{"ok":false,"checks":{"good":true,"throws":false,"rejects":false,"odd":false,' +
      '"broken":false,"hangs":false,"__proto__":false}}\n')
  }
  t.is(called, 1, 'it is not called again while it hangs')
  const [one, other] = await Promise.all([0, 1].map(() => probe({ port, path: '/healthz' })))
  t.deepEqual([one.status, other.status, called], [503, 503, 2])
})

test('metrics that fail or hang are an error without details', async (t) => {
  for (const metrics of [
    () => Promise.reject(new Error('secret-7f3a9')),
    () => new Promise<never>(() => {}),
  ]) {
    await using health = await serveHealth({ port: 0, timeoutMs: 100, registry: { contentType: 'text/plain', metrics } })
    const { status, text } = await probe({ port: health.port, path: '/metrics' })
    t.deepEqual([status, text], [500, 'the metrics could not be collected\n'])
  }
  await using health = await serveHealth({ port: 0 })
  t.is((await probe({ port: health.port, path: '/metrics' })).status, 404)
})

test('a Unix socket is this user\'s alone, and goes with its server', async (t) => {
  const socketPath = join(directory, 'health.sock')
  const health = await serveHealth({ path: socketPath, ready: { good: () => true } })
  t.is(health.port, undefined)
  t.is(statSync(socketPath).mode & 0o777, 0o600)
  t.deepEqual(readdirSync(directory).filter((name) => name.startsWith('health.sock')), ['health.sock'])
  // No browser reaches it, so that any Host will do.
  const answer = await probe({ socketPath, path: '/readyz', headers: { host: 'any.example' } })
  t.deepEqual([answer.status, answer.body], [200, { ok: true, checks: { good: true } }])
  await t.throwsAsync(serveHealth({ path: socketPath }), { code: 'EADDRINUSE', message: /health.sock/ })
  t.is((await probe({ socketPath, path: '/healthz' })).status, 200)
  await Promise.all([health.close(), health.close()])
  t.false(existsSync(socketPath))
})

test('a socket that nobody serves any more is replaced, and nothing else is', async (t) => {
  const path = join(directory, 'stale.sock')
  const program = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  await once(spawn(process.execPath, ['-e', program]), 'exit')
  t.true(existsSync(path))
  const health = await serveHealth({ path })
  t.is((await probe({ socketPath: path, path: '/healthz' })).status, 200)
  // Another has taken its place.
  unlinkSync(path)
  const other = await serveHealth({ path })
  await health.close()
  t.is((await probe({ socketPath: path, path: '/healthz' })).status, 200)
  await other.close()

  writeFileSync(path, 'mine')
  await t.throwsAsync(serveHealth({ path }), { code: 'EADDRINUSE', message: /is no socket/ })
  t.is(statSync(path).size, 4)
  unlinkSync(path)
  symlinkSync(join(directory, 'nowhere'), path)
  await t.throwsAsync(serveHealth({ path }), { code: 'EADDRINUSE' })
  t.deepEqual(readdirSync(directory).filter((name) => name.startsWith('stale.sock')), ['stale.sock'])
  await t.throwsAsync(serveHealth({ path: join(directory, 'none', 'a.sock') }), { code: 'ENOENT' })
})

test('it is closed with its connections, and a port that is taken is an error', async (t) => {
  const health = await serveHealth({ port: 0, ready: { hangs: () => new Promise<never>(() => {}) } })
  await t.throwsAsync(serveHealth({ port: health.port }), { code: 'EADDRINUSE' })
  const asked = probe({ port: health.port, path: '/readyz' })
  const idle = reach(health.port!, '127.0.0.1')
  idle.on('error', () => {})
  await once(idle, 'connect')
  const ended = new Promise((resolve) => idle.on('close', resolve))
  await Promise.all([health.close(), t.throwsAsync(asked), ended])
  t.is(health.port, undefined)
})

test('options are checked', async (t) => {
  const wrong: [unknown, RegExp][] = [
    [undefined, /either port or path, got none/],
    [{ port: 0, path: '/tmp/x' }, /either port or path, got both/],
    [{ port: 65_536 }, /port must be a whole number from 0 to 65535, got 65536/],
    [{ path: `/tmp/${'x'.repeat(100)}` }, /path must be at most 98 bytes, got 105/],
    [{ path: '' }, /path must be not empty/],
    [{ port: 0, ready: { good: true } }, /ready.good must be a function, or an object with health\(\), got boolean/],
    [{ port: 0, live: null }, /live must be an object, got null/],
    [{ port: 0, registry: {} }, /registry must be a registry with contentType and metrics\(\)/],
    [{ port: 0, timeoutMs: 0 }, /timeoutMs must be a whole number/],
    [{ port: 0, readyy: {} }, /did you mean 'ready'/],
  ]
  for (const [options, message] of wrong) {
    await t.throwsAsync(serveHealth(options as never), { code: 'ERR_INVALID_ARGUMENT', message })
  }
})
