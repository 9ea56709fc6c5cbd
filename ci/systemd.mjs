// Finds systemd-analyze for the test of the units. As root on Debian, installs it if necessary.

import { existsSync } from 'node:fs'
import { installPackage } from './debian.mjs'

const PATH = '/usr/bin/systemd-analyze'

/** The path of systemd-analyze, if there is one. */
export function findSystemdAnalyze() {
  if (!existsSync(PATH)) installPackage('systemd')
  return existsSync(PATH) ? PATH : undefined
}
