// Programs started in special environments: limits, namespaces, users, umasks.

import { spawn, spawnSync } from 'node:child_process'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import './directory.mjs'

const PROGRAM = fileURLToPath(new URL('../programs/attempt.mjs', import.meta.url))
/** The project's folder. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
export const isRoot = process.getuid?.() === 0

/** A command that enters a new namespace; root needs no user namespace for it. Some containers
 * forbid it. */
export const unshare = (kind: '--pid' | '--mount') => [
  ...['unshare', kind, '--fork'],
  ...(isRoot ? [] : ['--map-root-user']),
]
export const hasNamespaces = (['--pid', '--mount'] as const).every((kind) => {
  const [command, ...args] = unshare(kind)
  return spawnSync(command, [...args, 'true']).status === 0
})
/** A command that enters all the namespaces that a container has of its own, as this user inside. Its
 * `/dev/shm` is its own as well. */
export const contained = (user = '--map-root-user') => [
  ...['unshare', '--user', user, '--pid', '--mount', '--ipc', '--net', '--uts', '--fork'],
  ...['--mount-proc', '--kill-child', 'sh', '-c'],
  'mount -t tmpfs none /dev/shm 2>/dev/null; exec "$0" "$@"',
]
/** Within one, what the kernel counts per user has limits that the user may lower. */
export const hasUserNamespaces =
  spawnSync('unshare', ['--user', '--map-root-user', 'true']).status === 0

export interface Attempt {
  verb: string
  name: string
  options?: object
}

export interface Environment {
  /** Commands placed in front, which execute the rest. */
  prefix?: readonly string[]
  /** Shell commands to run before the program. */
  shell?: string
  /** Path of {@link ROOT} in that environment. */
  root?: string
  cwd?: string
  env?: NodeJS.ProcessEnv
}

/** Shell commands after which there is nothing in any of the places that every process knows, and
 * what is built lies in `/mnt`, because it may lie in one of them. To be run in a namespace. */
export const BARE = [
  `mount --bind '${ROOT}' /mnt`,
  ...['/tmp', '/var/tmp', '/run'].map((path) => `mount -t tmpfs none ${path}`),
].join('; ')
/** The environment for that. */
export const DEFAULTS = { prefix: unshare('--mount'), root: '/mnt', env: { RINGPOST_DIR: '' } }

/** The result of an attempt; fails if the program reported none. */
export async function attempt(what: Attempt, environment: Environment = {}): Promise<any> {
  const { lines, ended } = begin(what, environment)
  const { value } = await lines.next()
  const how = await ended
  if (value === undefined) throw new Error(`the program reported nothing and ended: ${how}`)
  return value
}

/** Starts a program that reports several lines until `stop` is called. */
export function begin(what: Attempt, environment: Environment = {}) {
  const { prefix = [], shell, root = ROOT, cwd, env = {} } = environment
  const program = [process.execPath, join(root, relative(ROOT, PROGRAM)), JSON.stringify(what)]
  const inShell = shell === undefined ? [] : ['sh', '-c', `${shell}; exec "$0" "$@"`]
  const [command, ...args] = [...prefix, ...inShell, ...program]
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env } })
  let errors = ''
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()))
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(`${signal ?? code} ${errors}`))
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const parsed = {
    async next(): Promise<{ value: any }> {
      const { value } = await lines.next()
      return { value: value === undefined ? undefined : JSON.parse(value as string) }
    },
  }
  return { lines: parsed, ended, stop: () => child.stdin.end(), kill: () => child.kill('SIGKILL') }
}
