// The page: takes messages, knows the newest of each kind, and shows what that means.

import { Connection } from './connection.mjs'
import { cameraLook, connectionLook, postureLook } from './looks.mjs'
import * as view from './view.mjs'

/** So often it is looked whether time has changed anything. */
const LOOK_MS = 500
/** What a picture begins with: its number, when it was drawn and when it was published. */
const PICTURE_HEAD = 24

const newest = { status: null, posture: null, picture: null, updatedAt: null }

const token = takeToken()
const connection =
  token === null ? undefined : new Connection(`ws://${location.host}/stream`, token, received)
setInterval(look, LOOK_MS)
look()

/** From the link, whose fragment is sent to no server. It is taken out of the address at once, so
 * that it is not on the screen, and kept for this tab alone, so that it can be reloaded. */
function takeToken() {
  const given = location.hash.slice(1)
  if (given !== '') {
    sessionStorage.setItem('token', given)
    history.replaceState(null, '', location.pathname)
  }
  // Another link in the same tab.
  addEventListener('hashchange', () => location.reload())
  return sessionStorage.getItem('token')
}

/** Takes a message, and returns its kind when it is shown. */
async function received(data) {
  if (typeof data !== 'string') {
    await receivedPicture(data)
    return 'camera'
  }
  const { kind, ...value } = JSON.parse(data)
  if (kind === 'status') newest.status = value
  else newest.updatedAt = Date.now()
  if (kind === 'posture') newest.posture = value
  if (kind === 'errors') view.showErrors(value.errors)
  look()
  return kind
}

async function receivedPicture(data) {
  // It was on its way when the camera was lost.
  if (!isLive()) return
  const [number, drawnAt] = new Float64Array(data, 0, 2)
  try {
    await view.drawPicture(new Uint8Array(data, PICTURE_HEAD), { number, drawnAt })
  } catch {
    // It is no picture. The next one is.
    return
  }
  newest.picture = number
  newest.updatedAt = Date.now()
  look()
}

function isLive() {
  return newest.status?.producer === 'live' && newest.status.camera === 'live'
}

function look() {
  connection?.look()
  if (!isLive()) {
    newest.posture = newest.picture = null
    view.clearPicture()
  }
  const connected = connectionLook(connection)
  const posture = connected.isCurrent ? newest.posture : null
  const postured = postureLook(posture)
  const camera = cameraLook(newest, connected.isCurrent)
  view.showStates({ connection: connected, camera, posture: postured })
  view.showScore(posture, postured)
  view.showUpdated(newest.updatedAt)
}
