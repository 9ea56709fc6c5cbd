// The sockets that systemd has handed to this process (`sd_listen_fds(3)`).

import { wrongType } from '../values/checks.js'
import { IpcError } from '../values/errors.js'

/** What handed sockets begin at. */
const FIRST = 3
const SOCKETS_MAX = 1024

/** Their names, in order, once the environment was read. */
let handed: readonly string[] | undefined

export function systemdSocket(name?: string): number | undefined {
  if (name !== undefined && typeof name !== 'string') throw wrongType('name', 'a string', name)
  handed ??= take()
  if (handed.length === 0) return undefined
  const found = name === undefined ? handed : handed.filter((one) => one === name)
  if (found.length === 1) return FIRST + handed.indexOf(found[0])
  const wanted = name === undefined ? 'say which' : `${found.length} of them are named "${name}"`
  throw wrong(`${handed.length} sockets were handed over, ${handed.join(', ')}: ${wanted}`)
}

/** Takes the sockets out of the environment, so that child processes do not take them for
 * theirs. */
function take(): string[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = process.env
  if (LISTEN_PID === undefined || LISTEN_FDS === undefined) return []
  if (Number(LISTEN_PID) !== process.pid) {
    // To listen at a socket of our own would take its place, and nobody would be told.
    throw wrong(
      `the sockets were handed to process ${LISTEN_PID}, and this is ${process.pid}: let ` +
        'ExecStart= start this program itself, not a shell or npm',
    )
  }
  const count = Number(LISTEN_FDS)
  if (!Number.isInteger(count) || count < 0 || count > SOCKETS_MAX) {
    throw wrong(`LISTEN_FDS must be 0 to ${SOCKETS_MAX}, got "${LISTEN_FDS}"`)
  }
  const names = LISTEN_FDNAMES?.split(':') ?? []
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete process.env[name]
  return Array.from({ length: count }, (_, at) => names[at] ?? 'unknown')
}

const wrong = (message: string) => new IpcError('ERR_INVALID_ARGUMENT', message)
