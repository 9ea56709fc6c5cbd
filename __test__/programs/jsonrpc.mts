// A process at the other end of a transport, with `vscode-jsonrpc` of a version: started by an editor,
// over stdio or ours, or serving any number of them.

import { createRequire } from 'node:module'
import { createServerTransport, serveClients, type Transport } from 'ringpost/jsonrpc'
import type * as Rpc from 'vscode-jsonrpc/node'

const [copy, way, name] = process.argv.slice(2) as [string, Way, string | undefined]
type Way = 'stdio' | 'started' | 'later' | 'stubborn' | 'serving'

const rpc = createRequire(import.meta.url)(`${copy}/node`) as typeof Rpc
const { ErrorCodes, ProgressType, ResponseError } = rpc

function answer({ reader, writer }: Transport): void {
  const connection = rpc.createMessageConnection(reader, writer)
  const notes: unknown[] = []
  const unhandled: string[] = []
  connection.onRequest('echo', (...params: unknown[]) => params.slice(0, -1))
  connection.onRequest('add', (a: number, b: number, c: number | null) => a + b + (c ?? 0))
  connection.onRequest('nothing', () => undefined)
  connection.onRequest('refuse', () => {
    throw new ResponseError(ErrorCodes.InvalidRequest, 'not like this', { tries: 3 })
  })
  connection.onRequest('fail', () => {
    throw new TypeError('a mistake')
  })
  connection.onRequest('hang', (token: Rpc.CancellationToken) => {
    const canceled = new ResponseError(ErrorCodes.InternalError, 'canceled')
    return new Promise((_, reject) => {
      if (token.isCancellationRequested) return reject(canceled)
      token.onCancellationRequested(() => reject(canceled))
    })
  })
  connection.onRequest('work', async (token: string) => {
    const part = new ProgressType<number>()
    for (let done = 1; done <= 3; done++) await connection.sendProgress(part, token, done)
    return 'done'
  })
  connection.onRequest('ask', (question: string) => connection.sendRequest('question', question))
  connection.onNotification('note', (note: unknown) => void notes.push(note))
  connection.onRequest('notes', () => notes.splice(0))
  connection.onUnhandledNotification(({ method }) => unhandled.push(method))
  connection.onRequest('unhandled', () => unhandled.splice(0))
  connection.onRequest('send', async (count: number, length: number) => {
    const text = 'x'.repeat(length)
    for (let sent = 0; sent < count; sent++) await connection.sendNotification('sent', sent, text)
  })
  connection.onNotification('count', () => void process.send!(notes.length))
  connection.onNotification('end', () => connection.end())
  connection.onNotification('bye', async () => {
    await connection.sendNotification('said')
    connection.end()
    connection.dispose()
  })
  connection.listen()
}

switch (way) {
  case 'stdio': {
    const reader = new rpc.StreamMessageReader(process.stdin)
    answer({ reader, writer: new rpc.StreamMessageWriter(process.stdout) })
    break
  }
  case 'later': {
    const transport = createServerTransport()
    process.once('message', () => answer(transport))
    break
  }
  case 'serving':
    await serveClients(name!, answer)
    process.send!('serving')
    break
  default:
    if (way === 'stubborn') setInterval(() => {}, 60_000)
    answer(createServerTransport())
}
