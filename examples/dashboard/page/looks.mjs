// What each state is shown as: a color, a shape, and words. All of them together say the same, so
// that none is needed.

const GOOD = { look: 'good', shape: 'check' }
const WARN = { look: 'warn', shape: 'triangle' }
const BAD = { look: 'bad', shape: 'diamond' }
const UNKNOWN = { look: 'unknown', shape: 'ring' }

/** How long there may be no connection, or no news, before a person is told. */
const SILENT_MS = 3_000

const POSTURES = {
  upright: { ...GOOD, words: 'Upright' },
  leaning: { ...WARN, words: 'Leaning' },
  slouched: { ...BAD, words: 'Slouched' },
  away: { ...UNKNOWN, words: 'Away' },
}

/** Of the connection, `undefined` without a token. `notice` explains what is not as it should be,
 * and `isCurrent` is whether what was received last is true. */
export function connectionLook(connection) {
  if (connection === undefined) {
    const notice = 'This page is opened by a link that the program prints when it starts.'
    return { ...BAD, words: 'No token', notice, isCurrent: false }
  }
  const { isOpen, silentMs } = connection
  if (silentMs < SILENT_MS) {
    const words = isOpen ? 'Connected' : 'Connecting'
    return { ...(isOpen ? GOOD : UNKNOWN), words, notice: '', isCurrent: true }
  }
  const [words, notice] = isOpen
    ? ['No news', 'The server does not respond. It is connected to again if that lasts.']
    : [
        'No connection',
        'The server cannot be reached, and is tried again by itself. ' +
          'If it was started anew, open the link that it has printed.',
      ]
  return { ...(isOpen ? WARN : BAD), words, notice, isCurrent: false }
}

/** Of the camera. `placeholder` is what stands in the place of a picture. */
export function cameraLook({ status, picture }, isCurrent) {
  if (!isCurrent) return { ...UNKNOWN, words: 'Unknown', placeholder: 'No connection' }
  if (status === null) return { ...UNKNOWN, words: 'Waiting', placeholder: 'Waiting for news' }
  const { producer, camera } = status
  if (producer === 'gone') {
    const placeholder = 'The producer is not running. The picture is back as soon as it is.'
    return { ...BAD, words: 'Producer down', placeholder }
  }
  if (producer === 'late') {
    const placeholder = 'The producer does not respond.'
    return { ...WARN, words: 'Producer hangs', placeholder }
  }
  if (camera === 'lost') {
    return { ...BAD, words: 'Camera lost', placeholder: 'The camera is lost.' }
  }
  const placeholder = picture === null ? 'Waiting for the first picture' : ''
  return { ...GOOD, words: 'Live', placeholder }
}

/** Of the posture, `null` if it is not known. */
export function postureLook(posture) {
  return posture === null ? { ...UNKNOWN, words: 'Unknown' } : POSTURES[posture.state]
}
