// The site of the documents, in a real browser: it is built, each of its links leads somewhere, and
// every page opens on a phone and on a desktop, in light and dark, without scrolling sideways, a
// word on the console, or a request to anywhere else.
//
//   node ci/site.mjs [--built] [--pictures <folder>]
//
// `--built`: site/dist is there already. `--pictures` saves what the first guide and the home page
// look like.

import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { launchChromium } from './chromium.mjs'
import './setup.mjs'
import { ROOT, giveUp, step } from './step.mjs'

const DIST = join(ROOT, 'site/dist')
/** What typedoc and rustdoc have written; their links are checked where those run. */
const REFERENCES = /^(api|rust)\//
const PHONE = { width: 390, height: 844 }
const DESKTOP = { width: 1280, height: 900 }
const SCREENS = [PHONE, DESKTOP].flatMap((viewport) =>
  ['light', 'dark'].map((colorScheme) => ({ viewport, colorScheme })),
)
/** A word of one guide, for the search. */
const SOUGHT = { word: 'conflate', page: '/guide/moving' }
const TYPES = {
  ...{ '.css': 'text/css', '.html': 'text/html', '.js': 'text/javascript' },
  ...{ '.svg': 'image/svg+xml', '.woff2': 'font/woff2' },
}

/** The anchors of files, by their paths. */
const known = new Map()

const { values } = parseArgs({
  options: { built: { type: 'boolean' }, pictures: { type: 'string' } },
})
if (!values.built) await step('site', process.execPath, ['ci/docs.mjs'], { loud: true })

const pages = readdirSync(DIST, { recursive: true, encoding: 'utf8' }).filter(
  (path) => path.endsWith('.html') && path !== '404.html' && !REFERENCES.test(path),
)
const { faults, count } = checkLinks()
for (const fault of faults) console.error(fault)
if (faults.length > 0) giveUp(`${faults.length} links lead nowhere.`)

const server = createServer(answer).listen(0, '127.0.0.1')
const browser = await launchChromium('The test of the site')
try {
  const origin = `http://127.0.0.1:${server.address().port}`
  for (const screen of SCREENS) await checkScreen(origin, screen)
  await checkSearch(origin)
  console.log(`the site: ${pages.length} pages, ${count} links, on ${SCREENS.length} screens`)
} catch (error) {
  giveUp(`The site is wrong: ${error.message}`)
} finally {
  await browser.close()
  server.close()
}

function expect(holds, sentence) {
  if (!holds) throw new Error(sentence)
}

// ---- links ----

function checkLinks() {
  const faults = []
  const found = new Set()
  let count = 0
  for (const page of pages) {
    for (const [, tag, , link] of read(page).matchAll(/<(\w+)[^>]*? (href|src)="([^"]*)"/g)) {
      if (/^[a-z]+:/.test(link)) {
        if (tag !== 'a') faults.push(`${page} fetches ${link}`)
        continue
      }
      const { pathname, hash } = new URL(link.replaceAll('&amp;', '&'), `http://site/${page}`)
      const file = fileOf(pathname)
      const anchor = decodeURIComponent(hash.slice(1))
      count += 1
      if (file === undefined) faults.push(`${page}: ${link}`)
      else if (tag === 'a' && anchor !== '' && !anchors(file).has(anchor)) {
        faults.push(`${page}: ${link} has no such anchor`)
      }
      if (file !== page) found.add(file)
    }
  }
  for (const page of pages) if (!found.has(page)) faults.push(`${page}: no link leads there`)
  return { faults, count }
}

function anchors(file) {
  if (!known.has(file)) {
    known.set(file, new Set([...read(file).matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)))
  }
  return known.get(file)
}

function read(file) {
  return readFileSync(join(DIST, file), 'utf8')
}

/** The file that is served for a path, or undefined. */
function fileOf(pathname) {
  const path = decodeURIComponent(pathname).slice(1)
  const file = path === '' || path.endsWith('/') ? `${path}index.html` : path
  return [file, `${file}.html`].find((one) => {
    const place = join(DIST, one)
    return place.startsWith(DIST) && existsSync(place) && statSync(place).isFile()
  })
}

// ---- in the browser ----

function answer({ url }, response) {
  const file = fileOf(new URL(url, 'http://site').pathname)
  if (file === undefined) response.writeHead(404).end()
  else {
    response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream')
    createReadStream(join(DIST, file)).pipe(response)
  }
}

/** A page that fails the test if it logs, fails, or asks another host for anything. */
async function open(origin, screen) {
  const page = await browser.newPage(screen)
  const noise = []
  page.on('console', (message) => {
    // There rustdoc's own pages complain of the fonts they preload.
    if (!page.url().startsWith(`${origin}/rust/`)) noise.push(message.text())
  })
  page.on('pageerror', (error) => noise.push(error.message))
  page.on('response', (response) => {
    if (response.status() >= 400) noise.push(`${response.url()}: ${response.status()}`)
  })
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(`${origin}/`)) {
      noise.push(`asks for ${request.url()}`)
    }
  })
  return { page, noise }
}

async function checkScreen(origin, screen) {
  const name = `${screen.viewport.width} px, ${screen.colorScheme}`
  const { page, noise } = await open(origin, screen)
  await page.goto(`${origin}/guide/start.html`)
  const listed = await page.$$eval('.VPSidebar a', (links) => links.map(({ pathname }) => pathname))
  expect(listed.length > 25, `${name}: the sidebar has ${listed.length} pages`)
  const references = ['/api/', '/rust/ringpost/']
  for (const path of new Set([...pages.map((page) => `/${page}`), ...listed, ...references])) {
    await page.goto(`${origin}${path}`)
    expect((await page.locator('h1').count()) === 1, `${path} has no heading, or several`)
    const dark = await page.evaluate(() => document.documentElement.classList.contains('dark'))
    const ours = !references.includes(path)
    const wanted = screen.colorScheme === 'dark'
    expect(!ours || dark === wanted, `${name}: ${path} is of another color`)
    const [width, room] = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement
      return [scrollWidth, clientWidth]
    })
    expect(!ours || width <= room, `${name}: ${path} is ${width} px wide`)
    expect(noise.length === 0, `${name}: ${path}: ${noise.join('; ')}`)
    if (values.pictures && ['/guide/start.html', '/index.html'].includes(path)) {
      const file = `${path.slice(1, -5)} ${name}.png`.replaceAll(/[\s/,]+/g, '-')
      await page.screenshot({ path: join(values.pictures, file) })
    }
  }
  await page.close()
}

async function checkSearch(origin) {
  const { page, noise } = await open(origin, { viewport: DESKTOP })
  await page.goto(`${origin}/guide/start.html`)
  await page.locator('.VPNavBarSearch button').first().click()
  await page.locator('#localsearch-input').fill(SOUGHT.word)
  await page.locator('.VPLocalSearchBox .result').first().click()
  await page.waitForURL((url) => url.pathname.startsWith(SOUGHT.page))
  expect(noise.length === 0, `the search: ${noise.join('; ')}`)
  await page.close()
}
