// The control process: node main.mjs [--name <name>] [--bars <count>] [--rounds <count>]
//
// Plays the score, then measures how long commands take.

import { parseArgs } from 'node:util'
import { parameter } from './contract.mjs'
import { Control } from './control.mjs'
import { FLOORS, periodsInWords, Reports, summary, table, TARGETS, woken } from './measure.mjs'
import { play, score } from './score.mjs'

/** Between two commands that are measured. */
const PAUSE_MS = 4

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: 'audio' },
    bars: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '1000' },
  },
})
const [bars, rounds] = [count('bars'), count('rounds')]

// The program that has started it has ended when its channel closes, which may have been
// before this line.
for (const reason of ['SIGINT', 'SIGTERM', 'disconnect']) process.on(reason, () => process.exit())
if (process.connected === false) process.exit()

const reports = new Reports()
const control = await Control.open(values.name, { onReport: reports.add })
console.log(`control: plays ${bars} bars`)
await play(control, score(bars))
console.log(`control: measures ${rounds} commands of each kind`)
await measure().catch((error: Error) => {
  console.error(`control: the measurement has ended early: ${error.message}`)
  process.exitCode = 1
})
await control.close()
if (process.connected) process.disconnect()

async function measure(): Promise<void> {
  control.send(parameter('gain', 1))
  await reports.collect(control, rounds, PAUSE_MS)
  const measured = await woken(control, rounds, PAUSE_MS)
  const halves = summary(measured.map(({ roundTrip }) => roundTrip / 2))
  const oneWay = summary(measured.map(({ oneWay }) => oneWay))
  const status = await control.status()
  const begins = [status.wakeMeanMicros, status.wakeDeviationMicros].map((micros) => micros.toFixed(0))
  console.log(`
Commands to a thread that is woken for each, one way, beside 2 workers and 100 other messages a second:

${table([
  ['half a round trip', halves, FLOORS],
  ['by the clock of both', oneWay],
  ['held to', FLOORS],
  ['asked of native code', TARGETS],
])}

Commands to the audio thread, which is not woken but looks once in a period:

${table([['from sending to reading', summary(reports.waits)]])}

${periodsInWords(reports)}.
A period begins ${begins.join(' ± ')} µs after its time; ${status.overruns} of them began after their end, and were made up for.
`)
}

function count(option: 'bars' | 'rounds'): number {
  const count = Number(values[option])
  if (Number.isInteger(count) && count >= 1) return count
  console.error(`control: --${option} must be a whole number from 1 on, got ${values[option]}`)
  process.exit(1)
}
