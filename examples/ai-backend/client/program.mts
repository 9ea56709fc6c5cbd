// Starting the backend's program. It belongs to no window: it outlives the one that has started it.

import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

export interface Program {
  /** Its file. */
  readonly path: string
  /** Words it is started with, besides its name. */
  readonly args?: readonly string[]
  /** Where windows find it. */
  readonly name: string
  /** Where servers and clients meet, see `connect`. */
  readonly directory?: string
  /** The file that its log is appended to. @default none */
  readonly logFile?: string
}

/** Nothing is wrong if it ends with one of these: it was told to, or another one is running. */
const FINE: readonly (number | null)[] = [0, 3]
/** Between two that have ended at once, at first and at most: the name of one that was just killed
 * may still be in use for a moment. */
const PAUSE_MS = { least: 10, most: 10_000 }

/** Starts it. Resolves once it has ended: to why it has failed, or to null if it has not. */
export async function start(program: Program, ...more: string[]): Promise<Error | null> {
  const { path, logFile } = program
  try {
    const child = launch(program, more)
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (...how) => resolve(how))
    })
    if (FINE.includes(code)) return null
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`
    const where = logFile === undefined ? 'it logs to no file' : `see ${logFile}`
    return new Error(`the backend ${path} has ended ${how}; ${where}`)
  } catch (cause) {
    return new Error(`the backend cannot be started: ${(cause as Error).message}`, { cause })
  }
}

/** Starts it again and again until that is enough. One that is not needed, because another window
 * was faster, ends by itself. */
export async function keepStarting(
  program: Program,
  enough: AbortSignal,
  onProblem: (problem: Error) => void,
): Promise<void> {
  const isEnough = new Promise<null>((resolve) => {
    enough.addEventListener('abort', () => resolve(null))
  })
  for (let ms = PAUSE_MS.least; !enough.aborted; ms = Math.min(ms * 2, PAUSE_MS.most)) {
    const problem = await Promise.race([start(program), isEnough])
    if (problem !== null) onProblem(problem)
    await Promise.race([setTimeout(ms, null, { ref: false }), isEnough])
  }
}

function launch(program: Program, more: readonly string[]): ChildProcess {
  const { path, args = [], name, directory, logFile } = program
  const log = logFile === undefined ? 'ignore' : openSync(logFile, 'a', 0o600)
  const env = directory === undefined ? process.env : { ...process.env, RINGPOST_DIR: directory }
  try {
    const stdio = ['ignore', 'ignore', log] as const
    const words = ['--name', name, ...args, ...more]
    const child = spawn(path, words, { env, stdio: [...stdio], detached: true })
    child.unref()
    return child
  } finally {
    // The child has its own.
    if (log !== 'ignore') closeSync(log)
  }
}
