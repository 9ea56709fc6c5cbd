// The process that watches someone at a desk: node backend.mjs [name] [seed]

import { Centre } from './centre.mjs'
import { Desk } from './desk.mjs'
import { lifetime } from './lifetime.mjs'
import { atRate } from './pace.mjs'
import { PublishedState } from './state.mjs'

/** A step of the desk is a millisecond. */
const STEPS_PER_SECOND = 1_000
/** How often the shared statistics are renewed. */
const STATISTICS_MS = 1_000
/** A score of so much is good posture. */
const GOOD = 70

const [name = 'alerts', seed = '1'] = process.argv.slice(2)
const signal = lifetime()
const report = (text) => console.error(`  backend: ${text}`)
const statistics = { updates: 0, goodShare: 1, alerts: 0, corrections: 0 }
let good = 0

const { centre, state } = await start()
const desk = new Desk(Number(seed))
const timer = setInterval(() => state.statistics(statistics), STATISTICS_MS)
process.send?.('ready')

const step = () => {
  if (!centre.monitoring) return
  for (const { type, details } of desk.step()) {
    note(type, details)
    centre.emit(type, details)
  }
}
await atRate(STEPS_PER_SECOND, step, { signal })
clearInterval(timer)
state.close()
await centre.close()

/** The centre first: only the process that has its name may own the state. */
async function start() {
  try {
    const changed = (monitoring) => state.flag('monitoring', monitoring)
    const centre = await Centre.open(name, { report, changed })
    const state = new PublishedState(name)
    state.flag('monitoring', true)
    state.flag('camera', 'connected')
    state.statistics(statistics)
    return { centre, state }
  } catch (error) {
    const isTaken = error.code === 'ERR_NAME_IN_USE'
    report(isTaken ? `an alert center named "${name}" is running already` : error.message)
    process.exit(1)
  }
}

/** Keeps the shared state up to date; events may be dropped, this is not. */
function note(type, details) {
  if (type === 'alert') statistics.alerts++
  if (type === 'correction') statistics.corrections++
  if (type === 'camera_state') state.flag('camera', details.camera)
  if (type !== 'posture_update') return
  statistics.updates++
  if (details.score >= GOOD) good++
  statistics.goodShare = good / statistics.updates
}
