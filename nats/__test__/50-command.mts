// The command, what the package consists of, and connections with TLS and users.

import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import ava from 'ava'
import { connect, createServer } from 'ringpost'
import { Echo, Look } from './helpers/contracts.mjs'
import { job, Machine, Nats, scratch, until } from './helpers/machines.mjs'

/** Serial, so that they do not compete for the processors. */
const test = ava.serial

const FOLDER = fileURLToPath(new URL('../../', import.meta.url))
const MAIN = join(FOLDER, 'dist/src/main.mjs')

test('the programs of the README run as they are printed', async (t) => {
  const nats = await Nats.start()
  const readme = readFileSync(join(FOLDER, 'README.md'), 'utf8')
  const programs = new Map(
    [...readme.matchAll(/```(?:js|ts)\n\/\/ (\S+\.mjs)\n([^]*?)```/g)].map(([, name, code]) => [
      name,
      code.replaceAll('nats://hub.example:4222', nats.url),
    ]),
  )
  // Where the packages are found.
  const folder = join(FOLDER, 'dist')
  const paths = [...programs].map(([name, code]) => {
    const path = join(folder, `readme-${process.pid}-${name}`)
    writeFileSync(path, code.replaceAll("'./contract.mjs'", `'./readme-${process.pid}-contract.mjs'`))
    return path
  })
  t.deepEqual([...programs.keys()], ['contract.mjs', 'plant.mjs', 'office.mjs', 'viewer.mjs'])
  t.teardown(() => execFileSync('rm', paths))
  const [, plant, office, viewer] = paths
  const [home, away] = [new Machine('home'), new Machine('away')]
  const { Camera } = (await import(paths[0])) as { Camera: any }
  const server = await createServer('camera', { directory: home.directory })
  server.handle(Camera.contracts[0], ({ width }: { width: number }) => new Uint8Array(width))
  const bridge = (config: string, machine: Machine) => {
    const env = { ...process.env, RINGPOST_DIR: machine.directory }
    const child = spawn(process.execPath, [MAIN, config], { env })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text: Buffer) => (output += text.toString()))
    }
    const ready = until('the bridge is open', () => {
      if (child.exitCode !== null) throw new Error(output)
      return output.includes('the service camera')
    })
    return { child, ready, output: () => output }
  }
  const [one, two] = [bridge(plant, home), bridge(office, away)]
  await Promise.all([one.ready, two.ready])
  t.regex(one.output(), /^exports the service camera$/m)
  t.regex(two.output(), /^imports the service camera$/m)
  const env = { ...process.env, RINGPOST_DIR: away.directory }
  const { stdout } = await promisify(execFile)(process.execPath, [viewer], { env })
  t.is(stdout, '640 bytes\n')
  one.child.kill('SIGTERM')
  t.deepEqual(await once(one.child, 'exit'), [0, null])
  // What ends a bridge ends the command, and says so.
  const rest = bridge(plant, home)
  await rest.ready
  for (const connection of server.connections) await connection.close()
  t.deepEqual(await once(rest.child, 'exit'), [1, null])
  t.regex(rest.output(), /exports the service camera: ended: the local server has closed/)
  two.child.kill('SIGKILL')
  await server.close()
})

test('a mistake in the command line is answered with the usage, one in the module with its name', (t) => {
  const run = (...args: string[]) => {
    const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' })
    return { status, stderr }
  }
  for (const args of [[], ['a', 'b']]) {
    const { status, stderr } = run(...args)
    t.is(status, 2)
    t.regex(stderr, /^usage: ringpost-nats <config module>/)
  }
  const missing = run('none.mjs')
  t.is(missing.status, 1)
  t.regex(missing.stderr, /none\.mjs/)
  const empty = join(scratch, 'empty.mjs')
  writeFileSync(empty, 'export default {}')
  t.regex(run(empty).stderr, /must export a configuration with "nats" as its default/)
})

test('TLS, users and their permissions are those of NATS', async (t) => {
  const [key, cert] = [join(scratch, 'key.pem'), join(scratch, 'cert.pem')]
  execFileSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-keyout', key, '-out', cert],
  ], { stdio: 'ignore' })
  const nats = await Nats.start(`
    tls { cert_file: "${cert}", key_file: "${key}" }
    authorization { users: [
      { user: site, password: right }
      { user: guest, password: right, permissions: {
        publish: "_INBOX.>", subscribe: ["_INBOX.>", "test.service.site.broadcast.>"]
      } }
    ] }
  `)
  const [home, away] = [new Machine('home'), new Machine('away')]
  await home.server()
  const as = (user: string, pass = 'right') => {
    return { servers: nats.url, user, pass, tls: { caFile: cert }, maxReconnectAttempts: 1 }
  }
  await home.bridge(job('exportService', 'Site', as('site')))
  await away.bridge(job('importService', 'Site', as('site')))
  const client = await away.client()
  t.is(await client.request(Echo, 1), 1)
  await client.close()
  // Neither may it subscribe to requests, nor send any.
  const denied = home.bridge(job('exportService', 'Site', as('guest')))
  await t.throwsAsync(denied, { code: 'ERR_ACCESS', message: /does not permit.*test\.service/ })
  const guest = new Machine('guest')
  await guest.bridge(job('importService', 'Site', as('guest')))
  const caller = await connect('site', { directory: guest.directory })
  await t.throwsAsync(caller.request(Look), { code: 'ERR_ACCESS' })
  await caller.close()
  const wrong = home.begin(job('exportService', 'Site', as('site', 'wrong')))
  await until('it has ended', () => /AuthorizationError|Authorization Violation/.test(wrong.errors))
  const plain = home.begin(job('exportService', 'Site', { ...as('site'), tls: {} }))
  await until('it has ended', () => /self-signed|certificate/i.test(plain.errors))
})

test('the package exports four functions, by its name', async (t) => {
  const names = ['exportService', 'exportTopic', 'importService', 'importTopic']
  t.deepEqual(Object.keys((await import('ringpost-nats')) as object).sort(), names)
})

test('the tarball has what the package needs, and nothing of its tests', (t) => {
  // It is built already.
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts']
  const output = execFileSync('npm', args, { cwd: FOLDER, encoding: 'utf8' })
  const [{ files }] = JSON.parse(output) as [{ files: { path: string }[] }]
  const paths = files.map(({ path }) => path)
  for (const path of ['package.json', 'README.md', 'LICENSE-MIT', 'dist/src/index.mjs']) {
    t.true(paths.includes(path), path)
  }
  t.true(paths.includes('dist/src/index.d.mts') && paths.includes('dist/src/main.mjs'))
  t.deepEqual(paths.filter((path) => !/^(dist\/src|src)\/|^[^/]+$/.test(path)), [])
})
