// A server's name: it belongs to one living server at a time, whether that runs on the addon or on
// this core.
//
//   name.lock   locked by the server as long as it lives, see `lock`
//   name.sock   the socket; the holder of the lock may replace and remove it
//
// The socket is made under another name, closed to all others, and renamed: clients find the old
// one or the new one, and never one with a wider mode.

import { randomBytes } from 'node:crypto'
import { chmodSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  addressIn,
  checkLength,
  inFirstUsable,
  makeFolder,
  usableOf,
  type Places,
} from './directory.js'
import { codeOf, fault, system } from './fault.js'
import { fileAt, isLocked, isSame, takeLock, type FileId, type Lock } from './lock.js'
import { PipeInUse, claimPipe } from './pipes.js'
import { SOCKETS, hasPipes } from './platform.js'

/** In the kernel's list: a socket that listens. */
const LISTENS = '00010000'
/** How often what a dead server has left is cleared away: it may be put back once. */
const BINDS = 4

/** Begins to listen at an address before it returns, or throws. */
export type Listen = (address: string) => void

/** A name held by a server of this thread. */
export interface Claim {
  /** Whether clients find the server, and no other can take its name. */
  isStanding(): boolean
  /** Puts back what is gone, with a socket that listens anew. Throws if another server has the name
   * by now. */
  restore(listen: Listen): void
  /** Gives the name up, and removes its files, as far as they are still its own. */
  release(): void
}

/** Claims a name in the first place that can be used. */
export function claim(places: Places, name: string, listen: Listen): Claim {
  if (hasPipes) return claimOfPipe(places, name, listen)
  // In a place that is not the first, where an earlier server could use no other.
  const isHeld = (folder: string) => isLocked(join(folder, `${name}.lock`))
  if (!places.isChosen && usableOf(places).some(isHeld)) throw inUse(name)
  return inFirstUsable(places, (folder) => {
    checkLength(folder, name)
    return new FileClaim(folder, name, listen)
  })
}

function claimOfPipe(places: Places, name: string, listen: Listen): Claim {
  return inFirstUsable(places, (folder) => {
    try {
      return claimPipe(folder, name, listen)
    } catch (error) {
      if (error instanceof PipeInUse) throw inUse(name)
      throw codeOf(error)?.startsWith('ERR_') ? error : system(`claiming "${name}"`, error)
    }
  })
}

class FileClaim implements Claim {
  readonly #folder: string
  readonly #name: string
  #lock: Lock
  #bound: FileId | undefined
  #isReleased = false

  constructor(folder: string, name: string, listen: Listen) {
    this.#folder = folder
    this.#name = name
    this.#lock = this.#takeLock()
    try {
      this.#bind(listen)
    } catch (error) {
      this.#lock.release()
      throw error
    }
  }

  isStanding(): boolean {
    return this.#lock.isThere() && isSame(fileAt(this.#path), this.#bound)
  }

  restore(listen: Listen): void {
    makeFolder(this.#folder)
    if (!this.#lock.isThere()) {
      const lock = this.#takeLock()
      this.#lock.release()
      this.#lock = lock
    }
    this.#bind(listen)
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    if (isSame(fileAt(this.#path), this.#bound)) rmSync(this.#path, { force: true })
    this.#lock.release()
  }

  get #path(): string {
    return addressIn(this.#folder, this.#name)
  }

  #takeLock(): Lock {
    const lock = takeLock(join(this.#folder, `${this.#name}.lock`))
    if (lock === undefined) throw inUse(this.#name)
    return lock
  }

  #bind(listen: Listen): void {
    this.#bound = this.#lock.isHeld
      ? bindApart(this.#folder, this.#path, listen)
      : bindVacant(this.#path, this.#name, listen)
  }
}

/** Puts a socket where clients look for it, in place of what is there. */
function bindApart(folder: string, path: string, listen: Listen): FileId {
  // No longer than the shortest name with its ending.
  const apart = join(folder, `.${randomBytes(3).toString('hex').slice(0, 5)}`)
  try {
    listen(apart)
    chmodSync(apart, 0o600)
    const bound = fileAt(apart)!
    renameSync(apart, path)
    return bound
  } catch (error) {
    rmSync(apart, { force: true })
    throw codeOf(error)?.startsWith('ERR_') ? error : system(`listening at ${path}`, error)
  }
}

/** The same without the lock: at the very address, so that the kernel lists it for others. */
function bindVacant(path: string, name: string, listen: Listen): FileId {
  for (let attempt = 1; ; attempt++) {
    if (isListening(path)) throw inUse(name)
    rmSync(path, { force: true })
    try {
      listen(path)
      chmodSync(path, 0o600)
      return fileAt(path)!
    } catch (error) {
      if (attempt === BINDS) throw error
    }
  }
}

function isListening(path: string): boolean {
  try {
    const sockets = readFileSync(SOCKETS!, 'utf8').split('\n')
    return sockets.some((line) => line.endsWith(` ${path}`) && line.includes(` ${LISTENS} `))
  } catch {
    return false
  }
}

function inUse(name: string): Error {
  return fault('ERR_NAME_IN_USE', `a living server holds the name "${name}"`)
}
