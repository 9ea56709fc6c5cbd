// The licenses of what Ringpost is measured against, which is installed for the benchmarks and never
// shipped: benches/peers/LICENSES.md.
//
//   node ci/peer-licenses.mjs    writes it anew, after a change of a lock file; may need the network
//
// The step `licenses` of the tests compares it with the lock files, without a network.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './step.mjs'

const PEERS = join(ROOT, 'benches/peers')
const LIST = join(PEERS, 'LICENSES.md')
/** What says its license in a field that lock files do not keep. */
const STATED = { 'xmlhttprequest-ssl': 'MIT' }

const HEAD = `# Licenses of the peers

What Ringpost is measured against, with all it depends on, on every system. It is installed for the
benchmarks only. What the benchmark runner itself uses is checked with everything else, by
\`ci/licenses.mjs\`. \`node ci/peer-licenses.mjs\` writes this list.

The broker of NATS, \`nats-server\`, is a program of its own under Apache-2.0, installed as Debian has it.
`

/** Where the list is not what the lock files are, in sentences. */
export function outdated() {
  const rows = rowsOf(readFileSync(LIST, 'utf8'))
  const listed = new Set(rows.map(([name, version]) => `${name} ${version}`))
  const locked = new Set([...npm(), ...crates()].map(({ name, version }) => `${name} ${version}`))
  return [
    ...[...locked].filter((one) => !listed.has(one)).map((one) => `${one} is not in it`),
    ...[...listed].filter((one) => !locked.has(one)).map((one) => `${one} is not used any more`),
    ...rows.filter(([, , license]) => license === '').map(([name]) => `${name} has no license`),
  ]
}

function rowsOf(text) {
  return [...text.matchAll(/^\| (\S+) \| (\d\S*) \| (.*?) ?\|$/gm)].map(([, ...row]) => row)
}

/** Packages of npm, with their licenses. */
function npm() {
  const { packages } = JSON.parse(readFileSync(join(PEERS, 'package-lock.json'), 'utf8'))
  return Object.entries(packages)
    .filter(([path]) => path !== '')
    .map(([path, { version, license }]) => {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
      return { name, version, license: license ?? STATED[name] ?? '' }
    })
}

/** Crates, whose licenses are not in their lock file. */
function crates() {
  const lock = readFileSync(join(PEERS, 'rust/Cargo.lock'), 'utf8')
  const entries = lock.matchAll(/name = "(.+)"\nversion = "(.+)"\nsource = /g)
  return [...entries].map(([, name, version]) => ({ name, version }))
}

function write() {
  const manifest = join(PEERS, 'rust/Cargo.toml')
  const args = ['metadata', '--format-version', '1', '--manifest-path', manifest]
  const { packages } = JSON.parse(
    execFileSync('cargo', args, { encoding: 'utf8', maxBuffer: 64 << 20 }),
  )
  const licenses = new Map(packages.map((one) => [`${one.name} ${one.version}`, one.license]))
  const rust = crates().map((one) => {
    return { ...one, license: licenses.get(`${one.name} ${one.version}`) ?? '' }
  })
  writeFileSync(LIST, [HEAD, table('npm', npm()), table('crates.io', rust)].join('\n'))
}

function table(from, packages) {
  const rows = packages.map(({ name, version, license }) => `| ${name} | ${version} | ${license} |`)
  const unique = [...new Set(rows)].sort((a, b) => a.localeCompare(b, 'en'))
  return `## From ${from}\n\n| package | version | license |\n| --- | --- | --- |\n${unique.join('\n')}\n`
}

if (process.argv[1] === import.meta.filename) write()
