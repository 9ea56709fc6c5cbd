// docs/language-servers.md: its steps are followed, and a language server answers the same before
// them and after.

import { execFile, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { startServer, type StartedServer } from 'ringpost/jsonrpc'
import {
  createProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver-protocol/node'
import './helpers/directory.mjs'
import { changed, runsAsPrinted } from './helpers/printed.mjs'

const run = promisify(execFile)
const ROOT = dirname(createRequire(import.meta.url).resolve('ringpost/package.json'))

const { folder, blocks } = runsAsPrinted('docs/language-servers.md', [
  ...['@types', 'vscode-jsonrpc', 'vscode-languageclient', 'vscode-languageserver'],
  ...['vscode-languageserver-protocol', 'vscode-languageserver-textdocument'],
  'vscode-json-languageservice',
])

/** A file of the page before its steps, and after them. */
function versions(file: string): [before: string, after: string] {
  const [{ text }, ...diffs] = blocks.filter((block) => block.file === file)
  return [text, diffs.reduce((current, diff) => changed(current, diff.text), text)]
}

const TEXT = JSON.stringify({ name: 7, port: '日本', nested: [{}, null] }, null, 2)
const document = { uri: 'file:///demo.json', languageId: 'json', version: 1, text: TEXT }

/** All that it answers, at every place of a document. */
async function answers({ reader, writer, process: child }: StartedServer): Promise<unknown[]> {
  const connection = createProtocolConnection(reader, writer)
  const diagnosed = new Promise((resolve) => {
    connection.onNotification('textDocument/publishDiagnostics', resolve)
  })
  connection.listen()
  const { capabilities } = await connection.sendRequest<any>('initialize', {
    ...{ processId: process.pid, capabilities: {}, rootUri: null },
  })
  await connection.sendNotification('textDocument/didOpen', { textDocument: document })
  const at = (line: number, character: number) => ({
    ...{ textDocument: { uri: document.uri }, position: { line, character } },
  })
  const places = TEXT.split('\n').flatMap((text, line) => [...text].map((_, n) => at(line, n)))
  const ask = (method: string) => places.map((place) => connection.sendRequest(method, place))
  const all = [...ask('textDocument/completion'), ...ask('textDocument/hover')]
  const answered = [capabilities, await diagnosed, ...(await Promise.all(all))]
  await connection.sendRequest('shutdown')
  connection.dispose()
  child.kill()
  return answered
}

test('a language server answers the same over ours as over stdio', async (t) => {
  const [before, after] = versions('server.mjs').map((text, index) => {
    const path = join(folder, `server-${index}.mjs`)
    writeFileSync(path, text)
    return path
  })
  const child = spawn(process.execPath, [before, '--stdio'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const reader = new StreamMessageReader(child.stdout)
  const writer = new StreamMessageWriter(child.stdin)
  const overStdio = await answers({ reader, writer, process: child })
  const overOurs = await answers(await startServer(process.execPath, [after]))
  t.deepEqual(overOurs, overStdio)
  const [, { diagnostics }, ...rest] = overStdio as [unknown, { diagnostics: unknown[] }, ...any[]]
  t.is(diagnostics.length, 2)
  t.true(rest.some((answer) => answer?.items?.length > 0))
  t.true(rest.some((answer) => /port of the server/.test(answer?.contents?.[0])))
})

test('an extension compiles before the steps and after them', async (t) => {
  const files = versions('extension.ts').map((text, index) => {
    mkdirSync(join(folder, `extension-${index}`))
    const path = join(folder, `extension-${index}`, 'extension.ts')
    writeFileSync(path, text)
    return path
  })
  const compilerOptions = {
    ...{ target: 'es2022', module: 'node16', strict: true, noEmit: true },
    ...{ types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')] },
  }
  const config = join(folder, 'tsconfig.json')
  writeFileSync(config, JSON.stringify({ compilerOptions, files }))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  await t.notThrowsAsync(run(process.execPath, [tsc, '-p', config]))
})
