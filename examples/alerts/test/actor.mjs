// A process of the tests that executes commands: a centre, a watcher, or one that owns or reads the
// shared state.

import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { Centre } from '../centre.mjs'
import { LANES } from '../contract.mjs'
import { atRate } from '../pace.mjs'
import { PublishedState, State } from '../state.mjs'
import { Watcher } from '../watcher.mjs'

const CHANGES_AT_ONCE = 1_000
const READS_AT_ONCE = 100

let centre
let published
const watchers = new Map()
const reports = []
/** Events that were not what was sent. */
const faults = []

/** What an event of the tests says: something that follows from its number. */
const text = (type, number) => `${type} ${number * 7919}`

/** Of one moment: each follows from the first. */
const consistent = (updates) => ({
  updates,
  goodShare: 1 / updates,
  alerts: updates * 3,
  corrections: updates * 5,
})

const deeds = {
  /** With alerts that reach no client, because none can be there yet. */
  async open(name, directory, early = 0) {
    centre = await Centre.open(name, { directory, report: (line) => reports.push(line) })
    deeds.emit('alert', early)
  },

  async watch(name, directory) {
    const watcher = await Watcher.open(name, { directory })
    watchers.set(name, watcher)
    // Once it has answered, the centre knows of this watcher, and sends it whatever comes next.
    await watcher.centreStats()
    for (const type of Object.keys(LANES)) {
      watcher.on(type, (event) => {
        if (event.text !== text(type, event.number)) faults.push(`${type} ${event.number}`)
      })
    }
  },

  /** All at once, or so many a second. */
  emit(type, count, perSecond) {
    const one = () => centre.emit(type, { text: text(type, centre.stats().sent[type] + 1) })
    if (perSecond !== undefined) return atRate(perSecond, one, { count })
    for (let sent = 0; sent < count; sent++) one()
  },

  publish: (name, options) => void (published = new PublishedState(name, options)),
  unpublish: () => published.close(),
  set: (key, value) => published.flag(key, value),
  setStatistics: (statistics) => published.statistics(statistics),

  /** Statistics that belong together, again and again, until the process is killed. */
  keepChanging() {
    let updates = 0
    const change = () => published.statistics(consistent(++updates))
    change()
    setInterval(() => {
      for (let time = 0; time < CHANGES_AT_ONCE; time++) change()
    })
  },

  /** Reads so many times, and on until something has changed. Returns what was wrong, if any. */
  async readState(name, directory, reads) {
    const state = new State(name, { directory })
    const seen = new Set()
    for (let read = 0; read < reads || seen.size < 2; read++) {
      try {
        const { statistics } = state
        seen.add(statistics.updates)
        assert.deepEqual(statistics, consistent(statistics.updates))
      } catch (error) {
        return error.stack
      }
      if (read % READS_AT_ONCE === 0) await setImmediate()
    }
    return null
  },

  close: () => centre.close(),
  centreStats: () => centre.stats(),
  reports: () => reports,
  watcherStats: (name) => ({ ...watchers.get(name).stats(), faults }),
}

process.on('message', async ({ id, deed, args }) => {
  try {
    process.send({ id, result: await deeds[deed](...args) })
  } catch (error) {
    process.send({ id, error: error.stack })
  }
})
process.on('disconnect', () => process.exit())
