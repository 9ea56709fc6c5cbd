// What differs between systems: the one place that asks which it is.

const { platform } = process

/** Sockets have no files: servers are reached through named pipes, see `pipes`. */
export const hasPipes = platform === 'win32'

/** The flag of open(2) that takes a lock beside the file, where the system has one: the kernel
 * gives it up with the process. It has no name in Node.js. */
export const LOCK_AT_OPEN = ['darwin', 'freebsd', 'netbsd', 'openbsd'].includes(platform)
  ? 0x20
  : undefined

/** Bytes an address of a socket may have. */
export const ADDRESS_MAX = platform === 'linux' ? 107 : 103

/** The user of this process; 0 where the system has no such numbers. A runtime may not let programs
 * ask, which is not to keep them from being loaded. */
export function ownUser(): number {
  return process.getuid?.() ?? 0
}

/** Where the kernel says who has locked what: an inode in each line. */
export const LOCKS = platform === 'linux' ? '/proc/locks' : undefined
/** Where it says at which files processes listen. */
export const SOCKETS = platform === 'linux' ? '/proc/net/unix' : undefined
/** Where a program lies that locks a file which is open, on a system that has none of the above. */
export const LOCKERS = ['/usr/bin/flock', '/bin/flock']

/** The folder that the session manager makes for a user, where there is one. */
export function runFolder(): string | undefined {
  return platform === 'linux' ? `/run/user/${ownUser()}` : undefined
}
