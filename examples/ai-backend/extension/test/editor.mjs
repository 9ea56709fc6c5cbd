// code-server with the extension installed, and the windows that a Chromium shows of it.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { Program } from './programs.mjs'
import { Window } from './window.mjs'

/** No extension gallery, and no login shell for its environment: it inherits this one. */
const ENVIRONMENT = { EXTENSIONS_GALLERY: '{}', VSCODE_CLI: '1' }
const CHROMIUM = [
  ...['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-proxy-server'],
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
]
/** Of the builtin extensions, some of which use the network, those that make colors. */
const BUILTIN = ['theme-defaults', 'python']
const SIZE = { width: 1200, height: 760 }

export class Editor {
  #program
  #browser
  #address
  #data

  /** Installs a .vsix as a user would, and starts the server. */
  static async start(folder, executablePath, scratch, vsix, settings) {
    const editor = new Editor()
    editor.#data = join(scratch, 'data')
    const builtin = join(scratch, 'builtin')
    for (const name of BUILTIN) {
      cpSync(join(folder, 'extensions', name), join(builtin, name), { recursive: true })
    }
    const where = [
      ...['out/server-main.js', '--accept-server-license-terms'],
      ...['--server-data-dir', editor.#data, '--extensions-dir', join(scratch, 'extensions')],
      ...['--builtin-extensions-dir', builtin],
    ]
    const env = { ...process.env, ...ENVIRONMENT }
    const quietly = { cwd: folder, env, stdio: 'pipe' }
    execFileSync(process.execPath, [...where, '--install-extension', vsix], quietly)
    editor.configure(settings)
    const token = randomBytes(16).toString('hex')
    editor.#program = new Program('editor', process.execPath, [
      ...where,
      ...['--disable-telemetry', '--disable-workspace-trust'],
      ...['--host', '127.0.0.1', '--port', '0', '--connection-token', token],
    ], { cwd: folder, env: ENVIRONMENT, quiet: true })
    const port = await editor.#program.prints(/^Extension host agent listening on (\d+)/)
    editor.#address = `http://127.0.0.1:${port}/?tkn=${token}`
    editor.#browser = await chromium.launch({
      executablePath,
      args: CHROMIUM,
      env: { ...process.env, HOME: scratch, XDG_RUNTIME_DIR: scratch },
    })
    return editor
  }

  /** A window with a folder, and a file of it, as in a browser of its own. */
  async open(name, folder, file, options = {}) {
    const page = await this.#browser.newPage({ viewport: SIZE, ...options })
    // The window may reach only its own server.
    await page.route((url) => url.hostname !== '127.0.0.1', (route) => route.abort())
    const opened = new URL(this.#address)
    opened.searchParams.set('folder', folder)
    const path = `vscode-remote://${opened.host}${folder}/${file}`
    opened.searchParams.set('payload', JSON.stringify([['openFile', path]]))
    await page.goto(opened.href)
    return new Window(name, page)
  }

  /** Changes the settings of the machine. */
  configure(settings) {
    const folder = join(this.#data, 'data/Machine')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'settings.json'), JSON.stringify(settings))
  }

  /** What the backends have logged that its windows have started. */
  backendLog() {
    const files = readdirSync(this.#data, { recursive: true })
    const logs = files.filter((file) => file.endsWith('backend.log'))
    const lines = logs.flatMap((log) => readFileSync(join(this.#data, log), 'utf8').split('\n'))
    return lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line))
  }

  /** Ends it with its windows. */
  async close() {
    await this.#browser.close()
    process.kill(this.#program.pid, 'SIGTERM')
    await this.#program.ended
  }
}
