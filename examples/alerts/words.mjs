// What a person reads.

const seconds = (ms) => `${(ms / 1e3).toFixed(1)} s`

/** Each type of event as a sentence; none for those that come too often to be read. */
const SENTENCES = {
  alert: ({ posture, forMs }) => `ALERT: you have been ${posture} for ${seconds(forMs)}, sit up`,
  error: ({ message }) => `ERROR: ${message}`,
  status_change: ({ monitoring }) => (monitoring ? 'monitoring goes on' : 'monitoring is paused'),
  camera_state: ({ camera }) =>
    camera === 'connected' ? 'the camera is back' : 'the camera is gone',
  correction: ({ afterMs }) => `well done: you sit well again, ${seconds(afterMs)} after the alert`,
}

/**
 * @param {import('./contract.mjs').Type} type
 * @param {any} event
 */
export const sentence = (type, event) => SENTENCES[type]?.(event)

/**
 * What is so now, by the shared state.
 * @param {import('./state.mjs').State} state
 */
export function stateLines({ monitoring, camera, statistics }) {
  const flags = `monitoring is ${monitoring ? 'on' : 'off'}, the camera is ${camera}`
  if (statistics === undefined) return [flags, 'there are no statistics of the last minute']
  const { goodShare, alerts, corrections } = statistics
  return [
    flags,
    `you have sat well ${Math.round(goodShare * 100)} % of the time: ` +
      `${count(alerts, 'alert')}, ${count(corrections, 'correction')}`,
  ]
}

/**
 * What has arrived here, and how fast.
 * @param {import('./watcher.mjs').WatcherStats} stats
 */
export function arrivalLines({ types: { alert, posture_update: stream } }) {
  const { p50Ms, p95Ms, maxMs } = alert.latency
  const [half, most, slowest] = [p50Ms, p95Ms, maxMs].map((ms) => `${ms.toFixed(2)} ms`)
  const updates = count(stream.received, 'posture update')
  const lines = [`${updates} here, ${stream.missed} skipped; ${count(alert.received, 'alert')}`]
  const times = `alerts arrive after ${half} (half), ${most} (95 %), ${slowest} (slowest)`
  return alert.received > 0 ? [...lines, times] : lines
}

/**
 * What the backend has counted.
 * @param {import('./centre.mjs').CentreStats} stats
 */
export const centreLine = ({ uptimeMs, clients }) =>
  `the backend has run for ${seconds(uptimeMs)}, for ${count(clients, 'client')}`

const count = (number, what) => `${number} ${what}${number === 1 ? '' : 's'}`
