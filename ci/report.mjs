// The page of a benchmark run, in a real browser: every plot is there and legible, in light and
// dark and on a narrow screen, and nothing is requested from the network. The results are made up.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { launchChromium } from './chromium.mjs'
import './setup.mjs'
import { giveUp } from './step.mjs'

const { charts } = await import('../dist/benches/report/charts.mjs')
const { html } = await import('../dist/benches/report/html.mjs')
const { fixture } = await import('../dist/benches/__test__/helpers/fixture.mjs')

const SCREENS = [
  { colorScheme: 'light', viewport: { width: 1200, height: 900 } },
  { colorScheme: 'dark', viewport: { width: 1200, height: 900 } },
  { colorScheme: 'light', viewport: { width: 400, height: 800 } },
]
/** Of small text, as the Web Content Accessibility Guidelines want it. */
const CONTRAST_MIN = 4.5
const TICK = /^[\d.,]+ ?(ns|µs|ms|s|min|h|B|KiB|MiB|%|k?\/s|[MG]\/s|[kMG]?B\/s)$|^max$/
const TIMES = /^[\d.]+×$/
/** Curves over a number of something. */
const COUNTED = /^scale\.(connections|in-flight|neighbours)$/

const scratch = mkdtempSync(join(tmpdir(), 'ringpost-report-'))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
const browser = await launchChromium('The test of benchmark pages')
try {
  // As it is when it was written to a file and read again.
  const results = JSON.parse(JSON.stringify(fixture()))
  for (const screen of SCREENS) await checkPage(results, screen)
  await checkHostile(results)
  const count = charts(results).length
  console.log(`the page of a benchmark run: ${count} plots are legible, light, dark, and narrow`)
} catch (error) {
  giveUp(`The page of a benchmark run is wrong: ${error.message.split('\n')[0]}`)
} finally {
  await browser.close()
}

function expect(holds, sentence) {
  if (!holds) throw new Error(sentence)
}

function expectSame(seen, wanted, sentence) {
  const words = (list) => (Array.isArray(list) ? list.join(', ') : String(list))
  expect(isDeepStrictEqual(seen, wanted), `${sentence}: ${words(seen)} instead of ${words(wanted)}`)
}

/** Opens the page of these results for `see`; it must log and request nothing. */
async function withPage(results, screen, see) {
  const file = join(scratch, 'report.html')
  const url = pathToFileURL(file).href
  writeFileSync(file, html(results))
  const page = await browser.newPage(screen)
  const noise = []
  page.on('console', (message) => noise.push(`console: ${message.text()}`))
  page.on('pageerror', (error) => noise.push(`error: ${error.message}`))
  page.on('dialog', (dialog) => {
    noise.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    if (request.url() !== url && !request.url().startsWith('data:')) noise.push(request.url())
  })
  await page.goto(url)
  await see(page)
  expect(noise.length === 0, `it is not quiet: ${noise.join('; ')}`)
  await page.close()
}

async function checkPage(results, screen) {
  await withPage(results, screen, async (page) => {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth)
    const { width } = screen.viewport
    expect(wide <= width, `it is ${wide} pixels wide on a screen of ${width}`)
    const seen = await page.evaluate(readPlots)
    const expected = charts(results)
    const names = (plots) => plots.map(({ name }) => name)
    expectSame(names(seen), names(expected), 'it has other plots')
    for (const [index, plot] of seen.entries()) checkPlot(results, expected[index], plot)
    await checkWords(results, page)
    await checkPointing(page)
  })
}

function checkPlot(results, expected, seen) {
  const is = (what) => `${seen.name} ${what}`
  const names = labelsOf(results, expected)
  if (expected.kind === 'ratios') {
    expectSame(seen.bars, names, is('has other bars'))
    expect(seen.ticksX.includes('1×'), is('does not say where 1× is'))
    for (const tick of seen.ticksX) expect(TIMES.test(tick), is(`has a tick "${tick}"`))
    expect(/\(×.test(seen.titleX), log\)/, is(`has an axis "${seen.titleX}"`))
  } else {
    expectSame(seen.keys, names, is('has another legend'))
    expectSame(seen.series, names.length, is('has another number of series'))
    const isCount = expected.suite === 'burst' || COUNTED.test(seen.name)
    const plain = isCount ? /^[\d,]+$/ : TICK
    for (const tick of seen.ticksX) expect(plain.test(tick), is(`has a tick "${tick}"`))
    for (const tick of seen.ticksY) expect(TICK.test(tick), is(`has a tick "${tick}"`))
    expect(seen.ticksX.length >= 2 && seen.ticksY.length >= 2, is('has too few ticks'))
    expect(/\(.+\)$/.test(seen.titleY), is(`has an axis without unit: "${seen.titleY}"`))
    if (plain === TICK) expect(/\(.+\)$/.test(seen.titleX), is(`has no unit in "${seen.titleX}"`))
  }
  for (const { words, contrast } of seen.texts) {
    const seen = `shows "${words}" with a contrast of ${contrast.toFixed(1)}`
    expect(contrast >= CONTRAST_MIN, is(seen))
  }
  checkBoxes(seen)
}

/** No text stands over another, or outside. */
function checkBoxes({ name, texts, box }) {
  for (const [index, one] of texts.entries()) {
    const inside = one.left >= box.left - 1 && one.right <= box.right + 1
    expect(inside && one.bottom <= box.bottom + 1, `${name}: "${one.words}" is cut off`)
    const over = texts.slice(index + 1).find(
      (other) =>
        Math.min(one.right, other.right) - Math.max(one.left, other.left) > 1 &&
        Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 3,
    )
    expect(over === undefined, `${name}: "${one.words}" stands over "${over?.words}"`)
  }
}

/** What a plot has to show, straight from the results. */
function labelsOf({ measurements, transports }, { name, suite, pair, kind }) {
  if (name === 'soak.latency') return ['max', 'p99', 'p50']
  if (name === 'soak.memory') return ['client', 'server']
  const counts = measurements.filter(
    (one) => one.suite === suite && one.pair === pair && one.failed === null,
  )
  const labels = (some) => transports.filter(some).map(({ label }) => label)
  if (suite === 'scale') {
    const shown = labels((transport) => counts.some((one) => one.transport === transport.name))
    const hasBoth = name === 'scale.connections' || name === 'scale.neighbours'
    return hasBoth ? shown.flatMap((label) => [`${label}, p50`, `${label}, p99`]) : shown
  }
  if (kind === 'lines') {
    // Either one case, or all cases of a family by size.
    const cases = counts.filter(({ id }) => name === `${id}.${pair}`)
    const shown = cases.length > 0 ? cases : counts
    return labels((transport) => shown.some((one) => one.transport === transport.name))
  }
  const family = name.slice('ratio.'.length, -pair.length)
  const ids = [...new Set(counts.map(({ id }) => id))].filter((id) => `${id}.`.startsWith(family))
  return ids.flatMap((id) =>
    labels(({ name }) => {
      return name !== 'ringpost' && counts.some((one) => one.id === id && one.transport === name)
    }),
  )
}

async function checkWords(results, page) {
  const words = (await page.textContent('body')).replaceAll('\u00a0', ' ')
  const { failures, missed, machine, transports } = results
  const labels = transports.map(({ label }) => label)
  for (const word of [...failures, ...missed, machine.processor, machine.commit, ...labels]) {
    expect(words.includes(word), `it does not say "${word}"`)
  }
  const embedded = JSON.parse(await page.textContent('#results'))
  expect(isDeepStrictEqual(embedded, results), 'the results in it are others')
}

/** Pointing at a mark shows what it is, and the series alone. */
async function checkPointing(page) {
  const mark = page.locator('.series .mark').first()
  const expected = await mark.locator('title').textContent()
  await mark.scrollIntoViewIfNeeded()
  const { x, y, width, height } = await mark.boundingBox()
  await page.mouse.move(x + width / 2, y + height / 2)
  const tip = page.locator('.tip:visible')
  expectSame(await tip.allTextContents(), [expected], 'pointing at a mark shows')
  expectSame(await page.locator('.lit .series.on').count(), 1, 'pointing shows alone')
}

/** Names that would be markup or programs, if they were not escaped. */
async function checkHostile(results) {
  const hostile = structuredClone(results)
  const label = '</script><script>alert(1)</script><img src=x onerror=alert(2)>"\'&'
  for (const transport of hostile.transports) transport.label = `${transport.name}${label}`
  hostile.measurements.forEach((one) => (one.name += label))
  hostile.failures.push(label)
  hostile.machine.processor = label
  await withPage(hostile, SCREENS[0], async (page) => {
    expectSame(await page.locator('img').count(), 0, 'a name became an element')
    expectSame(await page.locator('script').count(), 2, 'a name became a script')
  })
}

/** In the page: all plots, as they are shown. */
function readPlots() {
  const luminance = (color) => {
    const [red, green, blue] = color.match(/[\d.]+/g).map((part) => {
      const share = Number(part) / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const paper = luminance(getComputedStyle(document.body).backgroundColor)
  const contrastOf = (text) => {
    const ink = luminance(getComputedStyle(text).fill)
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)
  }
  const boxOf = (element) => {
    const { left, right, top, bottom } = element.getBoundingClientRect()
    return { left, right, top, bottom }
  }
  return [...document.querySelectorAll('figure')].map((figure) => {
    const all = (selector) => [...figure.querySelectorAll(selector)]
    const words = (selector) => all(selector).map(({ textContent }) => textContent)
    return {
      name: figure.id.replace('plot-', ''),
      ...{ ticksX: words('.tick-x'), ticksY: words('.tick-y') },
      ...{ titleX: words('.title-x')[0], titleY: words('.title-y')[0] },
      ...{ keys: words('.key text'), series: all('.series').length },
      bars: words('.bar text:first-of-type'),
      box: boxOf(figure.querySelector('svg')),
      texts: all('svg text').map((text) => {
        return { words: text.textContent, contrast: contrastOf(text), ...boxOf(text) }
      }),
    }
  })
}
