// The chat of this window. It is kept here, and the page only shows it: a page goes when it is hidden.

import * as vscode from 'vscode'
import type { Message } from '../../contract.mjs'
import { pageOf, type FromPage, type Shown, type ToPage } from './page.mjs'
import type { WindowBackend } from './window-backend.mjs'

export class Chat implements vscode.WebviewViewProvider {
  readonly #backend: WindowBackend
  readonly #files: vscode.Uri
  #view: vscode.WebviewView | undefined
  readonly #shown: Shown[] = []
  /** Of the answer that comes, if one does. */
  #answering: AbortController | undefined

  constructor(backend: WindowBackend, files: vscode.Uri) {
    this.#backend = backend
    this.#files = files
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.#view = view
    view.onDidDispose(() => (this.#view = undefined))
    view.webview.options = { enableScripts: true, localResourceRoots: [this.#files] }
    view.webview.onDidReceiveMessage((message: FromPage) => this.#heard(message))
    view.webview.html = pageOf(view.webview, this.#files)
  }

  #heard(message: FromPage): void {
    if (message.kind === 'ready') this.#showAll()
    else if (message.kind === 'cancel') this.#answering?.abort()
    else if (!this.#answering) void this.#answer(String(message.text))
  }

  async #answer(text: string): Promise<void> {
    const { signal } = (this.#answering = new AbortController())
    this.#shown.push({ role: 'user', text })
    const messages: Message[] = this.#shown.map(({ role, text }) => ({ role, text }))
    const answer: Shown = { role: 'assistant', text: '' }
    this.#shown.push(answer)
    this.#showAll()
    try {
      const backend = await this.#backend.get()
      const stream = backend.chat({ messages, seed: messages.length }, { signal })
      const reading = stream.forEach((tokens) => {
        const text = tokens.map((token) => token.text).join('')
        answer.text += text
        this.#tell({ kind: 'more', text })
      })
      const [{ tokens, reason }] = await Promise.all([stream.result, reading])
      answer.note = reason === 'length' ? `${tokens} tokens, cut off` : `${tokens} tokens`
    } catch (error) {
      answer.note = signal.aborted ? 'cancelled' : (error as Error).message
      answer.failed = !signal.aborted
    }
    this.#answering = undefined
    this.#showAll()
  }

  #showAll(): void {
    this.#tell({ kind: 'all', shown: this.#shown, isAnswering: this.#answering !== undefined })
  }

  #tell(message: ToPage): void {
    void this.#view?.webview.postMessage(message)
  }
}
