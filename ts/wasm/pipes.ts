// Names of servers on Windows, where the system keeps no sockets in folders.
//
//   server-<name>.lock   open to nobody else as long as its server lives: that is who has the name
//   server-<name>.pipe   the address of its named pipe
//
// The address is random and new for each listener. Who cannot read the file can neither connect nor
// listen in a server's place, and no client waits for a pipe that has connections but no listener.

import { randomBytes } from 'node:crypto'
import { closeSync, constants, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const PREFIX = '\\\\.\\pipe\\ringpost-'
const ADDRESS = /^\\\\\.\\pipe\\ringpost-[0-9a-f]{32}$/
/** libuv's `UV_FS_O_EXLOCK`, which has no name in Node.js: the file is shared with nobody. */
const ALONE = 0x10000000
/** A program that looks through all files has a lock open for moments. */
const PAUSES_MS = [1, 2, 4, 8]

/** A living server has the name. */
export class PipeInUse extends Error {}

/** A name held by a server of this process. */
export interface PipeClaim {
  readonly address: string
  /** Whether the name still leads here. */
  isStanding(): boolean
  /** Gives the name up. Comes before the end of the listener, so that no client finds a pipe that
   * nobody serves. */
  release(): void
}

/** The folder in which programs of this user meet. Windows lets no other user into it. */
export function ownFolder(): string {
  const local = process.env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local')
  return join(local, 'ringpost')
}

/**
 * Claims a name in a folder. `listen` has to listen at the address it is given before it returns;
 * if it throws, the name is given up.
 */
export function claimPipe(
  folder: string,
  name: string,
  listen: (address: string) => void,
): PipeClaim {
  const [lockPath, path] = [fileOf(folder, name, 'lock'), fileOf(folder, name, 'pipe')]
  const lock = takeLock(lockPath, name)
  const address = PREFIX + randomBytes(16).toString('hex')
  let isHeld = true
  const release = () => {
    if (!isHeld) return
    isHeld = false
    rmSync(path, { force: true })
    closeSync(lock)
    removeLock(lockPath)
  }
  try {
    listen(address)
    writeFileSync(path, address, { mode: 0o600 })
  } catch (error) {
    release()
    throw error
  }
  return { address, isStanding: () => isHeld && read(path) === address, release }
}

/** The address of the server that has this name, which may be dead: then nobody listens there. */
export function findPipe(folder: string, name: string): string | undefined {
  const text = read(fileOf(folder, name, 'pipe'))
  return text !== undefined && ADDRESS.test(text) ? text : undefined
}

/** Files there are the same in capitals, and some words are devices. */
function fileOf(folder: string, name: string, kind: 'lock' | 'pipe'): string {
  const small = name.replace(/[A-Z]/g, (letter) => `~${letter.toLowerCase()}`)
  return join(folder, `server-${small}.${kind}`)
}

function takeLock(path: string, name: string): number {
  for (let look = 0; ; look++) {
    try {
      return openSync(path, constants.O_RDWR | constants.O_CREAT | ALONE, 0o600)
    } catch (error) {
      // While it is being removed, another cannot open it either.
      if (!['EBUSY', 'EPERM', 'EACCES'].includes(codeOf(error)!)) throw error
      if (look === PAUSES_MS.length) {
        if (codeOf(error) !== 'EBUSY') throw error
        throw new PipeInUse(`a living server holds the name "${name}"`)
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSES_MS[look])
    }
  }
}

/** Fails if another server has it by now, which is in order. */
function removeLock(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch (error) {
    if (!['EBUSY', 'EPERM', 'EACCES'].includes(codeOf(error)!)) throw error
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
