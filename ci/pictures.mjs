// Makes the pictures of docs/pictures/ anew, from the running programs:
//
//   node ci/pictures.mjs             all of them
//   node ci/pictures.mjs ai-backend  those of the extension of examples/ai-backend
//   node ci/pictures.mjs dashboard   those of examples/dashboard
//   node ci/pictures.mjs top         that of `ringpost top`

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { launchChromium } from './chromium.mjs'
import './setup.mjs'
import { giveUp, ROOT, step } from './step.mjs'

const FOLDER = join(ROOT, 'docs/pictures')
const MAKERS = { 'ai-backend': aiBackend, dashboard, top }

const DESKTOP = { viewport: { width: 1120, height: 610 } }
const PHONE = { viewport: { width: 360, height: 860 } }
/** Which picture of the camera is in them: the person leans by then. */
const PICTURE = 95

const asked = process.argv.slice(2)
const unknown = asked.find((name) => !(name in MAKERS))
if (unknown !== undefined) {
  giveUp(`There are no pictures of "${unknown}": ${Object.keys(MAKERS).join(', ')}.`)
}
mkdirSync(FOLDER, { recursive: true })
for (const name of asked.length > 0 ? asked : Object.keys(MAKERS)) await MAKERS[name]()

/** In code-server, which that command sets up. */
async function aiBackend() {
  await step('the editor', process.execPath, ['ci/editor.mjs', '--pictures'], { loud: true })
}

async function dashboard() {
  const build = ['build', '--release', '--locked', '--package', 'dashboard-producer']
  await step('building the producer', 'cargo', build)
  const directory = mkdtempSync(join(tmpdir(), 'ringpost-pictures-'))
  process.env.RINGPOST_DIR = directory
  const { Dashboard } = await import('../dist/examples/dashboard/server/dashboard.mjs')
  const { producerProgram } = await import('../examples/dashboard/programs.mjs')

  const server = await Dashboard.start({ name: 'pictures', port: 0 })
  const producer = spawn(producerProgram(), ['--name', 'pictures'], { stdio: 'ignore' })
  const browser = await launchChromium('A picture of the dashboard')
  try {
    const open = async (options) => {
      const page = await browser.newPage({ reducedMotion: 'reduce', ...options })
      await page.goto(server.link)
      return page
    }
    const light = await open({ ...DESKTOP, colorScheme: 'light' })
    const dark = await open({ ...DESKTOP, colorScheme: 'dark' })
    const phone = await open({ ...PHONE, colorScheme: 'light' })
    for (const page of [light, dark, phone]) {
      const canvas = '#picture[data-number]'
      await page.waitForFunction(
        ([canvas, number]) => Number(document.querySelector(canvas)?.dataset.number) >= number,
        [canvas, PICTURE],
      )
    }
    await take(light, 'dashboard-light')
    await take(dark, 'dashboard-dark')
    // With an error in the list.
    producer.kill('SIGUSR1')
    await light.getByText('Camera lost').waitFor()
    producer.kill('SIGUSR1')
    await phone.locator('#camera[data-look=good]').waitFor()
    await phone.locator('#posture[data-look=warn]').waitFor()
    await take(phone, 'dashboard-phone')
    producer.kill('SIGKILL')
    await light.getByText('Producer down').waitFor()
    await take(light, 'dashboard-producer-down')
  } finally {
    await browser.close()
    await server.close()
    if (producer.exitCode === null && producer.signalCode === null) {
      producer.kill('SIGKILL')
      await once(producer, 'exit')
    }
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The last picture of `ringpost top` on a pseudo-terminal, beside servers of the tests. */
async function top() {
  const directory = mkdtempSync(join(tmpdir(), 'ringpost-pictures-'))
  process.env.RINGPOST_DIR = directory
  const { connect } = await import('../index.mjs')
  const program = join(ROOT, 'dist/__test__/programs/status.mjs')
  const servers = ['editor', 'sensors', 'speech'].map((name) => {
    const stdio = ['ignore', 'ignore', 'inherit', 'ipc']
    return spawn(process.execPath, [program, JSON.stringify({ name })], { stdio })
  })
  let traffic
  try {
    await Promise.all(servers.map((server) => once(server, 'message')))
    const names = ['editor', 'editor', 'sensors', 'sensors', 'sensors', 'speech']
    const clients = await Promise.all(names.map((name) => connect(name, { reconnect: false })))
    traffic = setInterval(() => {
      for (const [at, client] of clients.entries()) {
        for (let n = 0; n < 5 * (at + 1); n++) client.notify('note', 'x'.repeat(64 * (at + 1)))
        if (at < 5) client.request('echo', at).catch(() => {})
      }
    }, 10)
    setTimeout(() => servers[2].kill('SIGSTOP'), 1500)
    const command = `stty cols 104 rows 14; exec '${process.execPath}' '${ROOT}/dist/cli/main.mjs' top`
    const env = { ...process.env, SHELL: '/bin/sh', TERM: 'xterm' }
    const terminal = spawn('script', ['-qefc', command, '/dev/null'], { env })
    let written = ''
    terminal.stdout.on('data', (text) => (written += text))
    setTimeout(() => terminal.stdin.write('q'), 6500)
    await once(terminal, 'close')
    const browser = await launchChromium('A picture of `ringpost top`')
    const page = await browser.newPage({ deviceScaleFactor: 1.5 })
    await page.setContent(terminalPage(written.split('\x1b[?2026h').at(-1)))
    await page.locator('pre').screenshot({ path: join(FOLDER, 'top.png') })
    await browser.close()
    console.log('docs/pictures/top.png')
  } finally {
    clearInterval(traffic)
    for (const server of servers) server.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
}

/** What was written to a terminal as a page: colors are kept, all else a terminal obeys is not. */
function terminalPage(written) {
  const colors = { 1: 'font-weight: bold', 31: 'color: #f66', 32: 'color: #6d6', 33: 'color: #fc4' }
  const escaped = written.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  const html = escaped
    .replaceAll(/\x1b\[(\d+)m/g, (_, code) => (code === '0' ? '</span>' : `<span style="${colors[code]}">`))
    .replaceAll(/\x1b\[[?\d]*[A-Za-z]/g, '')
    .replaceAll('\r', '')
  const style = 'margin: 0; padding: 16px; width: max-content; background: #16181d; color: #dde; font: 14px/1.4 monospace'
  return `<!doctype html><meta charset="utf-8"><pre style="${style}">${html.trim()}</pre>`
}

async function take(page, name) {
  const path = join(FOLDER, `${name}.png`)
  await page.screenshot({ path })
  console.log(`docs/pictures/${name}.png: ${Math.round(statSync(path).size / 1024)} KiB`)
}
