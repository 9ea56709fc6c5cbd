// The page of the chat: what it and the extension say to each other, and its frame. Script and style
// come from files of the extension, and nothing else is loaded or run.

import * as vscode from 'vscode'
import type { Message } from '../../contract.mjs'

/** A message of the chat. */
export interface Shown {
  role: Message['role']
  text: string
  /** How it has ended. */
  note?: string
  failed?: boolean
}

export type ToPage =
  | { kind: 'all'; shown: Shown[]; isAnswering: boolean }
  /** The last message goes on. */
  | { kind: 'more'; text: string }

export type FromPage = { kind: 'ready' } | { kind: 'cancel' } | { kind: 'ask'; text: string }

export function pageOf(webview: vscode.Webview, files: vscode.Uri): string {
  const file = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(files, name)).toString()
  const { cspSource } = webview
  const policy = [
    ...[`default-src 'none'`, `script-src ${cspSource}`, `style-src ${cspSource}`],
    ...[`base-uri 'none'`, `form-action 'none'`],
  ]
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${policy.join('; ')}">
    <title>Chat</title>
    <link rel="stylesheet" href="${file('chat.css')}">
  </head>
  <body>
    <main id="chat" role="log" aria-label="Chat" tabindex="0"></main>
    <form id="ask">
      <textarea id="prompt" rows="3" aria-label="Message" placeholder="Ask something"></textarea>
      <div>
        <span>Enter sends, Escape cancels</span>
        <button id="cancel" type="button" hidden>Cancel</button>
        <button id="send" type="submit">Send</button>
      </div>
    </form>
    <script type="module" src="${file('chat.mjs')}"></script>
  </body>
</html>`
}
