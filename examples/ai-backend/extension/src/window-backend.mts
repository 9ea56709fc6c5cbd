// The backend as this window has it: opened at the start, and anew when it is asked for after that
// has failed.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import * as vscode from 'vscode'
import { Backend } from '../../client/backend.mjs'
import * as tools from './tools.mjs'

export class WindowBackend {
  /** The one that is open; `undefined` while there is none. */
  current: Backend | undefined
  /** Why there is none, or none that works. */
  problem: Error | undefined
  readonly #changed = new vscode.EventEmitter<void>()
  readonly onChange = this.#changed.event
  readonly #extension: vscode.Uri
  readonly #logs: vscode.Uri
  readonly #log: vscode.LogOutputChannel
  /** What has changed holds for the next backend that is started: now, if there is none. */
  readonly #listening = vscode.workspace.onDidChangeConfiguration((event) => {
    if (!event.affectsConfiguration('aiBackend')) return
    const { path, args } = this.#program()
    if (this.current) this.current.use(path, args)
    else this.get().catch(() => {})
  })
  #opening: Promise<Backend> | undefined

  constructor(extension: vscode.Uri, logs: vscode.Uri, log: vscode.LogOutputChannel) {
    this.#extension = extension
    this.#logs = logs
    this.#log = log
  }

  /** Rejects if there is none and none can be started. */
  get(): Promise<Backend> {
    this.#opening ??= this.#open()
    return this.#opening
  }

  /** Ends the backend of all windows, which then start it again. */
  async restart(): Promise<void> {
    const backend = await this.get()
    // One that hangs does not end by itself.
    process.kill(backend.welcome.pid, backend.isUnresponsive ? 'SIGKILL' : 'SIGTERM')
  }

  /** Puts the program of the settings in the place of the one that runs. Resolves to both versions. */
  async upgrade(): Promise<{ before: string; after: string }> {
    const backend = await this.get()
    const before = backend.welcome.backend
    const { path, args } = this.#program()
    const { backend: after } = await backend.upgrade(path, args)
    return { before, after }
  }

  async close(): Promise<void> {
    this.#listening.dispose()
    this.#changed.dispose()
    await this.#opening?.then(
      (backend) => backend.close(),
      () => {},
    )
  }

  async #open(): Promise<Backend> {
    this.problem = undefined
    this.#changed.fire()
    try {
      await mkdir(this.#logs.fsPath, { recursive: true })
      const backend = await Backend.open({
        ...this.#program(),
        client: `${vscode.env.appName} ${vscode.version}`,
        tools,
        logFile: join(this.#logs.fsPath, 'backend.log'),
      })
      backend.on('change', () => this.#look(backend))
      backend.on('problem', (error) => this.#note(error))
      this.#look(backend)
      return backend
    } catch (error) {
      this.#opening = undefined
      this.#note(error as Error)
      throw error
    }
  }

  #program(): { path: string; args: string[] } {
    const settings = vscode.workspace.getConfiguration('aiBackend')
    const own = vscode.Uri.joinPath(this.#extension, 'bin', 'ai-backend').fsPath
    return {
      path: settings.get<string>('program') || own,
      args: settings.get<string[]>('arguments', []),
    }
  }

  #look(backend: Backend): void {
    if (backend.state === 'open') this.problem = undefined
    if (backend.state === 'closed') this.#opening = undefined
    this.current = backend.state === 'closed' ? undefined : backend
    this.#changed.fire()
  }

  #note(problem: Error): void {
    this.problem = problem
    this.#log.error(problem)
    this.#changed.fire()
  }
}
