// A window of the editor with the backend in it.

import * as vscode from 'vscode'
import { Chat } from './chat.mjs'
import { Completions } from './completions.mjs'
import { StatusBar } from './status-bar.mjs'
import { usageText } from './usage.mjs'
import { WindowBackend } from './window-backend.mjs'

let backend: WindowBackend | undefined

export function activate({ subscriptions, extensionUri, logUri }: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel('AI Backend', { log: true })
  const its = (backend = new WindowBackend(extensionUri, logUri, log))
  const chat = new Chat(its, vscode.Uri.joinPath(extensionUri, 'page'))
  const everywhere = { pattern: '**' }
  subscriptions.push(
    log,
    new StatusBar(its),
    vscode.window.registerWebviewViewProvider('aiBackend.chat', chat),
    vscode.languages.registerInlineCompletionItemProvider(everywhere, new Completions(its, log)),
    command('openChat', () => vscode.commands.executeCommand('aiBackend.chat.focus')),
    command('restart', () => its.restart()),
    command('upgrade', async () => {
      const { before, after } = await its.upgrade()
      return `The backend is ${after} now, and was ${before}.`
    }),
    command('showUsage', async () => usageText(await (await its.get()).usage({ timeoutMs: 10_000 }))),
  )
  its.get().catch(() => {})
}

/** The editor waits for this for five seconds, so that the connection is closed in good order. */
export function deactivate(): Promise<void> | undefined {
  return backend?.close()
}

/** A command that shows the text it returns, or why it has failed. */
function command(name: string, run: () => unknown): vscode.Disposable {
  return vscode.commands.registerCommand(`aiBackend.${name}`, async () => {
    try {
      const text = await run()
      if (typeof text === 'string') void vscode.window.showInformationMessage(text)
    } catch (error) {
      void vscode.window.showErrorMessage((error as Error).message)
    }
  })
}
