// The package as it is published: what is in the tarball, and that it works where it is installed.

import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync } from 'node:fs'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, posix } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import './helpers/directory.mjs'

const run = promisify(execFile)
const ROOT = dirname(createRequire(import.meta.url).resolve('ringpost/package.json'))
const BINARY = 'native/ringpost.linux-x64-gnu.node'

const scratch = mkdtempSync(join(tmpdir(), 'ringpost-tarball-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
/** A cache without any package, and no network. */
const NPM = { npm_config_cache: join(scratch, 'cache'), npm_config_offline: 'true' }
const OFFLINE = { ...process.env, ...NPM }

interface Packed {
  filename: string
  files: { path: string }[]
}

let tarball: string
let files: Set<string>

test.before(async () => {
  const args = ['pack', '--json', '--pack-destination', scratch]
  const { stdout } = await run('npm', args, { cwd: ROOT, env: OFFLINE })
  // What the scripts print comes first.
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [Packed]
  tarball = join(scratch, packed.filename)
  files = new Set(packed.files.map(({ path }) => path))
})

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const names = (pattern: RegExp) => [...files].filter((path) => pattern.test(path))

test('everything a user needs is in the tarball', (t) => {
  for (const path of [
    ...['package.json', 'index.d.ts', 'index.d.mts', 'index.mjs', 'dist/ts/index.js'],
    'dist/ts/library.js',
    ...['opentelemetry.d.ts', 'opentelemetry.d.mts', 'opentelemetry.mjs'],
    'dist/ts/opentelemetry.js',
    ...['health.d.ts', 'health.d.mts', 'health.mjs', 'dist/ts/health.js'],
    ...['jsonrpc.d.ts', 'jsonrpc.d.mts', 'jsonrpc.mjs', 'dist/ts/jsonrpc.js'],
    ...['messageport.d.ts', 'messageport.d.mts', 'messageport.mjs', 'dist/ts/messageport.js'],
    ...['prometheus.d.ts', 'prometheus.d.mts', 'prometheus.mjs', 'dist/ts/prometheus.js'],
    ...['dist/cli/main.mjs', 'native/binding.js', BINARY],
    ...['README.md', 'CHANGELOG.md', 'LICENSE-APACHE', 'LICENSE-MIT', 'docs/measuring.md'],
    'docs/language-servers.md',
    'native/THIRD-PARTY-LICENSES.txt',
  ]) {
    t.true(files.has(path), path)
  }
  t.regex(read('native/THIRD-PARTY-LICENSES.txt'), /\nrustix [\d.]+: .*MIT/)
})

test('nothing of the repository is in the tarball that serves its development only', (t) => {
  const known =
    /^(dist\/(ts|cli)|ts|cli|native|docs|examples)\/|^dist\/index\.d\.ts\.map$|^[^/]+$/
  t.deepEqual([...files].filter((path) => !known.test(path)), [])
  t.deepEqual(names(/__test__|benches|node_modules|\.tgz$|^docs\/api/), [])
  t.deepEqual(names(/\.node$/), [BINARY])
})

test('the entry points of package.json are in the tarball', (t) => {
  const { main, types, bin, exports } = JSON.parse(read('package.json')) as Record<string, unknown>
  const paths = JSON.stringify([main, types, bin, exports]).match(/"\.\/[^"]+\.\w+"/g)!
  t.true(paths.length > 4)
  for (const path of paths) t.true(files.has(path.slice(3, -1)), path)
})

test('the links of the documents in the tarball resolve there', (t) => {
  const documents = names(/^[^/]+\.md$|^docs\/.*\.md$/)
  t.true(documents.includes('README.md'))
  for (const document of documents) {
    const text = read(document).replaceAll(/^```.*?^```$/gms, '')
    const links = [...text.matchAll(/\]\(([^)#\s]+)[^)\s]*\)|src="([^"]+)"/g)]
    for (const link of links.map(([, link, source]) => link ?? source)) {
      if (/^https?:/.test(link)) continue
      const path = posix.join(posix.dirname(document), link)
      t.true(files.has(path) || names(new RegExp(`^${path}/`)).length > 0, `${document}: ${link}`)
    }
  }
})

test('the sources that source maps name are in the tarball', (t) => {
  const maps = names(/\.map$/)
  t.true(maps.length > 20)
  for (const map of maps) {
    const { sources } = JSON.parse(read(map)) as { sources: string[] }
    for (const source of sources) {
      t.true(files.has(posix.join(posix.dirname(map), source)), `${map}: ${source}`)
    }
  }
})

/** A copy of what is needed to pack, and nothing else. */
function unbuilt(name: string): string {
  const folder = join(scratch, name)
  mkdirSync(join(folder, 'ci'), { recursive: true })
  for (const file of ['package.json', 'ci/prepack.mjs', 'ci/step.mjs', 'ci/third-party.mjs']) {
    cpSync(join(ROOT, file), join(folder, file))
  }
  return folder
}

const pack = (cwd: string) => run('npm', ['pack', '--dry-run'], { cwd, env: OFFLINE })

test('a package without its binary cannot be packed', async (t) => {
  const error = await t.throwsAsync(pack(unbuilt('no-binary')))
  t.true(error.message.includes(`cannot pack without ${BINARY}: npm run build makes it`))
})

test('a binary that needs a newer glibc than is declared cannot be packed', async (t) => {
  const folder = unbuilt('new-glibc')
  for (const file of [BINARY, 'dist/ts/index.js', 'dist/cli/main.mjs']) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), 'GLIBC_2.4\0GLIBC_2.99\0GLIBC_2.34\0')
  }
  const error = await t.throwsAsync(pack(folder))
  t.regex(error.message, /needs glibc 2\.99, and package\.json declares 2\.\d+/)
})

const PROGRAM = `
import { connect, createServer, method } from 'ringpost'
const Greet = method('greet')
if (process.argv[2] === 'serve') {
  const server = await createServer('installed')
  server.handle(Greet, ({ name }) => ({ greeting: 'hello ' + name, pid: process.pid }))
  process.send('ready')
} else {
  const { fork } = await import('node:child_process')
  const { once } = await import('node:events')
  const child = fork(process.argv[1], ['serve'])
  await once(child, 'message')
  const client = await connect('installed')
  const { greeting, pid } = await client.request(Greet, { name: 'world' }, { timeoutMs: 10000 })
  console.log(greeting, pid === child.pid)
  await client.close()
  child.kill()
}
`

test('installed in an empty folder it connects two processes, and measures', async (t) => {
  const cwd = join(scratch, 'installed')
  mkdirSync(cwd)
  writeFileSync(join(cwd, 'package.json'), '{ "private": true }\n')
  writeFileSync(join(cwd, 'program.mjs'), PROGRAM)
  const options = { cwd, env: OFFLINE }
  await run('npm', ['install', '--no-audit', '--no-fund', tarball], options)
  t.true(existsSync(join(cwd, 'node_modules/ringpost', BINARY)))
  t.is((await run(process.execPath, ['program.mjs'], options)).stdout, 'hello world true\n')
  const words = ['--no-install', 'ringpost', 'bench', 'one-way', '--quick', '--json']
  const { stdout } = await run('npx', words, options)
  const { rows } = JSON.parse(stdout) as { rows: { id: string; ringpost: number }[] }
  t.deepEqual(rows.map(({ id }) => id), ['one-way.rate'])
  t.true(rows[0].ringpost > 0)
})
