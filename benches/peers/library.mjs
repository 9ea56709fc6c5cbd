// What the adapters need of what is installed for them.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A package's exports, or one sentence about why there are none. */
export async function library(name) {
  try {
    return await import(name)
  } catch (cause) {
    if (cause.code === 'ERR_MODULE_NOT_FOUND') throw notInstalled(name)
    const [why] = cause.message.split('\n')
    throw new Error(`${name} does not load: ${why}`, { cause })
  }
}

export function notInstalled(name) {
  return new Error(`${name} is not installed: node ci/peers.mjs installs it`)
}

/** Read as a file, because some packages do not export theirs. */
export function versionOf(name) {
  const file = new URL(`node_modules/${name}/package.json`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')).version
}

/** Where ci/peers.mjs unpacks programs. */
export const PROGRAMS = fileURLToPath(new URL('../../.cache/peers', import.meta.url))

/** Where a program is, if it is. */
export function program(name) {
  const folders = [...process.env.PATH.split(':'), '/usr/sbin', join(PROGRAMS, 'usr/sbin')]
  return folders.map((folder) => join(folder, name)).find(existsSync)
}
