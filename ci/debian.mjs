// Installs what tests need besides npm packages and crates, as root on Debian.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** How long another program may take that installs something just now. */
const LOCKED_MS = 120_000
const PAUSE_MS = 2_000

/** Installs packages of Debian, where that is possible. If it fails it says why; what that means is
 * up to the caller, who looks for the program afterwards. */
export function installPackages(...names) {
  if (process.getuid() !== 0 || !existsSync('/usr/bin/apt-get')) return
  console.log(`installing ${names.join(', ')}, which may take a minute`)
  const failed = apt('update') ?? apt('install', '--yes', '--no-install-recommends', ...names)
  if (failed !== undefined) console.error(failed)
}

/** Returns why it has failed, if it has. */
function apt(...words) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
  for (const start = Date.now(); ; ) {
    const { status, stderr } = spawnSync('apt-get', words, { env, encoding: 'utf8' })
    if (status === 0) return undefined
    const isLocked = /could not get lock|unable to lock/i.test(stderr)
    if (!isLocked || Date.now() - start > LOCKED_MS) return stderr
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
  }
}
