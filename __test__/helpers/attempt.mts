// Programs in surroundings of their own: limits, namespaces, users, umasks.

import { spawn, spawnSync } from 'node:child_process'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import './directory.mjs'

const PROGRAM = fileURLToPath(new URL('../programs/attempt.mjs', import.meta.url))
/** The folder with all that is built. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
export const isRoot = process.getuid!() === 0

/** A namespace of one's own: root needs no namespace of users for it. Some containers allow none. */
export const unshare = (kind: '--pid' | '--mount') => [
  ...['unshare', kind, '--fork'],
  ...(isRoot ? [] : ['--map-root-user']),
]
export const hasNamespaces = (['--pid', '--mount'] as const).every((kind) => {
  const [command, ...args] = unshare(kind)
  return spawnSync(command, [...args, 'true']).status === 0
})

export interface Attempt {
  verb: string
  name: string
  options?: object
}

export interface Surroundings {
  /** Commands in front, which run it. */
  prefix?: readonly string[]
  /** Words of a shell, before the program takes its place. */
  shell?: string
  /** Where {@link ROOT} is found there. */
  root?: string
  cwd?: string
  env?: NodeJS.ProcessEnv
}

/** What an attempt came to. One that was ended by a signal came to nothing. */
export async function attempt(what: Attempt, surroundings: Surroundings = {}): Promise<any> {
  const { lines, ended } = begin(what, surroundings)
  const { value } = await lines.next()
  const how = await ended
  if (value === undefined) throw new Error(`it said nothing, and ended: ${how}`)
  return value
}

/** A program that says more than one thing, until `stop` is called. */
export function begin(what: Attempt, surroundings: Surroundings = {}) {
  const { prefix = [], shell, root = ROOT, cwd, env = {} } = surroundings
  const program = [process.execPath, join(root, relative(ROOT, PROGRAM)), JSON.stringify(what)]
  const inShell = shell === undefined ? program : ['sh', '-c', `${shell}; exec "$0" "$@"`, ...program]
  const [command, ...args] = [...prefix, ...inShell]
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
