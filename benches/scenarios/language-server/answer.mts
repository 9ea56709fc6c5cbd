// What a language server does with a document, without the language.

import { createMessageConnection, type MessageReader, type MessageWriter } from 'vscode-jsonrpc/node'

export interface Change {
  contentChanges: { text: string }[]
}

export function answer(reader: MessageReader, writer: MessageWriter): void {
  const connection = createMessageConnection(reader, writer)
  let document = ''
  connection.onNotification('textDocument/didChange', ({ contentChanges }: Change) => {
    document = contentChanges[0].text
  })
  connection.onRequest('textDocument/hover', (params: unknown) => ({ contents: params }))
  connection.onRequest('length', () => document.length)
  connection.listen()
}
