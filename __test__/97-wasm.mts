// The core in WebAssembly: the same library over sockets of Node.js, with others of its kind and with
// programs on the addon. The conformance suite has the rest: `--core wasm`.

import { execFile } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { attempt, hasNamespaces, BARE, DEFAULTS } from './helpers/attempt.mjs'
import { ROOT, hasAddon, isPosix, isBuilt, on, test } from './helpers/wasm.mjs'
import { directory } from './helpers/directory.mjs'
import { connect, createServer, createStateFrame, createTopic, openMap } from 'ringpost'
import type * as portableOnly from 'ringpost/wasm-only'
import type * as all from 'ringpost'
import { event, sharedMap, stateFrame, topic, type ClientOptions } from 'ringpost'
import { Abandoned, Echo, EchoBytes, Never } from './helpers/contracts.mjs'
import { portable } from './helpers/essential.mjs'
import { Program, pair, serve, until } from './helpers/program.mjs'
import { Echoed, Numbers } from './helpers/streams.mjs'
import { runWorkers } from './helpers/workers.mjs'

const run = promisify(execFile)
const NO_RECONNECT: ClientOptions = { reconnect: false }
const socketOf = (name: string) => join(directory, `${name}.sock`)

if (isBuilt && isPosix) portable('wasm to wasm', {})

test('a connection says that it is over a socket', async (t) => {
  const { client } = await pair(t)
  t.is(client.peer.transport, 'socket')
  t.like(client.peer, { pid: 0, isSelf: false })
  t.is(client.stats().wakesBy, 'loop')
})

test('payloads of 16 MiB and of nothing arrive, in both directions', async (t) => {
  const { server } = await pair(t)
  const asking = new Program('wasm', ['ask', server.name])
  t.deepEqual(await asking.report(), { same: true, length: 0, transport: 'socket' })
  t.is(await asking.end(), 0)
})

test('payloads that are kept stay as they came, whatever comes after them', async (t) => {
  const { client } = await pair(t)
  const payloads = Array.from({ length: 240 }, (_, at) => randomBytes([100, 3000, 200_000][at % 3]))
  const answers: Uint8Array[] = []
  for (let at = 0; at < payloads.length; at += 20) {
    const asked = payloads.slice(at, at + 20).map((one) => client.request(EchoBytes, one))
    answers.push(...(await Promise.all(asked)))
  }
  t.true(answers.every((answer, at) => Buffer.compare(answer, payloads[at]) === 0))
})

test('streams of items run in both directions', async (t) => {
  const { client } = await pair(t)
  const numbers: number[] = []
  for await (const number of client.stream(Numbers, ['few', 3000])) numbers.push(number)
  t.true(numbers.length === 3000 && numbers.every((number, at) => number === at))
  const echoed = client.stream(Echoed)
  const items = Array.from({ length: 500 }, (_, at) => ({ at }))
  const sending = (async () => {
    for (const item of items) if (!echoed.write(item)) await echoed.ready()
    echoed.end()
  })()
  const came: unknown[] = []
  for await (const item of echoed) came.push(item)
  await sending
  t.deepEqual(came, items)
  t.is(await echoed.result, 500)
})

if (hasAddon) {
  test('a client here and a server on the addon', async (t) => {
    const server = await on('addon', () => serve())
    t.teardown(() => server.kill())
    const client = await server.connect(t)
    t.is(client.peer.transport, 'socket')
    t.deepEqual(await client.request(Echo, { a: 1 }), { a: 1 })
    const big = randomBytes(16 << 20)
    t.is(Buffer.compare(await client.request(EchoBytes, big), big), 0)
    t.deepEqual(await client.request(Echo, null), null)
  })

  test('a client on the addon, which asks for the transport, and a server here', async (t) => {
    const { server } = await pair(t)
    const ask = (options: ClientOptions) => new Program('wasm', ['ask', server.name, options])
    const asking = await on('addon', async () => ask({ transport: 'socket' }))
    t.deepEqual(await asking.report(), { same: true, length: 0, transport: 'socket' })
    const refused = await on('addon', async () => ask({}))
    const { code, message } = await refused.report<{ code: string; message: string }>()
    t.is(code, 'ERR_FEATURE')
    t.regex(message, /transport: 'socket'/)
  })
}

test('a client that is killed ends its connection and what it has asked for', async (t) => {
  const { client, server } = await pair(t)
  const waiting = new Program('wasm', ['wait', server.name])
  t.is(await waiting.report(), 'socket')
  await waiting.kill()
  await until('the handler is aborted', () => client.request(Abandoned, 'killed'))
})

test('a server that is killed loses its clients, which find the next of its name', async (t) => {
  const first = await serve()
  const client = await connect(first.name)
  t.teardown(() => client.close())
  const lost = t.throwsAsync(client.request(Never, 'lost'), { code: 'ERR_PEER_LOST' })
  await client.request(Echo)
  await first.kill()
  await lost
  const second = await serve({ name: first.name })
  t.teardown(() => second.kill())
  t.is(await client.request(Echo, 'again'), 'again')
})

test('a server that comes later is found by those that wait for it', async (t) => {
  const name = 'later'
  const waiting = connect(name, { ...NO_RECONNECT, connectTimeoutMs: 60_000 })
  await new Promise((resolve) => setTimeout(resolve, 300))
  const server = await serve({ name })
  t.teardown(() => server.kill())
  const client = await waiting
  t.is(await client.request(Echo, 1), 1)
  await client.close()
})

test('a server that never comes is an error, at once or when the time is over', async (t) => {
  await t.throwsAsync(connect('nobody'), { code: 'ERR_NO_SERVER' })
  const waiting = connect('nobody', { connectTimeoutMs: 200 })
  await t.throwsAsync(waiting, { code: 'ERR_NO_SERVER', message: /tried for \d+ ms/ })
})

test('a name has one server, whatever the other runs on', async (t) => {
  const name = 'taken'
  const server = await createServer(name)
  t.teardown(() => server.close())
  await t.throwsAsync(createServer(name), { code: 'ERR_NAME_IN_USE' })
  const cores = hasAddon ? (['wasm', 'addon'] as const) : (['wasm'] as const)
  for (const core of cores) {
    const other = await on(core, async () => new Program('wasm', ['serve', name]))
    t.like(await other.report(), { code: 'ERR_NAME_IN_USE' }, core)
  }
  for (const core of cores) {
    const held = `held-${core}`
    const other = await on(core, async () => new Program('wasm', ['serve', held]))
    t.is(await other.report(), 'listening')
    await t.throwsAsync(createServer(held), { code: 'ERR_NAME_IN_USE' }, core)
    await other.kill()
    const next = await createServer(held)
    await next.close()
  }
})

test('a name that was given up is free, and leaves no files', async (t) => {
  const server = await createServer('given-up')
  await server.close()
  t.deepEqual(readdirSync(directory).filter((file) => file.includes('given-up')), [])
  const code = "require('ringpost').createServer('ended').then(() => process.exit())"
  await run(process.execPath, ['--eval', code], { cwd: ROOT })
  t.deepEqual(readdirSync(directory).filter((file) => file.includes('ended')), [])
  await (await createServer('given-up')).close()
})

if (isPosix) {
  test('the files of a server are for its user alone, whatever the umask', async (t) => {
    const before = process.umask(0)
    const server = await createServer('private').finally(() => process.umask(before))
    t.teardown(() => server.close())
    for (const file of ['private.sock', 'private.lock']) {
      const { mode, uid } = statSync(join(directory, file))
      t.is(mode & 0o777, 0o600, file)
      t.is(uid, process.getuid!(), file)
    }
  })

  test('a server whose files are removed puts them back, or loses its name', async (t) => {
    const server = await createServer('swept')
    server.handle(Echo, (value) => value)
    t.teardown(() => server.close())
    const find = async () => {
      const client = await connect('swept', { ...NO_RECONNECT, connectTimeoutMs: 60_000 })
      t.is(await client.request(Echo, 'found'), 'found')
      await client.close()
    }
    rmSync(socketOf('swept'))
    await find()
    t.is(statSync(socketOf('swept')).mode & 0o777, 0o600)
    for (const file of ['swept.sock', 'swept.lock']) rmSync(join(directory, file))
    await find()
    await t.throwsAsync(createServer('swept'), { code: 'ERR_NAME_IN_USE' })
    const lost = once(server, 'error')
    // On a busy machine the server may have put them back before the other one looks.
    let other: Program
    let report: unknown
    let attempts = 0
    do {
      for (const file of ['swept.sock', 'swept.lock']) rmSync(join(directory, file), { force: true })
      other = new Program('wasm', ['serve', 'swept'])
      report = await other.report()
    } while (report !== 'listening' && ++attempts < 20)
    t.is(report, 'listening')
    const [error] = (await lost) as [{ code: string }]
    t.is(error.code, 'ERR_NAME_IN_USE')
    t.false(server.health().ok)
    await server.close()
    t.true(existsSync(socketOf('swept')), 'the files are those of the other')
    await other.kill()
  })

  test('directories that are open to others, links and files are refused', async (t) => {
    const open = join(directory, 'open')
    mkdirSync(open)
    chmodSync(open, 0o750)
    const link = join(directory, 'link')
    mkdirSync(join(directory, 'real'), { mode: 0o700 })
    symlinkSync(join(directory, 'real'), link)
    const refused = { code: 'ERR_UNSAFE_DIRECTORY' }
    for (const place of [open, link, socketOf('nothing').replace(/\/[^/]*$/, '/link')]) {
      await t.throwsAsync(createServer('refused', { directory: place }), refused, place)
      await t.throwsAsync(connect('refused', { directory: place }), refused, place)
    }
    const made = join(directory, 'made')
    const server = await createServer('accepted', { directory: made })
    t.is(statSync(made).mode & 0o777, 0o700)
    await server.close()
    const long = join(directory, 'x'.repeat(120))
    await t.throwsAsync(createServer('long', { directory: long }), { code: 'ERR_INVALID_NAME' })
  })

  if (hasNamespaces) {
    test('who waits finds a server in a directory that is made for a login only then', async (t) => {
      const what = { verb: 'before a login', name: 'late' }
      const found = await attempt(what, { ...DEFAULTS, shell: BARE })
      t.like(found, { answer: 'answer', found: ['ringpost'] })
    })

    test('a directory of a login does not count where others may have been in it', async (t) => {
      const uid = process.getuid!()
      const open = `/run/user/${uid}`
      const made = `mkdir -p ${open}; chmod 755 ${open}; mkdir -m 700 ${open}/ringpost`
      const squat = `touch /tmp/ringpost-${uid} /var/tmp/ringpost-${uid}`
      const environment = { ...DEFAULTS, shell: `${BARE}; ${made}; ${squat}` }
      for (const verb of ['both', 'ask']) {
        t.like(await attempt({ verb, name: 'nowhere' }, environment), { code: 'ERR_UNSAFE_DIRECTORY' }, verb)
      }
    })
  }

  test('names that would lead elsewhere are refused before anything is made', async (t) => {
    const before = readdirSync(directory)
    for (const name of ['../out', '.hidden', 'a/b', '']) {
      await t.throwsAsync(createServer(name), { code: 'ERR_INVALID_NAME' }, name)
      await t.throwsAsync(connect(name), { code: 'ERR_INVALID_NAME' }, name)
    }
    t.deepEqual(readdirSync(directory), before)
  })

  test('whoever writes nonsense into a socket loses it, and disturbs nobody', async (t) => {
    const { client, server } = await pair(t)
    for (let round = 0; round < 20; round++) {
      const socket = connectSocket(socketOf(server.name))
      socket.on('error', () => {})
      await once(socket, 'connect')
      socket.write(randomBytes(1 + round * 997))
      socket.resume()
      await once(socket, 'close')
      t.is(await client.request(Echo, round), round)
    }
    const silent = connectSocket(socketOf(server.name))
    silent.on('error', () => {})
    await once(silent, 'connect')
    silent.destroy()
    t.is(await client.request(Echo, 'still'), 'still')
  })
}

test('worker threads have engines of their own, and may end at any time', async (t) => {
  await runWorkers(t, { isPortable: true })
})

test('what needs shared memory says so, and that the addon has it', async (t) => {
  const { client } = await pair(t)
  const refused = { code: 'ERR_FEATURE', message: /need.* shared memory, and with it the addon/ }
  t.throws(() => client.requestSync(Echo, 1), refused)
  t.is(await client.request(Echo, 1), 1)
  t.is(client.stats().pending, 0)
  await t.throwsAsync(async () => createStateFrame(stateFrame('frame', { capacity: 8 })), refused)
  await t.throwsAsync(async () => createTopic(topic('topic')), refused)
  await t.throwsAsync(async () => openMap(sharedMap('map')), refused)
  await t.throwsAsync(createServer('over', { takeOver: true }), refused)
  await t.throwsAsync(connect(client.peer.session, { transport: 'sealed' }), { code: 'ERR_FEATURE' })
})

test('one-way messages and events arrive in both directions', async (t) => {
  const told = event<number>('told')
  const server = await createServer('events', {
    handlers: (serving) => {
      serving.handle(told, (value, { connection }) => void connection.notify(told, value + 1))
    },
  })
  t.teardown(() => server.close())
  const client = await connect('events', NO_RECONNECT)
  t.teardown(() => client.close())
  const came: number[] = []
  client.handle(told, (value) => void came.push(value))
  for (let value = 0; value < 1000; value++) client.notify(told, value)
  await until('all have come back', () => came.length === 1000)
  t.true(came.every((value, at) => value === at + 1))
})

test('the command says what it cannot show, and calls servers all the same', async (t) => {
  const command = join(ROOT, 'dist/cli/main.mjs')
  const call = (...args: string[]) => run(process.execPath, [command, ...args], { cwd: ROOT })
  const server = await serve()
  t.teardown(() => server.kill())
  t.is((await call('call', server.name, 'echo', '7')).stdout.trim(), '7')
  const missing = await t.throwsAsync(call('call', 'nobody', 'echo'), { code: 3 as never })
  t.notRegex(missing.message, /\n +at /)
  for (const verb of ['ls', 'top', 'clean --yes', 'inspect x', 'tail x']) {
    const refused = call(...verb.split(' '))
    await t.throwsAsync(refused, { message: /needs? shared memory, and with it the addon/ }, verb)
  }
})

// ---- which core it is ----

const SAY_CORE = `
  const { isPortable } = require('${ROOT}/dist/ts/native.js')
  console.log(isPortable ? 'wasm' : 'addon')`

async function core(args: string[], env: NodeJS.ProcessEnv = {}, cwd = ROOT, code = SAY_CORE) {
  const options = { cwd, env: { ...process.env, RINGPOST_CORE: '', ...env } }
  const { stdout, stderr } = await run(process.execPath, [...args, '--eval', code], options)
  return { is: stdout.trim(), said: stderr }
}

if (hasAddon) {
  test('the addon is taken where it can be, and nothing is said', async (t) => {
    t.deepEqual(await core([]), { is: 'addon', said: '' })
  })

  test('where addons are disabled one warning says so, and what to do', async (t) => {
    const { is, said } = await core(['--no-addons'])
    t.is(is, 'wasm')
    t.is(said.match(/RINGPOST_WASM/g)?.length, 1, said)
    t.regex(said, /RingpostWarning: .*loading addons is disabled here .*RINGPOST_CORE=wasm/)
  })

  test('where no program may be started servers and clients meet all the same', async (t) => {
    const flags = ['--permission', '--experimental-permission']
    const flag = flags.find((flag) => process.allowedNodeEnvironmentFlags.has(flag))!
    const meeting = `
      const { connect, createServer } = require('ringpost')
      void (async () => {
        const server = await createServer('confined')
        server.handle('echo', (value) => value)
        const client = await connect('confined')
        console.log(client.peer.transport, await client.request('echo', 7))
        await client.close()
        await server.close()
      })()`
    const permitted = ['--allow-fs-read=*', '--allow-fs-write=*']
    if (process.allowedNodeEnvironmentFlags.has('--allow-net')) permitted.push('--allow-net')
    const { is, said } = await core([flag, ...permitted], {}, ROOT, meeting)
    t.is(is, 'socket 7')
    t.regex(said, /RINGPOST_WASM/)
  })

  test('without the program flock, a name that another server has is found taken', async (t) => {
    const claiming = (name: string) => `
      const fs = require('node:fs')
      const { existsSync } = fs
      fs.existsSync = (path) => !String(path).endsWith('/flock') && existsSync(path)
      require('ringpost').createServer('${name}').then(
        () => (console.log('served'), setTimeout(() => process.exit(), 3000)),
        ({ code }) => console.log(code),
      )`
    for (const other of ['wasm', 'addon'] as const) {
      const name = `unlocked-${other}`
      const holding = await on(other, async () => new Program('wasm', ['serve', name]))
      t.is(await holding.report(), 'listening')
      t.is((await core([], { RINGPOST_CORE: 'wasm' }, ROOT, claiming(name))).is, 'ERR_NAME_IN_USE')
      await holding.kill()
      const serving = core([], { RINGPOST_CORE: 'wasm' }, ROOT, claiming(name))
      await until('it serves', () =>
        connect(name, NO_RECONNECT).then(
          (client) => client.close().then(() => true),
          () => false,
        ),
      )
      t.is((await serving).is, 'served')
    }
  })

  test('where the core was asked for there is no warning', async (t) => {
    t.deepEqual(await core([], { RINGPOST_CORE: 'wasm' }), { is: 'wasm', said: '' })
    t.deepEqual(await core(['--no-addons'], { RINGPOST_CORE: 'wasm' }), { is: 'wasm', said: '' })
  })

  test('an addon that was asked for is an error where it does not load', async (t) => {
    const asked = core([], { RINGPOST_ADDON: '/nowhere.node' })
    await t.throwsAsync(asked, { message: /nowhere\.node \(RINGPOST_ADDON\) does not load/ })
    const insisted = core(['--no-addons'], { RINGPOST_CORE: 'addon' })
    await t.throwsAsync(insisted, { message: /loading addons is disabled here/ })
    await t.throwsAsync(core([], { RINGPOST_CORE: 'rust' }), { message: /"addon" or "wasm"/ })
  })

  test('an addon that is missing is a warning that names its package', async (t) => {
    const { is, said } = await core([], {}, elsewhere(), LOAD)
    t.is(is, 'wasm')
    t.regex(said, /\[RINGPOST_WASM\] .*the package @ringpost\/linux-\S+ is not installed/)
  })
}

test('on a platform that has no addon nothing is said', async (t) => {
  const fake = "Object.defineProperty(process, 'platform', { value: 'sunos' });"
  t.deepEqual(await core([], {}, elsewhere(), fake + LOAD), { is: 'wasm', said: '' })
})

const LOAD = "console.log('IS_WITHOUT_SHARED_MEMORY' in require('./native/binding.js') ? 'wasm' : 'addon')"

let copies = 0

/** The loader and the core as they are in a package, without any addon. */
function elsewhere(): string {
  const folder = join(directory, `package-${copies++}`)
  for (const path of ['native/binding.js', 'native/wasm.js', 'dist/ts/wasm', 'dist/ts/values']) {
    if (existsSync(join(ROOT, path))) cpSync(join(ROOT, path), join(folder, path), { recursive: true })
  }
  return folder
}

/** Checked by the compiler. */
export type Same = typeof portableOnly extends typeof all ? true : never

test('ringpost/wasm-only is all of the library, and loads no addon', async (t) => {
  const code = `
    const only = require('ringpost/wasm-only')
    const names = (all) => Object.keys(all).sort().join()
    const loaded = Object.keys(require.cache).filter((path) => /binding\\.js$|\\.node$/.test(path))
    console.log(names(only) === names(require('ringpost')), loaded.length)`
  t.is((await core([], {}, ROOT, code)).is, 'true 0')
  const meeting = `
    import { connect, createServer, IpcError } from 'ringpost/wasm-only'
    const server = await createServer('only')
    server.handle('echo', (value) => value)
    const client = await connect('only')
    console.log(client.peer.transport, await client.request('echo', 7), typeof IpcError)
    await client.close()
    await server.close()`
  const { is } = await core(['--no-addons', '--input-type=module'], {}, ROOT, meeting)
  t.is(is, 'socket 7 function')
})
