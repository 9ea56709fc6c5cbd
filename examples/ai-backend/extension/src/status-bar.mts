// How the connection stands, at the bottom of the window: its state, and how long a ping takes.

import * as vscode from 'vscode'
import type { WindowBackend } from './window-backend.mjs'

const PING_EVERY_MS = 2_000

export class StatusBar implements vscode.Disposable {
  readonly #backend: WindowBackend
  readonly #item = vscode.window.createStatusBarItem('aiBackend.state')
  readonly #timer = setInterval(() => void this.#measure(), PING_EVERY_MS)
  readonly #listening: vscode.Disposable
  #latencyMs: number | undefined

  constructor(backend: WindowBackend) {
    this.#backend = backend
    this.#item.name = 'AI Backend'
    this.#item.command = 'aiBackend.showUsage'
    this.#listening = backend.onChange(() => {
      this.#show()
      if (this.#latencyMs === undefined) void this.#measure()
    })
    this.#show()
    this.#item.show()
  }

  dispose(): void {
    clearInterval(this.#timer)
    this.#listening.dispose()
    this.#item.dispose()
  }

  async #measure(): Promise<void> {
    const { current } = this.#backend
    if (current?.state !== 'open') return
    // What was lost, or hangs, is shown as that.
    this.#latencyMs = await current.ping(PING_EVERY_MS).catch(() => undefined)
    this.#show()
  }

  #show(): void {
    const { current, problem } = this.#backend
    if (current?.state !== 'open') this.#latencyMs = undefined
    this.#item.text = `${this.#state()}`
    const told = current && `Backend ${current.welcome.backend}, process ${current.welcome.pid}`
    this.#item.tooltip = problem?.message ?? told
  }

  #state(): string {
    const { current, problem } = this.#backend
    if (current === undefined) return problem ? '$(error) AI: failed' : '$(sync~spin) AI: starting'
    if (current.state !== 'open') return '$(sync~spin) AI: reconnecting'
    if (current.isUnresponsive) return '$(warning) AI: hangs'
    const latency = this.#latencyMs === undefined ? '' : `: ${this.#latencyMs.toFixed(2)} ms`
    return `$(sparkle) AI ${current.welcome.backend}${latency}`
  }
}
