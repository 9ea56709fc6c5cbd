// Names of servers on Windows, where the system keeps no sockets in folders.
//
//   server-<name>.lock   open to nobody else as long as its server lives: that is who has the name
//   server-<name>.pipe   the address of its named pipe
//
// Windows lets no other user write into a pipe, nor listen at one that a server listens at, unless
// it is told to. But anybody can see the names of pipes and take one when its server is gone: so
// clients look whether the lock is held before they believe the address, which is another for each
// listener. That also keeps them from waiting for a pipe with connections and no listener.

import { randomBytes } from 'node:crypto'
import { closeSync, constants, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const PREFIX = '\\\\.\\pipe\\ringpost-'
const ADDRESS = /^\\\\\.\\pipe\\ringpost-[0-9a-f]{32}$/
/** libuv's `UV_FS_O_EXLOCK`, which has no name in Node.js: the file is shared with nobody. */
const ALONE = 0x10000000
/** Clients that look for the server, and programs that look through all files, have a lock open for
 * moments, */
const PAUSES_MS = [1, 2, 4, 8]
/** and longer if they lose their core meanwhile: as long as no process has the pipe, no server
 * serves the name. */
const LATE_PAUSES_MS = [50, 50, 50, 50, 50]

/** A living server has the name. */
export class PipeInUse extends Error {}

/** A name held by a server of this process. */
export interface PipeClaim {
  readonly address: string
  /** Whether clients find the server. Windows lets nobody remove the lock. */
  isStanding(): boolean
  /** Puts back the address, which is another one. */
  restore(listen: (address: string) => void): void
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
  const lock = takeLock(lockPath, path, name)
  let isHeld = true
  const claim = {
    address: '',
    isStanding: () => isHeld && read(path) === claim.address,
    restore(listen: (address: string) => void) {
      claim.address = PREFIX + randomBytes(16).toString('hex')
      listen(claim.address)
      writeFileSync(path, claim.address, { mode: 0o600 })
    },
    release() {
      if (!isHeld) return
      isHeld = false
      rmSync(path, { force: true })
      closeSync(lock)
      removeLock(lockPath)
    },
  }
  try {
    claim.restore(listen)
  } catch (error) {
    claim.release()
    throw error
  }
  return claim
}

/** The address of the living server that has this name. */
export function findPipe(folder: string, name: string): string | undefined {
  if (!isLocked(fileOf(folder, name, 'lock'))) return undefined
  const text = read(fileOf(folder, name, 'pipe'))
  return text !== undefined && ADDRESS.test(text) ? text : undefined
}

/** Files there are the same in capitals, and some words are devices. */
function fileOf(folder: string, name: string, kind: 'lock' | 'pipe'): string {
  const small = name.replace(/[A-Z]/g, (letter) => `~${letter.toLowerCase()}`)
  return join(folder, `server-${small}.${kind}`)
}

function takeLock(lockPath: string, path: string, name: string): number {
  const pauses = [...PAUSES_MS, ...LATE_PAUSES_MS]
  for (let look = 0; ; look++) {
    try {
      return openSync(lockPath, constants.O_RDWR | constants.O_CREAT | ALONE, 0o600)
    } catch (error) {
      // While it is being removed, another cannot open it either.
      if (!['EBUSY', 'EPERM', 'EACCES'].includes(codeOf(error)!)) throw error
      const isOver = look === pauses.length
      if (isOver && codeOf(error) !== 'EBUSY') throw error
      if (isOver || (look >= PAUSES_MS.length && isServed(read(path)))) {
        throw new PipeInUse(`a living server holds the name "${name}"`)
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauses[look])
    }
  }
}

/** Whether a process has the pipe. Its server sees a connection that ends at once. */
function isServed(address: string | undefined): boolean {
  if (address === undefined || !ADDRESS.test(address)) return false
  try {
    closeSync(openSync(address, 'r+'))
    return true
  } catch (error) {
    return codeOf(error) !== 'ENOENT'
  }
}

/** Whether its server lives. That looks for as short as other programs do, see above. */
function isLocked(path: string): boolean {
  try {
    closeSync(openSync(path, 'r'))
    return false
  } catch (error) {
    return codeOf(error) !== 'ENOENT'
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
