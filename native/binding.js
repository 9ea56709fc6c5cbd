// Loads the addon: the file beside this one, or beside the bundle that this has become part of, or
// else the package for this platform. binding.d.ts, which the build writes, says what is in it. Where
// there is none, or none can be loaded, the core in WebAssembly takes its place.
//
// Bundlers find what they have to copy by these calls of `require`. They are literal, and inside of
// `try`, which makes a file that is not there no fault; so do not shorten them.

/* eslint-disable @typescript-eslint/no-require-imports -- an addon cannot be imported */

const { closeSync, openSync, readSync } = require('node:fs')

const { platform, arch, env } = process
const TARGETS = ['linux-x64-gnu', 'linux-x64-musl', 'linux-arm64-gnu', 'linux-arm64-musl']
/** What the head of a program has to hold to name its loader; linkers put that first. */
const HEAD_LEN = 4096

module.exports = choose()

function choose() {
  const { RINGPOST_ADDON: addon, RINGPOST_CORE: core } = env
  if (core !== undefined && core !== '' && core !== 'wasm' && core !== 'addon') {
    throw new Error(`RINGPOST_CORE is "${core}": it can be "addon" or "wasm"`)
  }
  if (core === 'wasm') return portable() ?? absent()
  if (addon) return chosen(addon)
  try {
    return found()
  } catch (error) {
    const fallback = core === 'addon' ? undefined : portable()
    if (fallback === undefined) throw error
    // Elsewhere there is nothing to be done about it.
    if (TARGETS.includes(ownTarget())) warn(error)
    return fallback
  }
}

/** The core in WebAssembly; `undefined`: this build is without it. */
function portable() {
  try {
    return require('../dist/ts/wasm/binding.js').binding
  } catch (error) {
    if (isAbsence(error)) return undefined
    throw error
  }
}

function absent() {
  throw new Error('this build is without the core in WebAssembly: `node ci/wasm.mjs` makes it')
}

function warn({ message }) {
  const advice =
    'it runs on its core in WebAssembly, without shared memory, and slower: install the addon, or ' +
    'set RINGPOST_CORE=wasm where that is intended'
  process.emitWarning(`ringpost runs without its addon: ${message}; ${advice}`, {
    type: 'RingpostWarning',
    code: 'RINGPOST_WASM',
  })
}

function chosen(path) {
  try {
    return require(path)
  } catch (error) {
    throw unloadable(`${path} (RINGPOST_ADDON)`, error)
  }
}

function found() {
  const target = ownTarget()
  if (!TARGETS.includes(target)) {
    throw new Error(`ringpost runs on Linux on x64 and arm64, and this is ${platform}-${arch}`)
  }
  return beside(target) ?? packaged(target)
}

function ownTarget() {
  return `${platform}-${arch}-${platform === 'linux' ? libc() : ''}`
}

function beside(target) {
  try {
    switch (target) {
      case 'linux-x64-gnu':
        return require('./ringpost.linux-x64-gnu.node')
      case 'linux-x64-musl':
        return require('./ringpost.linux-x64-musl.node')
      case 'linux-arm64-gnu':
        return require('./ringpost.linux-arm64-gnu.node')
      case 'linux-arm64-musl':
        return require('./ringpost.linux-arm64-musl.node')
    }
  } catch (error) {
    if (isAbsence(error)) return undefined
    throw unloadable(`ringpost.${target}.node`, error)
  }
}

function packaged(target) {
  try {
    switch (target) {
      case 'linux-x64-gnu':
        return require('@ringpost/linux-x64-gnu')
      case 'linux-x64-musl':
        return require('@ringpost/linux-x64-musl')
      case 'linux-arm64-gnu':
        return require('@ringpost/linux-arm64-gnu')
      case 'linux-arm64-musl':
        return require('@ringpost/linux-arm64-musl')
    }
  } catch (error) {
    throw isAbsence(error)
      ? missing(target, error)
      : unloadable(`@ringpost/${target}`, error)
  }
}

/** Which C library this program runs with; another one's addon may take the process down. The
 * program's head names its loader, and is read in no time beside the report, which is left for
 * programs that their loader has started. */
function libc() {
  const loader = /ld-(musl|linux)-/.exec(head(process.execPath))?.[1]
  if (loader !== undefined) return loader === 'musl' ? 'musl' : 'gnu'
  return reported()
}

function reported() {
  const { report } = process
  if (!report) return 'gnu'
  const { excludeNetwork } = report
  // Else it looks up the names of all peers.
  report.excludeNetwork = true
  const { glibcVersionRuntime } = report.getReport().header
  report.excludeNetwork = excludeNetwork
  return glibcVersionRuntime ? 'gnu' : 'musl'
}

function head(path) {
  try {
    const bytes = Buffer.alloc(HEAD_LEN)
    const file = openSync(path)
    readSync(file, bytes, 0, HEAD_LEN, 0)
    closeSync(file)
    return bytes.toString('latin1')
  } catch {
    // Such as without the permission to read it.
    return ''
  }
}

function missing(target, cause) {
  return new Error(
    `the package @ringpost/${target} is not installed: install ringpost without --omit=optional ` +
      'and with a lockfile that lists it (if it was made for another platform only, remove it and ' +
      `node_modules first), put ringpost.${target}.node beside a bundle (see docs/bundlers.md), or ` +
      'run `npm run build` in a checkout',
    { cause },
  )
}

/** Single executables of Node.js can require what is built in, and nothing else; those of Bun, what
 * was there when they were made. */
function isAbsence({ code, message }) {
  const codes = ['MODULE_NOT_FOUND', 'ERR_UNKNOWN_BUILTIN_MODULE']
  return codes.includes(code) || message.startsWith('Cannot require module')
}

function unloadable(what, cause) {
  if (cause.code === 'ERR_DLOPEN_DISABLED') {
    // A line that is whole on a small screen.
    const message = 'loading addons is disabled here (--no-addons, or no --allow-addons)'
    return Object.assign(new Error(message, { cause }), { code: cause.code })
  }
  return new Error(`${what} does not load: ${cause.message}`, { cause })
}
