// The lock file of a name. Servers on the addon lock it with flock(2), which Node.js does not have;
// what does the same depends on the system:
//
//   open(2) with O_EXLOCK   macOS and the BSDs
//   the program flock(1)    Linux: it locks the open file that it inherits from this process, and
//                           the lock stays when the program is over
//   /proc/locks             Linux without that program: whether another has the lock is seen, but
//                           none is taken

import { spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
  type BigIntStats,
} from 'node:fs'
import { codeOf, fault, system } from './fault.js'
import { LOCKERS, LOCKS, LOCK_AT_OPEN } from './platform.js'

/** What a lock file holds, so that it can be distinguished from other files. */
const MARK = 'ringpost\n'
/** How long a lock may be held by a process that only looks whether it is held. */
const PAUSES_MS = [1, 2, 4, 8, 50]

const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants
const FLAGS = O_RDWR | O_NOFOLLOW | O_NONBLOCK

/** A file, whatever its name is. */
export interface FileId {
  readonly dev: bigint
  readonly ino: bigint
}

/** A lock that this process has, or, where it can have none, has found free. */
export interface Lock {
  /** No other can have it meanwhile. */
  readonly isHeld: boolean
  /** Whether others find the file. */
  isThere(): boolean
  /** Removes the file and gives the lock up. */
  release(): void
}

export function fileAt(path: string): FileId | undefined {
  try {
    return lstatSync(path, { bigint: true })
  } catch {
    return undefined
  }
}

export function isSame(one: FileId | undefined, other: FileId | undefined): boolean {
  return one !== undefined && one.dev === other?.dev && one.ino === other.ino
}

export function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** Takes the lock at `path`; `undefined`: a living server has it. */
export function takeLock(path: string): Lock | undefined {
  for (const ms of PAUSES_MS) {
    const lock = tryLock(path)
    if (lock !== undefined) return lock
    pause(ms)
  }
  return tryLock(path)
}

/** Whether a living server has it. */
export function isLocked(path: string): boolean {
  if (fileAt(path) === undefined) return false
  const looksLocked = () => {
    let file
    try {
      file = openLock(path, 0)
    } catch (error) {
      return codeOf(error) === 'EAGAIN'
    }
    try {
      return lockFile(file, true) === 'locked'
    } finally {
      closeSync(file)
    }
  }
  return looksLocked() && PAUSES_MS.every((ms) => (pause(ms), looksLocked()))
}

function tryLock(path: string): Lock | undefined {
  for (;;) {
    let file: number
    try {
      file = openLock(path, O_CREAT)
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') return undefined
      throw system(`locking ${path}`, error)
    }
    const found = lockFile(file, false)
    const id = fstatSync(file, { bigint: true })
    if (found === 'locked') {
      closeSync(file)
      return undefined
    }
    // The one that had it before may have removed the file between our open and our lock; then the
    // lock is on a file that is found by no other.
    if (!isSame(fileAt(path), id)) {
      closeSync(file)
      continue
    }
    if (id.size === 0n) writeSync(file, MARK, 0)
    const isThere = () => isSame(fileAt(path), id)
    const release = () => {
      if (isThere()) rmSync(path, { force: true })
      closeSync(file)
    }
    return { isHeld: found === 'taken', isThere, release }
  }
}

/** Opens a lock file, which is a file of ours or none at all. What a umask took from its mode is
 * given back. */
function openLock(path: string, more: number): number {
  const file = openSync(path, FLAGS | more | (LOCK_AT_OPEN ?? 0), 0o600)
  const found = fstatSync(file)
  if (!found.isFile()) {
    closeSync(file)
    throw fault('EINVAL', `${path} is no file`)
  }
  if (more !== 0 && (found.mode & 0o777) !== 0o600) fchmodSync(file, 0o600)
  return file
}

/** Locks an open file: for this process alone, or only to see whether that could be done. Where it
 * was locked as it was opened, there is nothing left to do. */
function lockFile(file: number, isLook: boolean): 'taken' | 'locked' | 'free' {
  if (LOCK_AT_OPEN !== undefined) return 'taken'
  const status = lockBy(LOCKERS.find((path) => existsSync(path)), file, isLook)
  if (status === 0) return 'taken'
  if (status === 1) return 'locked'
  return isListed(fstatSync(file, { bigint: true })) ? 'locked' : 'free'
}

/** The exit code of a program that locks an open file; none, if there is no such program, or none
 * may be started. */
function lockBy(program: string | undefined, file: number, isLook: boolean): number | null {
  if (program === undefined) return null
  const args = ['-n', isLook ? '-s' : '-x', '3']
  try {
    return spawnSync(program, args, { stdio: ['ignore', 'ignore', 'ignore', file] }).status
  } catch {
    // By Node.js, with --permission.
    return null
  }
}

/** Whether the kernel lists a lock of this file. Its device is two numbers there, and which of
 * Node's it is depends on the file system, so the inode alone decides. */
function isListed({ ino }: BigIntStats): boolean {
  try {
    const locks = readFileSync(LOCKS!, 'utf8')
    return locks.split('\n').some((line) => line.includes('FLOCK') && line.includes(`:${ino} `))
  } catch {
    return false
  }
}
