// The server as editors start it, with `Content-Length` before each message.

import { StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node'
import { answer } from './answer.mjs'

answer(new StreamMessageReader(process.stdin), new StreamMessageWriter(process.stdout))
