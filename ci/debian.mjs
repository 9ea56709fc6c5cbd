// Installs what tests need besides npm packages and crates, as root on Debian.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Installs packages of Debian, where that is possible. Errors are ignored: the caller checks for
 * the program afterwards. */
export function installPackages(...names) {
  if (process.getuid() !== 0 || !existsSync('/usr/bin/apt-get')) return
  const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
  console.log(`installing ${names.join(', ')}, which may take a minute`)
  try {
    execFileSync('apt-get', ['update'], options)
    execFileSync('apt-get', ['install', '--yes', '--no-install-recommends', ...names], options)
  } catch {
    // No network, or no rights.
  }
}
