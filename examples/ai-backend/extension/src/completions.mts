// What may come next, in gray at the cursor. Each keystroke asks anew and cancels what was asked
// before: the backend then stops computing.

import * as vscode from 'vscode'
import type { WindowBackend } from './window-backend.mjs'

/** Characters before and after the cursor that are sent. */
const CONTEXT = 4_000
const TIMEOUT_MS = 5_000

export class Completions implements vscode.InlineCompletionItemProvider {
  readonly #backend: WindowBackend
  readonly #log: vscode.LogOutputChannel
  #running = new AbortController()

  constructor(backend: WindowBackend, log: vscode.LogOutputChannel) {
    this.#backend = backend
    this.#log = log
  }

  async provideInlineCompletionItems(
    document: vscode.TextDocument,
    position: vscode.Position,
    _: vscode.InlineCompletionContext,
    token: vscode.CancellationToken,
  ): Promise<vscode.InlineCompletionItem[]> {
    this.#running.abort()
    const { current } = this.#backend
    // Nobody waits at a keystroke until there is a backend again.
    if (current?.state !== 'open' || token.isCancellationRequested) return []
    const running = (this.#running = new AbortController())
    const listening = token.onCancellationRequested(() => running.abort())
    try {
      const { signal } = running
      const place = placeOf(document, position)
      const text = await current.complete(place, { signal, timeoutMs: TIMEOUT_MS })
      return [new vscode.InlineCompletionItem(text)]
    } catch (error) {
      if (!running.signal.aborted) this.#log.warn(`no completion: ${(error as Error).message}`)
      return []
    } finally {
      listening.dispose()
    }
  }
}

function placeOf(document: vscode.TextDocument, position: vscode.Position) {
  const at = document.offsetAt(position)
  const between = (from: number, to: number) =>
    document.getText(new vscode.Range(document.positionAt(from), document.positionAt(to)))
  return {
    path: vscode.workspace.asRelativePath(document.uri),
    prefix: between(Math.max(0, at - CONTEXT), at),
    suffix: between(at, at + CONTEXT),
  }
}
