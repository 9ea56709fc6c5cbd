// The process that a person sees: node tray.mjs [name]
//
// Prints what happens, shows alerts and errors as notifications of the desktop, and takes the words
// "pause", "resume" and "stats" as lines.

import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { TYPES } from './contract.mjs'
import { lifetime } from './lifetime.mjs'
import { notifier } from './notify.mjs'
import { State } from './state.mjs'
import { Watcher } from './watcher.mjs'
import { arrivalLines, centreLine, sentence, stateLines } from './words.mjs'

/** How long a person waits for what a command does. */
const COMMAND_MS = 2_000

const [name = 'alerts'] = process.argv.slice(2)
const signal = lifetime()
const notify = notifier()
const say = (text) => console.log(`${new Date().toLocaleTimeString('en-GB')}  ${text}`)

// Read before there is a connection.
const state = new State(name)
say(state.hasBackend ? stateLines(state)[0] : 'there is no backend yet: waiting for one')
const watcher = await open()
if (watcher !== undefined) {
  show(watcher)
  const commands = createInterface({ input: process.stdin })
  commands.on('line', (line) => void obey(watcher, line.trim()))
  if (!signal.aborted) await once(signal, 'abort')
  commands.close()
  await watcher.close()
}
state.close()

/** Waits for a backend. There is none if this has to end before that. */
async function open() {
  try {
    const failed = (error) => say(`a callback has failed: ${error.message}`)
    return await Watcher.open(name, { signal, failed })
  } catch (error) {
    if (!signal.aborted) throw error
    return undefined
  }
}

/** @param {Watcher} watcher */
function show(watcher) {
  say(`the backend is there: process ${watcher.pid}; type "pause", "resume" or "stats"`)
  for (const type of TYPES) {
    watcher.on(type, (event) => {
      const text = sentence(type, event)
      if (text !== undefined) say(text)
    })
  }
  watcher.on('alert', (event) => notify('Sit up', sentence('alert', event)))
  watcher.on('error', (event) => notify('Alert center', sentence('error', event)))
  watcher.follow({
    lost: () => {
      if (!signal.aborted) say('the backend is gone: waiting for the next one')
    },
    back: (pid, awayMs) => {
      say(`the backend is back: process ${pid}, after ${Math.round(awayMs)} ms`)
    },
  })
}

/**
 * @param {Watcher} watcher
 * @param {string} command
 */
async function obey(watcher, command) {
  const options = { timeoutMs: COMMAND_MS }
  try {
    if (command === 'pause') await watcher.pause(options)
    else if (command === 'resume') await watcher.resume(options)
    else if (command === 'stats') {
      for (const line of [...stateLines(state), ...arrivalLines(watcher.stats())]) say(line)
      say(centreLine(await watcher.centreStats(options)))
    } else if (command !== '') say(`"${command}" is none of "pause", "resume" and "stats"`)
  } catch (error) {
    say(`"${command}" has failed: ${error.message}`)
  }
}
