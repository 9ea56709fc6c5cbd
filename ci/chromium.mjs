// Finds Chromium for tests that need a browser. As root on Debian, installs it if necessary.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { installPackages } from './debian.mjs'
import { giveUp } from './step.mjs'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

/** Starts Chromium without a window, for tests that need nothing else of it. */
export async function launchChromium(user) {
  const executablePath = findChromium(user)
  // Only now: it may have been installed just before.
  const { chromium } = await import('playwright-core')
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
}

/** The path of Chromium. Exits with a message naming `user` if there is none. */
export function findChromium(user) {
  const found = () => NAMES.map((name) => join('/usr/bin', name)).find((path) => existsSync(path))
  if (!found()) installPackages('chromium')
  return found() ?? giveUp(`${user} needs Chromium: please install the package "chromium".`)
}
