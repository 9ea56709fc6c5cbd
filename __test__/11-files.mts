// Files in the directory: what servers make, keep up, remove, and leave behind.

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { connect, createServer, IpcError } from 'ringpost'
import { attempt, begin, hasNamespaces, isRoot, BARE, DEFAULTS } from './helpers/attempt.mjs'
import { Echo } from './helpers/contracts.mjs'
import { directory } from './helpers/directory.mjs'
import { until } from './helpers/program.mjs'

/** A directory of one test's own. */
function scratch(): string {
  const path = mkdtempSync(join(directory, 'scratch-'))
  chmodSync(path, 0o700)
  return path
}

/** A server in a process of its own that is killed. */
async function dies(name: string, where: string): Promise<void> {
  const serving = begin({ verb: 'serve', name, options: { directory: where } })
  await serving.lines.next()
  serving.kill()
  await serving.ended
}

// ---- what the dead leave ----

test('files of dead servers are removed when any server starts', async (t) => {
  const where = scratch()
  for (const name of ['one', 'two', 'three']) await dies(name, where)
  t.true(readdirSync(where).length <= 3, 'those before the last')
  await using server = await createServer('next', { directory: where })
  t.deepEqual(readdirSync(where), ['next.lock', 'next.sock', 'next.status'])
  await server.close()
  t.deepEqual(readdirSync(where), [])
})

test('files of dead servers are removed by the next attempt to connect', async (t) => {
  const where = scratch()
  await dies('one', where)
  t.is(readdirSync(where).length, 3)
  const failed = { code: 'ERR_NO_SERVER', message: /no server is named "two" in .*scratch-/ }
  // A thread that has just looked does not look again.
  await until('it was looked for', async () => {
    await t.throwsAsync(connect('two', { directory: where }), failed)
    return readdirSync(where).length === 0
  })
})

test('files of other programs stay, whatever their names', async (t) => {
  const where = scratch()
  for (const name of ['yarn.lock', 'empty.lock']) writeFileSync(join(where, name), name[0] === 'y' ? '#' : '')
  const other = net.createServer().listen(join(where, 'other.sock'))
  await once(other, 'listening')
  await dies('dead', where)
  await (await createServer('server', { directory: where })).close()
  t.deepEqual(readdirSync(where), ['empty.lock', 'other.sock', 'yarn.lock'])
  other.close()
})

// ---- cleaners ----

async function isReached(name: string, where: string): Promise<void> {
  await until('there is a server', async () => {
    const client = await connect(name, { directory: where }).catch(({ code }: IpcError) => {
      if (code !== 'ERR_NO_SERVER') throw new Error(code)
    })
    await client?.close()
    return client !== undefined
  })
}

test('a server whose files were removed can be found again', async (t) => {
  const where = scratch()
  await using server = await createServer('kept', { directory: where })
  const early = await connect('kept', { directory: where })
  server.handle(Echo, (value) => value)
  for (const files of [['kept.sock'], ['kept.lock'], ['kept.status'], ['kept.sock', 'kept.lock']]) {
    for (const file of files) rmSync(join(where, file))
    await until('they are put back', () => readdirSync(where).length === 3)
    await isReached('kept', where)
  }
  rmSync(where, { recursive: true })
  await until('they are put back', () => existsSync(where) && readdirSync(where).length === 3)
  await isReached('kept', where)
  t.is(await early.request(Echo, 'all the time'), 'all the time')
  await early.close()
  await server.close()
  t.deepEqual(readdirSync(where), [])
})

test('a directory removed under a running server is restored', async (t) => {
  const where = scratch()
  const serving = begin({ verb: 'serve', name: 'living', options: { directory: where } })
  await serving.lines.next()
  for (let round = 0; round < 3; round++) {
    rmSync(where, { recursive: true })
    t.false(existsSync(where))
    await isReached('living', where)
  }
  serving.stop()
  await serving.ended
  t.deepEqual(readdirSync(where), [])
})

test('a server is notified when another takes its name, and leaves its files alone', async (t) => {
  const where = scratch()
  const server = await createServer('taken', { directory: where })
  server.handle(Echo, (value) => value)
  const early = await connect('taken', { directory: where })
  const told = once(server, 'error') as Promise<[IpcError]>
  for (const file of readdirSync(where)) rmSync(join(where, file))
  await using successor = await createServer('taken', { directory: where })
  const [error] = await told
  t.true(error instanceof IpcError)
  t.is(error.code, 'ERR_NAME_IN_USE')
  t.is(await early.request(Echo, 'still here'), 'still here')
  await early.close()
  await server.close()
  await isReached('taken', where)
  await t.throwsAsync(createServer('taken', { directory: where }), { code: 'ERR_NAME_IN_USE' })
  t.is(successor.name, 'taken')
})

test.serial('a server without a listener warns that its name is lost', async (t) => {
  const where = scratch()
  await using server = await createServer('warned', { directory: where })
  const warned = once(process, 'warning')
  rmSync(where, { recursive: true })
  writeFileSync(where, '')
  const [warning] = await warned
  t.is(warning.code, 'ERR_UNSAFE_DIRECTORY')
  t.is(server.connections.size, 0)
  rmSync(where)
})

// ---- modes and places ----

test('the umask does not affect the directory or the files in it', async (t) => {
  const options = { directory: scratch() }
  const found = await attempt({ verb: 'umask', name: 'masked', options })
  t.deepEqual(found, Array.from({ length: 5 }, () => ['700', '600', '600', '600']))
})

test('a server that changes its working directory removes its files in the old one', async (t) => {
  const where = scratch()
  mkdirSync(join(where, 'meeting'), { mode: 0o700 })
  const options = { directory: 'meeting' }
  const found = await attempt({ verb: 'moves', name: 'mover', options }, { cwd: where })
  t.deepEqual(found, { before: ['mover.lock', 'mover.sock', 'mover.status'], after: [], here: [] })
})

test('a worker uses the directory of its own environment', async (t) => {
  const [one, other] = [scratch(), scratch()]
  const found = await attempt({ verb: 'worker', name: other, options: { directory: one } })
  const files = ['lock', 'sock', 'status'].map((extension) => `within.${extension}`)
  t.deepEqual(found, [files, files])
})

test('the error for an unusable directory says what to do', async (t) => {
  const where = scratch()
  chmodSync(where, 0o755)
  const open = await t.throwsAsync(createServer('here', { directory: where }))
  t.true(open.message.includes(`\`chmod 700 ${where}\``), open.message)
  const within = join(where, 'missing', 'parent')
  const missing = await t.throwsAsync(createServer('here', { directory: within }))
  t.true(missing.message.includes('RINGPOST_DIR') && missing.message.includes(within))
  const long = join(where, 'x'.repeat(100))
  chmodSync(where, 0o700)
  const name = { code: 'ERR_INVALID_NAME', message: /at most 107/ }
  await t.throwsAsync(createServer('here', { directory: long }), name)
})

/** As a user who may nothing. */
const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
const asRoot =
  isRoot && spawnSync(AS_NOBODY[0], [...AS_NOBODY.slice(1), 'true']).status === 0 ? test : test.skip

asRoot('what is not permitted is a matter of access, not of users', async (t) => {
  const where = scratch()
  const surroundings = { prefix: AS_NOBODY, env: { RINGPOST_DIR: join(where, 'within') } }
  for (const verb of ['ask', 'both']) {
    const { code, message } = await attempt({ verb, name: 'any' }, surroundings)
    t.is(code, 'ERR_ACCESS', message)
    t.true(message.includes('within'), message)
  }
})

// ---- places every process knows ----

const inNamespaces = hasNamespaces ? test : test.skip
const uid = process.getuid!()
/** Nothing in any of the places, and then what is said of them. */
const places = (made: string) => `${BARE}; ${made}`

/** What a server and a client in the same places come to. */
const meet = (made: string) =>
  attempt({ verb: 'both', name: 'somewhere' }, { ...DEFAULTS, shell: places(made) })

inNamespaces('a default directory that is squatted or unusable is skipped', async (t) => {
  const first = `/tmp/ringpost-${uid}`
  for (const made of [
    ...['true', `touch ${first}`, `ln -s /var ${first}`, `mkdir -m 755 ${first}`],
    ...['mount -o remount,ro /tmp', `mkdir -p /run/user/${uid}; chmod 700 /run/user/${uid}`],
  ]) {
    const { answer, code, message } = await meet(made)
    t.is(answer, 'answer', `${made}: ${code} ${message}`)
  }
})

inNamespaces('who waits finds a server in a directory that is made for a login only then', async (t) => {
  const what = { verb: 'before a login', name: 'late' }
  t.like(await attempt(what, { ...DEFAULTS, shell: BARE }), { answer: 'answer', found: ['ringpost'] })
})

inNamespaces('if no default directory can be used, the error gives all reasons', async (t) => {
  const squat = `touch /tmp/ringpost-${uid}; mkdir -m 777 /var/tmp/ringpost-${uid}`
  const { code, message } = await meet(squat)
  t.is(code, 'ERR_UNSAFE_DIRECTORY')
  for (const part of ['is a file', 'open to others', 'RINGPOST_DIR', '`directory`']) {
    t.true(message.includes(part), message)
  }
})

inNamespaces('a full file system is reported as ERR_NO_SPACE', async (t) => {
  const { code, message } = await meet('mount -t tmpfs -o nr_inodes=2 none /tmp; ' +
    `mkdir -m 700 /tmp/ringpost-${uid}; mount -o remount,ro /var/tmp`)
  t.is(code, 'ERR_UNSAFE_DIRECTORY', message)
  t.regex(message, /No space left on device/)
  const full = `mount -t tmpfs -o nr_inodes=2 none /tmp; mkdir -m 700 /tmp/own`
  const own = { verb: 'both', name: 'full', options: { directory: '/tmp/own' } }
  const chosen = await attempt(own, { ...DEFAULTS, shell: places(full) })
  t.is(chosen.code, 'ERR_NO_SPACE', chosen.message)
})
