// Finds Chromium for tests that need a browser. As root on Debian, installs it if necessary.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { giveUp } from './step.mjs'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

/** The path of Chromium. Exits with a message naming `user` if there is none. */
export function findChromium(user) {
  const found = () => NAMES.map((name) => join('/usr/bin', name)).find((path) => existsSync(path))
  if (!found()) install()
  return found() ?? giveUp(`${user} needs Chromium: please install the package "chromium".`)
}

/** Errors are ignored: the caller checks for the program afterwards. */
function install() {
  if (process.getuid() !== 0 || !existsSync('/usr/bin/apt-get')) return
  const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
  console.log('installing chromium, which takes a minute')
  try {
    execFileSync('apt-get', ['update'], options)
    execFileSync('apt-get', ['install', '--yes', '--no-install-recommends', 'chromium'], options)
  } catch {
    // No network, or no rights.
  }
}
