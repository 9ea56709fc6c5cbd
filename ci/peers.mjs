// What Ringpost is measured against, made ready in benches/peers: npm packages, nats-server, and
// the Rust program. What cannot be had is named and left out. Later runs skip what is fresh.
//
//   node ci/peers.mjs

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PROGRAMS, program } from '../benches/peers/library.mjs'
import { ROOT } from './step.mjs'

const PEERS = join(ROOT, 'benches/peers')

export function setUpPeers() {
  installPackages()
  unpackBroker()
  buildRust()
}

/** Without scripts: what is native in them comes built. See setup.mjs for why not `npm ci`. */
function installPackages() {
  const made = join(PEERS, 'node_modules/.package-lock.json')
  const lock = join(PEERS, 'package-lock.json')
  if (existsSync(made) && statSync(made).mtimeMs > statSync(lock).mtimeMs) return
  const install = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund']
  attempt('installing peers from npm', 'npm', install, PEERS)
}

/** Unpacked and not installed, which would start it as a service of the machine. */
function unpackBroker() {
  if (program('nats-server') !== undefined) return
  if (!existsSync('/usr/bin/apt-get')) {
    console.log('NATS is left out: please install nats-server.')
    return
  }
  mkdirSync(PROGRAMS, { recursive: true })
  if (process.getuid() === 0) attempt('refreshing the list of packages', 'apt-get', ['update'])
  if (!attempt('downloading nats-server', 'apt-get', ['download', 'nats-server'], PROGRAMS)) return
  const [archive] = readdirSync(PROGRAMS).filter((name) => name.endsWith('.deb'))
  attempt('unpacking it', 'dpkg-deb', ['--extract', archive, '.'], PROGRAMS)
}

function buildRust() {
  const manifest = join(PEERS, 'rust/Cargo.toml')
  if (!existsSync(manifest)) return
  attempt('building peers in Rust', 'cargo', ['build', '--release', '--manifest-path', manifest])
}

/** Like `step`, but what fails costs one sentence. */
function attempt(name, command, args, cwd = ROOT) {
  const start = Date.now()
  process.stdout.write(`${name} ... `)
  const { status, error, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    maxBuffer: 64 << 20,
  })
  if (status === 0) {
    console.log(`${((Date.now() - start) / 1000).toFixed(1)} s`)
    return true
  }
  const why = error?.message ?? stderr.split('\n').find((line) => /^(npm err|err|E:)/i.test(line))
  console.log(`failed, so what needs it is left out: ${why ?? `${command} ended with ${status}`}`)
  return false
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setUpPeers()
