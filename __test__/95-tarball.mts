// The packages as they are published: what is in the tarballs, and that they work where they are
// installed.

import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join, posix } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { TARGET } from './helpers/addon.mjs'
import './helpers/directory.mjs'

const run = promisify(execFile)
const ROOT = dirname(createRequire(import.meta.url).resolve('ringpost/package.json'))
const ADDON = `ringpost.${TARGET}.node`
const BINARY = `native/${ADDON}`

const scratch = mkdtempSync(join(tmpdir(), 'ringpost-tarball-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
/** A cache without any package, and no network. */
const NPM = { npm_config_cache: join(scratch, 'cache'), npm_config_offline: 'true' }
const OFFLINE = { ...process.env, ...NPM }

let tarball: string
let addonTarball: string
let files: Set<string>
let addonFiles: string[]

test.before(async () => {
  const packed = join(scratch, 'packed')
  await run(process.execPath, ['ci/pack.mjs', packed, '--own'], { cwd: ROOT, env: OFFLINE })
  const [version] = readdirSync(packed).flatMap((file) => /^ringpost-(\d.*)\.tgz$/.exec(file)?.[1] ?? [])
  tarball = join(packed, `ringpost-${version}.tgz`)
  addonTarball = join(packed, `ringpost-${TARGET}-${version}.tgz`)
  files = new Set(await inside(tarball))
  addonFiles = await inside(addonTarball)
})

/** The files in a tarball. */
async function inside(path: string): Promise<string[]> {
  const { stdout } = await run('tar', ['-tzf', path])
  return stdout.trimEnd().split('\n').map((file) => file.replace('package/', ''))
}

async function extracted(path: string, file: string): Promise<string> {
  return (await run('tar', ['-xzOf', path, `package/${file}`])).stdout
}

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
    ...['wasm-only.d.ts', 'wasm-only.d.mts', 'wasm-only.mjs', 'dist/ts/wasm-only.js'],
    ...['dist/ts/wasm/binding.js', 'native/wasm.d.ts'],
    ...['prometheus.d.ts', 'prometheus.d.mts', 'prometheus.mjs', 'dist/ts/prometheus.js'],
    ...['dist/cli/main.mjs', 'native/binding.js', 'native/binding.d.ts'],
    ...['README.md', 'CHANGELOG.md', 'LICENSE-APACHE', 'LICENSE-MIT', 'docs/measuring.md'],
    'docs/language-servers.md',
  ]) {
    t.true(files.has(path), path)
  }
})

test('the package of a platform is its addon, with all licenses, and runs no script', async (t) => {
  t.deepEqual(addonFiles.sort(), [
    ...['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'THIRD-PARTY-LICENSES.txt', 'package.json'],
    ADDON,
  ])
  const notices = await extracted(addonTarball, 'THIRD-PARTY-LICENSES.txt')
  t.regex(notices, /\nrustix [\d.]+: .*MIT/)
  const { version, engines } = JSON.parse(read('package.json')) as Record<string, unknown>
  const manifest = JSON.parse(await extracted(addonTarball, 'package.json')) as object
  const [os, cpu, libc] = TARGET.split('-')
  t.like(manifest, {
    ...{ name: `@ringpost/${TARGET}`, version, engines, main: ADDON, scripts: undefined },
    ...{ os: [os], cpu: [cpu], libc: [libc === 'gnu' ? 'glibc' : 'musl'] },
  })
})

test('the package is for any platform, and names exactly the addons of its version', async (t) => {
  const manifest = JSON.parse(await extracted(tarball, 'package.json')) as Record<string, unknown>
  for (const field of ['os', 'cpu', 'libc', 'scripts', 'dependencies']) {
    t.is(manifest[field], undefined, field)
  }
  t.deepEqual(manifest.optionalDependencies, {
    '@ringpost/linux-x64-gnu': manifest.version,
    '@ringpost/linux-x64-musl': manifest.version,
    '@ringpost/linux-arm64-gnu': manifest.version,
    '@ringpost/linux-arm64-musl': manifest.version,
  })
})

test('the checksums are those of the tarballs', async (t) => {
  const { stdout } = await run('sha256sum', ['--check', 'SHA256SUMS'], { cwd: dirname(tarball) })
  t.deepEqual(stdout.trim().split('\n').map((line) => line.split(': ')), [
    [basename(addonTarball), 'OK'],
    [basename(tarball), 'OK'],
  ])
})

test('nothing of the repository is in the tarball that serves its development only', (t) => {
  const known =
    /^(dist\/(ts|cli)|ts|cli|native|docs|examples)\/|^dist\/index\.d\.ts\.map$|^[^/]+$/
  t.deepEqual([...files].filter((path) => !known.test(path)), [])
  t.deepEqual(names(/__test__|benches|node_modules|\.tgz$|^docs\/api/), [])
  t.deepEqual(names(/\.node$/), [])
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
  const modules = [
    ...['pack', 'prepack', 'cross', 'debian', 'stale', 'step', 'targets', 'third-party', 'wasm'],
  ]
  for (const file of ['package.json', ...modules.map((name) => `ci/${name}.mjs`)]) {
    cpSync(join(ROOT, file), join(folder, file))
  }
  return folder
}

/** Such a copy with files in place of what is built, all with the same text. */
function pretended(name: string, text: string): string {
  const folder = unbuilt(name)
  for (const file of [BINARY, 'native/wasm.js', 'dist/ts/index.js', 'dist/cli/main.mjs']) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  return folder
}

const pack = (cwd: string, ...args: string[]) => {
  return run(process.execPath, ['ci/pack.mjs', 'packed', ...args], { cwd, env: OFFLINE })
}

test('a package without its binary cannot be packed', async (t) => {
  const folder = pretended('no-binary', '')
  rmSync(join(folder, BINARY))
  const error = await t.throwsAsync(pack(folder, '--own'))
  t.true(error.message.includes(`cannot pack without ${BINARY}: npm run build makes it`))
  const unbuiltError = await t.throwsAsync(pack(unbuilt('no-library'), '--own'))
  t.regex(unbuiltError.message, /cannot pack without dist\/ts\/index\.js: npm run build makes it/)
  const withoutModule = pretended('no-module', '')
  rmSync(join(withoutModule, 'native/wasm.js'))
  const lacking = await t.throwsAsync(pack(withoutModule, '--built', 'native', '--only', TARGET))
  t.regex(lacking.message, /cannot pack without native\/wasm\.js: node ci\/wasm\.mjs makes it/)
})

test('npm by itself, which would pack no binary, packs nothing', async (t) => {
  const options = { cwd: unbuilt('npm-pack'), env: OFFLINE }
  const error = await t.throwsAsync(run('npm', ['pack', '--dry-run'], options))
  t.regex(error.message, /ringpost is packed by `npm run pack:all -- <folder>`/)
})

test('a binary that needs a newer glibc than is declared cannot be packed', async (t) => {
  const text = 'GLIBC_2.4\0GLIBC_2.99\0GLIBC_2.34\0'
  const folder = pretended('new-glibc', text)
  writeFileSync(join(folder, 'native/ringpost.linux-x64-gnu.node'), text)
  const args = ['--built', 'native', '--only', 'linux-x64-gnu']
  const error = await t.throwsAsync(pack(folder, ...args))
  t.regex(error.message, /needs glibc 2\.99, and 2\.28 is promised/)
})

test('a binary for another platform cannot be packed', async (t) => {
  // The head of an ELF file for x86-64.
  const elf = `\x7fELF\x02\x01\x01${'\0'.repeat(11)}>\0`
  const folder = pretended('other-platform', '')
  for (const [target, text, said] of [
    ['linux-x64-musl', `${elf}GLIBC_2.17\0`, /needs glibc, and is for musl/],
    ['linux-arm64-gnu', `${elf}GLIBC_2.17\0`, /is no addon for linux-arm64-gnu/],
    ['linux-x64-gnu', 'GLIBC_2.17\0', /is no addon for linux-x64-gnu/],
  ] as const) {
    writeFileSync(join(folder, `native/ringpost.${target}.node`), text)
    const error = await t.throwsAsync(pack(folder, '--built', 'native', '--only', target))
    t.regex(error.message, said)
  }
})

test('where a release would begin, what does not fit together is said', async (t) => {
  const folder = unbuilt('release')
  for (const file of [
    ...['Cargo.toml', 'Cargo.lock', 'CHANGELOG.md', 'package-lock.json', 'nats/package.json'],
    ...['crates/ringpost/Cargo.toml', 'ts/runtime/thread.ts', 'ci/release.mjs'],
  ]) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    cpSync(join(ROOT, file), join(folder, file))
  }
  await run('git', ['init', '--quiet'], { cwd: folder })
  const env = { ...OFFLINE, GITHUB_ACTIONS: '' }
  const release = (...args: string[]) => {
    return t.throwsAsync(run(process.execPath, ['ci/release.mjs', ...args], { cwd: folder, env }))
  }
  t.regex((await release()).message, /Only the workflow `release` publishes/)
  const clean = (await release('--dry-run')).message
  t.regex(clean, /The tree has changes that are not committed/)
  t.notRegex(clean, / says |CHANGELOG\.md does not/)
  const change = (file: string, from: RegExp, to: string) => {
    writeFileSync(join(folder, file), readFileSync(join(folder, file), 'utf8').replace(from, to))
  }
  change('ts/runtime/thread.ts', /VERSION = '.+'/, "VERSION = '9.9.9'")
  change('Cargo.toml', /^version = ".+"/m, 'version = "9.9.8"')
  change('CHANGELOG.md', /^## \[\d.*$/gm, '')
  const said = (await release('--dry-run')).message
  t.regex(said, /ts\/runtime\/thread\.ts says 9\.9\.9, and package\.json \d/)
  t.regex(said, /Cargo\.toml says 9\.9\.8, and package\.json \d/)
  t.regex(said, /CHANGELOG\.md does not have \d/)
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
  // npm takes the C library of the system for that of Node.js.
  const libc = `--libc=${TARGET.endsWith('gnu') ? 'glibc' : 'musl'}`
  await run('npm', ['install', '--no-audit', '--no-fund', libc, tarball, addonTarball], options)
  t.true(existsSync(join(cwd, `node_modules/@ringpost/${TARGET}`, ADDON)))
  t.is((await run(process.execPath, ['program.mjs'], options)).stdout, 'hello world true\n')
  const words = ['--no-install', 'ringpost', 'bench', 'one-way', '--quick', '--json']
  const { stdout } = await run('npx', words, options)
  const { rows } = JSON.parse(stdout) as { rows: { id: string; ringpost: number }[] }
  t.deepEqual(rows.map(({ id }) => id), ['one-way.rate'])
  t.true(rows[0].ringpost > 0)
})
