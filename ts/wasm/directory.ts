// The private directories in which a machine's processes of one user meet, by the same rules as
// those of the addon. One that was chosen is the only one; else there are places every process of
// this user knows, in one order: a server takes the first it can use, and a client searches all.

import { chmodSync, lstatSync, mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { codeOf, fault, system } from './fault.js'
import { ownFolder } from './pipes.js'
import { ADDRESS_MAX, hasPipes, ownUser, runFolder } from './platform.js'

/** How another place is chosen. */
const CHOOSING = 'the option `directory`, or RINGPOST_DIR in the environment'
/** Longer names are refused by the module. */
const NAME_MAX = 64

/** Where to meet. */
export interface Places {
  readonly paths: readonly string[]
  /** There is one, and it was chosen. */
  readonly isChosen: boolean
}

/** Those in the directory of a login that were chosen, and count in any case. */
const chosen = new Set<string>()

/** All of them, also those that do not count now but may later. */
export function placesOf(directory: string | null): Places {
  if (directory !== null) {
    const path = resolve(directory)
    if (dirname(path) === runFolder()) chosen.add(path)
    return { paths: [path], isChosen: true }
  }
  if (hasPipes) return { paths: [ownFolder()], isChosen: false }
  const folder = runFolder()
  // Who waits may have begun before the system has made it for a login.
  const run = folder === undefined ? [] : [join(folder, 'ringpost')]
  const user = ownUser()
  const rest = ['/tmp', '/var/tmp'].map((parent) => join(parent, `ringpost-${user}`))
  return { paths: [...run, ...rest], isChosen: false }
}

/** Whether a place counts now: one in the directory of a login does not unless that is private,
 * too, because others may have been there. */
export function counts(path: string): boolean {
  const parent = dirname(path)
  return parent !== runFolder() || chosen.has(path) || isFine(parent)
}

/** Makes something in the first place that can be used. */
export function inFirstUsable<T>({ paths, isChosen }: Places, make: (folder: string) => T): T {
  const reasons: string[] = []
  for (const path of paths.filter(counts)) {
    try {
      makeFolder(path)
      return make(path)
    } catch (error) {
      const isAboutThePlace = !ABOUT_MORE.includes(codeOf(error)!)
      if (isChosen || !isAboutThePlace) throw error
      reasons.push((error as Error).message)
    }
  }
  throw nowhere(reasons)
}

/** What would be the same in another place. */
const ABOUT_MORE = [
  'ERR_NAME_IN_USE',
  'ERR_INVALID_NAME',
  'ERR_NO_DESCRIPTORS',
  'ERR_INVALID_ARGUMENT',
]

/** The addresses at which a server of this name may be. Those in directories that are missing, or
 * do not count yet, are among them, because they may come. */
export function addressesOf({ paths, isChosen }: Places, name: string): string[] {
  const reasons: string[] = []
  const usable = paths.filter((path) => {
    try {
      if (counts(path)) checkIfThere(path)
      checkLength(path, name)
      return true
    } catch (error) {
      if (isChosen) throw error
      reasons.push((error as Error).message)
      return false
    }
  })
  if (!usable.some(counts)) throw nowhere(reasons)
  return usable.map((path) => addressIn(path, name))
}

/** Where a server is found in a directory: the file of its socket, where sockets have files. */
export function addressIn(path: string, name: string): string {
  return join(path, hasPipes ? name : `${name}.sock`)
}

/** Those that are there and can be used. */
export function usableOf({ paths }: Places): string[] {
  return paths.filter((path) => counts(path) && isFine(path))
}

export function checkLength(path: string, name: string): void {
  const address = addressIn(path, name)
  const length = Buffer.byteLength(address)
  if (hasPipes || length <= ADDRESS_MAX || name.length > NAME_MAX) return
  throw fault(
    'ERR_INVALID_NAME',
    `${address} has ${length} bytes, and the address of a socket at most ${ADDRESS_MAX}: choose ` +
      `a shorter name, or a shorter directory with ${CHOOSING}`,
  )
}

/** The directory, made if it is missing. */
export function makeFolder(path: string): void {
  try {
    // That of Windows may be the first folder of its kind.
    mkdirSync(path, { mode: 0o700, recursive: hasPipes })
  } catch (error) {
    const doing = `creating the directory ${path} to meet in`
    const made = system(doing, error)
    if (codeOf(error) === 'EEXIST') return check(path)
    if (codeOf(made) !== 'ERR_SYSTEM') throw made
    throw fault('ERR_UNSAFE_DIRECTORY', remedied(made.message))
  }
  check(path)
}

/** Checks a directory, unless it is missing. */
export function checkIfThere(path: string): void {
  try {
    lstatSync(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
  }
  check(path)
}

function isFine(path: string): boolean {
  try {
    check(path)
    return true
  } catch {
    return false
  }
}

/** Checked, not trusted: a real directory, ours, closed to all others. If it is ours, and only its
 * owner lacks something, a umask has taken that, and it is given back. */
function check(path: string): void {
  const look = () => {
    try {
      return lstatSync(path)
    } catch (error) {
      throw system(`reading ${path}`, error)
    }
  }
  let found = look()
  if (!found.isDirectory()) {
    const what = found.isSymbolicLink() ? 'a link' : 'a file'
    throw fault('ERR_UNSAFE_DIRECTORY', remedied(`${path} is ${what}, not a directory`))
  }
  // Who may enter a folder there is not said by numbers, and a folder of a user is the user's.
  if (hasPipes) return
  const user = ownUser()
  if (found.uid !== user) {
    const message = `${path} belongs to user ${found.uid}, not to user ${user}`
    throw fault('ERR_FOREIGN_USER', remedied(message))
  }
  if ((found.mode & 0o077) === 0 && (found.mode & 0o700) !== 0o700) {
    try {
      chmodSync(path, 0o700)
    } catch {
      // What follows decides.
    }
    found = look()
  }
  const mode = found.mode & 0o777
  if (mode === 0o700) return
  const reason = (mode & 0o077) === 0 ? 'closed to its owner' : 'open to others'
  const shown = mode.toString(8).padStart(3, '0')
  throw fault(
    'ERR_UNSAFE_DIRECTORY',
    `${path} is ${reason}, its mode is ${shown}: make it private with \`chmod 700 ${path}\`, or ` +
      `choose another place with ${CHOOSING}`,
  )
}

function nowhere(reasons: string[]): Error {
  const message =
    `there is no place to meet in: ${reasons.join('; ')}; another one is chosen with ` + CHOOSING
  return fault('ERR_UNSAFE_DIRECTORY', message)
}

function remedied(message: string): string {
  return `${message}: remove what is there, or choose another place with ${CHOOSING}`
}
