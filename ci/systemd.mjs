// Finds systemd-analyze for the test of the units. As root on Debian, installs it if necessary.

import { existsSync } from 'node:fs'
import { installPackages } from './debian.mjs'

const PATH = '/usr/bin/systemd-analyze'

/** The path of systemd-analyze, if there is one. */
export function findSystemdAnalyze() {
  if (!existsSync(PATH)) installPackages('systemd')
  return existsSync(PATH) ? PATH : undefined
}
