// The page, in a real browser.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freeze, until } from '../../testing/processes.mjs'
import { openPages, Place, says, shown } from './helpers.mjs'

const PAGES = 12
const SMALL = { viewport: { width: 360, height: 400 } }

/** Waits until all of these pages show the newest picture or the one before, at one moment. */
async function withinOne(pages, newest) {
  let seen
  await until('all pages show the newest picture', async () => {
    // What was the newest before they were asked has to be there, but for one.
    const before = newest()
    seen = await Promise.all(pages.map(shown))
    return seen.every((number) => number >= before - 1)
  }).catch((cause) => {
    throw new Error(`${newest()} is the newest, they show ${seen.join(', ')}`, { cause })
  })
  return newest()
}

test('twelve pages show the newest picture, beside one that is frozen and one that is slow', async (t) => {
  const place = new Place(t)
  await place.producer()
  const newest = place.newest()
  const { link } = await place.server()
  // Those that are frozen and slow share no process with any other.
  const opened = await Promise.all([1, 1, PAGES - 2].map((count) => openPages(t, link, count, SMALL)))
  const [[frozen], [slow], others] = opened.map(({ pages }) => pages)
  const pages = [frozen, slow, ...others]
  for (const page of pages) await says(page, 'camera', 'Live')
  for (let round = 0; round < 3; round++) await withinOne(pages, newest)

  const [debug, throttle] = await Promise.all(
    [frozen, slow].map((page) => page.context().newCDPSession(page)),
  )
  await throttle.send('Emulation.setCPUThrottlingRate', { rate: 20 })
  // All it shows from now on, in order.
  await frozen.evaluate(() => {
    const canvas = document.getElementById('picture')
    window.numbers = []
    const note = () => window.numbers.push(Number(canvas.dataset.number))
    new MutationObserver(note).observe(canvas, { attributeFilter: ['data-number'] })
  })
  await debug.send('Debugger.enable')
  const paused = new Promise((resolve) => debug.once('Debugger.paused', resolve))
  await debug.send('Debugger.pause')
  await paused
  const at = newest()
  await until('there are twenty more', () => newest() > at + 20)
  await withinOne(others, newest)
  const onWaking = newest()
  await debug.send('Debugger.resume')
  await debug.send('Debugger.disable')
  await until('it is awake', async () => (await shown(frozen)) >= onWaking)
  const old = await frozen.evaluate(
    ([from, to]) => window.numbers.filter((number) => number > from && number < to),
    [at + 1, onWaking - 1],
  )
  // One that was on its way when it fell asleep, and no more of the twenty.
  assert.ok(old.length <= 1, `it has shown ${old.join(', ')} on waking`)
  await throttle.send('Emulation.setCPUThrottlingRate', { rate: 1 })
  await withinOne(pages, newest)
  for (const { noise } of opened) assert.deepEqual(noise, [])
})

test('the page says what of the producer and its camera, and is back by itself', async (t) => {
  const place = new Place(t)
  const { link } = await place.server()
  const { pages: [page], noise } = await openPages(t, link, 1)
  const placeholder = (text) => page.locator('#placeholder', { hasText: text }).waitFor()
  await says(page, 'camera', 'Producer down')
  await placeholder('The producer is not running')

  const first = await place.producer()
  await says(page, 'camera', 'Live')
  await until('there is a picture', () => shown(page))
  assert.equal(await page.locator('#placeholder').isVisible(), false)
  assert.ok((await colors(page)) > 10)

  first.kill('SIGUSR1')
  await says(page, 'camera', 'Camera lost')
  await says(page, 'posture', 'Unknown')
  await page.getByRole('log').filter({ hasText: 'The camera was unplugged' }).waitFor()
  assert.equal(await shown(page), 0)
  first.kill('SIGUSR1')
  await says(page, 'camera', 'Live')

  first.kill('SIGKILL')
  await says(page, 'camera', 'Producer down')
  assert.deepEqual([await shown(page), await colors(page)], [0, 1])
  const second = await place.producer()
  await until('there is a picture again', () => shown(page))
  await says(page, 'camera', 'Live')
  // What has happened before is still said.
  assert.equal(await page.getByRole('listitem').count(), 1)

  await freeze(second)
  await says(page, 'camera', 'Producer hangs')
  second.kill('SIGCONT')
  await says(page, 'camera', 'Live')
  assert.deepEqual(noise, [])
})

/** How many colors the canvas has; read from a copy, because reading slows a canvas down. */
const colors = (page) =>
  page.evaluate(() => {
    const canvas = document.getElementById('picture')
    const { width, height } = canvas
    const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
    copy.drawImage(canvas, 0, 0)
    return new Set(new Uint32Array(copy.getImageData(0, 0, width, height).data.buffer)).size
  })

test('a server that hangs is noticed', async (t) => {
  const place = new Place(t)
  await place.producer()
  const { child, link } = await place.server()
  const { pages: [page], noise } = await openPages(t, link, 1)
  await says(page, 'connection', 'Connected')
  await freeze(child)
  await says(page, 'connection', 'No news')
  await page.getByRole('alert').filter({ hasText: 'does not respond' }).waitFor()
  child.kill('SIGCONT')
  await says(page, 'connection', 'Connected')
  assert.deepEqual(noise, [])
})

const SCREENS = [
  { colorScheme: 'light', viewport: { width: 1120, height: 700 } },
  { colorScheme: 'dark', viewport: { width: 1120, height: 700 } },
  { colorScheme: 'light', viewport: { width: 360, height: 740 } },
]

test('it is legible in light, dark and on a phone, and has a name for everything', async (t) => {
  const place = new Place(t)
  const producer = await place.producer()
  const { link } = await place.server()
  for (const screen of SCREENS) {
    const { pages: [page] } = await openPages(t, link, 1, screen)
    await says(page, 'camera', 'Live')
    await until('the posture is known', async () => !(await page.textContent('#posture')).includes('Unknown'))
    const { width } = screen.viewport
    const what = `${screen.colorScheme}, ${width} pixels`
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, what)
    for (const { words, contrast } of await page.evaluate(contrasts)) {
      assert.ok(contrast >= words.contrastMin, `${what}: "${words.text}" has ${contrast.toFixed(1)}`)
    }
  }
  producer.kill('SIGUSR1')
  const { pages: [page] } = await openPages(t, link, 1)
  await says(page, 'camera', 'Camera lost')
  const snapshot = await page.locator('body').ariaSnapshot()
  for (const line of [
    '- heading "Posture" [level=1]',
    '- status "Connection": Connected',
    '- main:',
    '- region "Camera":',
    '- status "Camera state": Camera lost',
    '- img "Camera picture"',
    '- region "Posture now":',
    '- status "Posture now": Unknown',
    '- meter "Score"',
    '- region "Errors":',
    '- log "Errors":',
  ]) {
    assert.ok(snapshot.includes(line), `there is no ${line} in\n${snapshot}`)
  }
})

/** In the page: all that is written and drawn in a color of its own, and how well it can be seen. As
 * the Web Content Accessibility Guidelines want it, text has 4.5, and shapes have 3. */
function contrasts() {
  const luminance = (color) => {
    const [red, green, blue] = color.match(/[\d.]+/g).map((part) => {
      const share = Number(part) / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const paperOf = (element) => {
    const { backgroundColor } = getComputedStyle(element)
    return backgroundColor === 'rgba(0, 0, 0, 0)' ? paperOf(element.parentElement) : backgroundColor
  }
  const isWritten = (element) =>
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== '')
  return [...document.body.querySelectorAll('*')]
    .filter((element) => element.checkVisibility() && (isWritten(element) || element.matches('.shape, .bar')))
    .map((element) => {
      const ink = luminance(getComputedStyle(element).color)
      const paper = luminance(paperOf(element.parentElement))
      const isShape = element.matches('.shape, .bar')
      const text = isShape ? element.parentElement.id : element.textContent.trim()
      const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)
      return { words: { text, contrastMin: isShape ? 3 : 4.5 }, contrast }
    })
}
