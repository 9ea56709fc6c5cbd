// Builds the engine as a module in WebAssembly, for platforms without an addon, and writes it as
// native/wasm.js: a file that any bundler takes in as it is. It needs the addon of this checkout,
// whose constants go with it.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants as zlib } from 'node:zlib'
import { installPackages } from './debian.mjs'
import { isStale } from './stale.mjs'
import { ROOT, attempt, giveUp, step } from './step.mjs'

/** What is made. */
export const MODULE = 'native/wasm.js'
export const TRIPLE = 'wasm32-unknown-unknown'
const TARGET_DIR = join(ROOT, 'target/wasm')
/** A compiler that has its library's source, of which the library is built, and a linker. */
const DEBIAN = ['rustc-web', 'cargo-web', 'rust-web-src', 'lld-22']
const DEBIAN_SOURCE = '/usr/lib/rustlib/src/rust/library/std'
const DEBIAN_LINKER = '/usr/bin/wasm-ld-22'
/** What it is made of. */
const SOURCES = ['ipc-core', 'ipc-node'].flatMap((crate) => [
  `crates/${crate}/Cargo.toml`,
  `crates/${crate}/src`,
])
/** The most that may be added to every installation, compressed as it is. */
const LEN_MAX = 224 << 10

if (process.argv[1] === fileURLToPath(import.meta.url)) await makeModule()

/** Makes native/wasm.js, unless it is up to date. */
export async function makeModule() {
  if (!isStale(MODULE, ['Cargo.toml', 'Cargo.lock', 'ci/wasm.mjs', ...SOURCES])) return
  const { env, args } = await compiler()
  const build = ['build', '--profile', 'wasm', '--package', 'ipc-node', '--locked', ...args]
  await step('building the module (a minute or two the first time)', 'cargo', build, { env })
  const code = readFileSync(join(TARGET_DIR, TRIPLE, 'wasm/ipc_node.wasm'))
  check(code)
  const text = written(code)
  if (text.length > LEN_MAX) {
    giveUp(`${MODULE} has ${text.length} bytes, more than the ${LEN_MAX} that it may have`)
  }
  writeFileSync(join(ROOT, MODULE), text)
  console.log(`${MODULE}: ${text.length} bytes, which hold a module of ${code.length}`)
}

/** What cargo needs: the environment, and the arguments that choose the target. */
async function compiler() {
  const args = ['--target', TRIPLE, '--target-dir', TARGET_DIR]
  if (hasLibrary()) return { env: {}, args }
  const hasDebian = () => existsSync(DEBIAN_SOURCE) && existsSync(DEBIAN_LINKER)
  if (!hasDebian()) installPackages(...DEBIAN)
  if (hasDebian()) {
    const env = {
      PATH: `/usr/bin:/bin:${process.env.PATH}`,
      RUSTC: '/usr/bin/rustc',
      RUSTDOC: '/usr/bin/rustdoc',
      RUSTC_BOOTSTRAP: '1',
      CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: DEBIAN_LINKER,
    }
    return { env, args: [...args, '-Zbuild-std=std,panic_abort'] }
  }
  await attempt(`adding ${TRIPLE} to the toolchain`, 'rustup', ['target', 'add', TRIPLE], {
    minutes: 10,
  })
  if (!hasLibrary()) giveUp(`The module needs \`rustup target add ${TRIPLE}\`.`)
  return { env: {}, args }
}

/** Whether the toolchain has the standard library for it. */
function hasLibrary() {
  const args = ['--print', 'target-libdir', '--target', TRIPLE]
  return existsSync(execFileSync('rustc', args, { encoding: 'utf8' }).trim())
}

/** Gives up on a module that asks for anything but its host. */
function check(code) {
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(code))
  const others = imports.filter(({ module }) => module !== 'host')
  if (others.length > 0) giveUp(`the module asks for ${JSON.stringify(others)}`)
}

function written(code) {
  const addon = createRequire(import.meta.url)('../native/binding.js')
  const params = { [zlib.BROTLI_PARAM_SIZE_HINT]: code.length }
  const packed = brotliCompressSync(code, { params }).toString('base64')
  return `// The engine as a module in WebAssembly, and the constants it shares with JavaScript. Made by the
// build, like the addon.

'use strict'

const { brotliDecompressSync } = require('node:zlib')

/** The module. */
exports.bytes = () => brotliDecompressSync(Buffer.from(PACKED, 'base64'))

exports.constants = ${JSON.stringify(constants(addon), null, 2)}

exports.latencyBounds = ${list(addon.latencyBounds())}

exports.overflowDefault = ${list(addon.overflowDefault())}

const PACKED =
  '${packed}'
`
}

/** Numbers, of which some may be infinite, and words. */
function list(values) {
  return `[${values.map((it) => (typeof it === 'number' ? it : JSON.stringify(it))).join(', ')}]`
}

/** What the addon exports that is no function. */
function constants(addon) {
  const plain = Object.entries(addon).filter(([, value]) => typeof value !== 'function')
  return Object.fromEntries(plain)
}
