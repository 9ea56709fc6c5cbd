// Finds the NATS server for tests and measurements that need one. As root on Debian, installs it if
// necessary.

import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { installPackages } from './debian.mjs'

/** The path of `nats-server`, unless there is none. */
export function findNatsServer() {
  return found() ?? (installPackages('nats-server'), found())
}

function found() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  return folders.map((folder) => join(folder, 'nats-server')).find((path) => existsSync(path))
}
