// What is seen. Text is replaced only if it is another, so that a screen reader says it once.

const at = (id) => document.getElementById(id)
const canvas = at('picture')
const context = canvas.getContext('2d')
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })

/** Draws a PNG, and says which it is. */
export async function drawPicture(png, { number, drawnAt }) {
  const bitmap = await createImageBitmap(new Blob([png], { type: 'image/png' }))
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height)
  bitmap.close()
  Object.assign(canvas.dataset, { drawnAt, number })
  write(at('number'), number.toLocaleString())
}

/** What was drawn last is not what is there. */
export function clearPicture() {
  context.clearRect(0, 0, canvas.width, canvas.height)
  delete canvas.dataset.number
  write(at('number'), '–')
}

export function showStates({ connection, camera, posture }) {
  showState(at('connection'), connection)
  showState(at('camera'), camera)
  showState(at('posture'), posture)
  const { notice } = connection
  write(at('notice'), notice)
  at('notice').hidden = notice === ''
  const { placeholder } = camera
  write(at('placeholder'), placeholder)
  at('placeholder').hidden = placeholder === ''
}

/** @param posture What is known of it, or null. */
export function showScore(posture, { look }) {
  const score = posture === null || posture.state === 'away' ? null : posture.score
  write(at('score'), score === null ? '–' : `${score} of 100`)
  const meter = at('meter')
  meter.dataset.look = look
  meter.setAttribute('aria-valuenow', score ?? 0)
  meter.setAttribute('aria-valuetext', score === null ? 'unknown' : `${score} of 100`)
  meter.firstElementChild.style.width = `${score ?? 0}%`
  write(at('since'), posture === null ? '' : `for ${span(Date.now() - posture.since)}`)
}

export function showUpdated(updatedAt) {
  if (updatedAt === null) return
  const ago = Date.now() - updatedAt
  const words = clock.format(updatedAt)
  write(at('updated'), ago < 2_000 ? words : `${words}, ${span(ago)} ago`)
  at('updated').dateTime = new Date(updatedAt).toISOString()
}

/** The newest first. */
export function showErrors(errors) {
  at('none').hidden = errors.length > 0
  const items = errors.toReversed().map(({ code, message, at }) => {
    const [item, time, words] = ['li', 'time', 'span'].map((name) => document.createElement(name))
    time.dateTime = new Date(at).toISOString()
    time.textContent = `${clock.format(at)} · ${code}`
    words.textContent = message.charAt(0).toUpperCase() + message.slice(1)
    item.append(time, words)
    return item
  })
  at('errors').replaceChildren(...items)
}

function showState(element, { look, shape, words }) {
  element.dataset.look = look
  const use = element.querySelector('use')
  if (use.getAttribute('href') !== `#${shape}`) use.setAttribute('href', `#${shape}`)
  write(element.querySelector('.words'), words)
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text
}

function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1e3))
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`
}
