// code-server, and a Chromium that shows it.

import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Program } from './programs.mjs'

const TIMEOUT_MS = 60_000
/** No extension gallery, and no login shell for its environment: it inherits this one. */
const ENVIRONMENT = { EXTENSIONS_GALLERY: '{}', VSCODE_CLI: '1' }
const CHROMIUM = [
  ...['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-proxy-server'],
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
]

/** A window of the editor with the extensions of a folder. */
export class Editor {
  #program
  #browser
  #page

  static async open(folder, chromium, scratch) {
    const editor = new Editor()
    const data = join(scratch, 'data')
    mkdirSync(data)
    const token = randomBytes(16).toString('hex')
    editor.#program = new Program('editor', process.execPath, [
      ...['out/server-main.js', '--accept-server-license-terms'],
      ...['--disable-telemetry', '--disable-workspace-trust'],
      ...['--host', '127.0.0.1', '--port', '0', '--connection-token', token],
      ...['--server-data-dir', data, '--extensions-dir', join(scratch, 'extensions')],
      // No builtin extensions, some of which use the network.
      ...['--builtin-extensions-dir', data],
    ], {
      cwd: join(folder, 'node_modules/code-server/lib/vscode'),
      env: ENVIRONMENT,
      quiet: true,
    })
    const port = await editor.#program.prints(/^Extension host agent listening on (\d+)/)
    const require = createRequire(join(folder, 'package.json'))
    editor.#browser = await require('playwright-core').chromium.launch({
      executablePath: chromium,
      args: CHROMIUM,
      env: { ...process.env, HOME: scratch, XDG_RUNTIME_DIR: scratch },
    })
    editor.#page = await editor.#browser.newPage()
    // The window may reach only its own server.
    await editor.#page.route(
      (url) => url.hostname !== '127.0.0.1',
      (route) => route.abort(),
    )
    await editor.#page.goto(`http://127.0.0.1:${port}/?tkn=${token}`)
    return editor
  }

  /** Waits until the extension shows this text in the status bar. */
  async shows(text) {
    const item = this.#page.locator('.statusbar-item', { hasText: `Ringpost: ${text}` })
    try {
      await item.waitFor({ timeout: TIMEOUT_MS })
      console.log(`    window: ${await item.innerText()}`)
    } catch (cause) {
      const seen = await this.#page.locator('.statusbar').innerText()
      throw new Error(`the window shows "${seen}" instead of "${text}"`, { cause })
    }
  }

  async reload() {
    await this.#page.reload()
  }

  /** Ends the editor with its windows. */
  async close() {
    await this.#browser.close()
    process.kill(this.#program.pid, 'SIGTERM')
    await this.#program.ended
  }
}
