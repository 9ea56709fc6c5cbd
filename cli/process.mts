// What the kernel says of a process and of one of its threads.

import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { printable, type Server } from './objects.mjs'

/** How often a thread is looked at to see whether it computes, and how long after each time. */
const LOOKS = 5
const LOOK_MS = 25
/** A turn that takes longer than this is too long. */
const STUCK_MS = 1000
/** The letters of the kernel. */
const STATES: Record<string, string> = {
  R: 'running',
  S: 'sleeping',
  D: 'waiting for a device',
  T: 'stopped',
  t: 'stopped by a debugger',
  Z: 'zombie',
  X: 'dead',
  I: 'idle',
}

/** A process or a thread. */
export interface State {
  name: string
  state: string
}

/** What a server does, in a word. */
export type Condition = 'dead' | 'stopped' | 'stuck' | 'busy' | 'awake' | 'asleep'

/** What is to be seen of a process whose server says this of itself. */
export interface Seen {
  condition: Condition
  process: State | null
  thread: State | null
}

/** Looks at the process of a server. `again` reads what the server says a second time. */
export async function look(alive: boolean, server: Server, again: () => Server): Promise<Seen> {
  if (!alive) return { condition: 'dead', process: null, thread: null }
  const { pid } = server
  const paths = { process: `${pid}`, thread: `${pid}/task/${server.thread}` }
  let thread = stateOf(paths.thread)
  let computes = thread?.state === 'running'
  for (let look = 1; look < LOOKS; look++) {
    await pause(LOOK_MS)
    thread = stateOf(paths.thread)
    computes &&= thread?.state === 'running'
  }
  const now = again()
  const process = stateOf(paths.process)
  const condition = conditionOf(now, process, computes && now.turns === server.turns)
  return { condition, process, thread }
}

/** What a server does that lives. `computes`: its thread does, and its engine does not turn. */
export function conditionOf(
  server: Pick<Server, 'awakeForMs' | 'turnedAgoMs'>,
  process: State | null,
  computes: boolean,
): Condition {
  if (process?.state.startsWith('stopped')) return 'stopped'
  if (server.awakeForMs !== null) return server.turnedAgoMs > STUCK_MS ? 'stuck' : 'awake'
  return computes ? 'busy' : 'asleep'
}

/** The condition of a server, as a sentence with its times. */
export function sentence({ condition }: Seen, server: Server): string {
  const turned = `its engine turned last ${since(server.turnedAgoMs)} ago`
  switch (condition) {
    case 'dead':
      return 'dead: this is what it has left'
    case 'stopped':
      return `stopped: ${turned}`
    case 'stuck':
      return `stuck: it is awake, and ${turned}`
    case 'busy':
      return `busy: its thread computes, and ${turned}`
    case 'awake':
      return `awake: ${turned}`
    case 'asleep':
      return `asleep: it has waited for work for ${since(server.asleepForMs ?? 0)}`
  }
}

/** The state of a process or of `<process>/task/<thread>`; `null`: it cannot be seen from here. */
export function stateOf(path: string): State | null {
  let text: string
  try {
    text = readFileSync(`/proc/${path}/stat`, 'latin1')
  } catch {
    return null
  }
  // Its number, its name in parentheses, which may contain some as well, and its state.
  const end = text.lastIndexOf(')')
  const letter = text[end + 2]
  return {
    name: printable(text.slice(text.indexOf('(') + 1, end)),
    state: STATES[letter] ?? letter,
  }
}

/** A time that has passed, for people. */
export function since(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 120) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`
}

/** The same of a date. */
export const sinceDate = (date: string): string => since(Math.max(0, Date.now() - Date.parse(date)))
