// An editor and its language server, as `vscode-jsonrpc` connects them: requests while a user types,
// and documents that are sent whole. Over `ringpost/jsonrpc`, and in turns over stdio.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createClientTransport, serveClients } from 'ringpost/jsonrpc'
import {
  createMessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
  type MessageConnection,
} from 'vscode-jsonrpc/node'
import { median } from '../compare.mjs'
import { histogram, latencyOf, record } from '../histogram.mjs'
import { answer } from './language-server/answer.mjs'
import type { Place } from './peers.mjs'
import { amount, atLeast, progressing, withCrew, type Scenario } from './scenario.mjs'

const STDIO = fileURLToPath(new URL('./language-server/stdio.mjs', import.meta.url))
const TURNS = 6
const LINE = 'export const answer = ask("the question", { patience: 1 }) // or else\n'
/** 1 MiB. */
const DOCUMENT = LINE.repeat(15_000).slice(0, 1 << 20)

/** Microseconds, each the median of a turn. */
interface Turn {
  request: number
  sync: number
}

interface Measured {
  ours: Turn[]
  stdio: Turn[]
}

export const scenario: Scenario = {
  name: 'language-server',
  title: 'an editor and its language server, in terms of the same over stdio',
  metric: { name: 'how much sooner a small request is answered', unit: '×', better: 'more' },

  run: (form) =>
    withCrew(form, 'language-server', 180, async (crew) => {
      const ms = amount(form, 2_000, 300)
      const place = { name: `language-server-${process.pid}`, directory: form.directory }
      const [server, editor] = [crew.member(), crew.member()]
      await server.play('serveEditors', { place })
      const played = editor.play<Measured>('edit', { place, ms })
      const { ours, stdio } = await progressing(form, 'editing', TURNS * 4 * ms, played)
      const times = (of: keyof Turn) => median(ours.map((turn, at) => stdio[at][of] / turn[of]))
      const at = (turns: Turn[], of: keyof Turn) => median(turns.map((turn) => turn[of]))
      const [request, sync] = [times('request'), times('sync')]
      const details = {
        ...{ 'a request, µs': at(ours, 'request'), 'over stdio, µs': at(stdio, 'request') },
        ...{ 'a document, µs': at(ours, 'sync'), 'a document over stdio, µs': at(stdio, 'sync') },
      }
      return {
        settings: { turns: TURNS, ms, document: DOCUMENT.length },
        repeats: [{ value: request, details }],
        checks: [
          atLeast('a small request', '×', 10, request),
          atLeast('a document of 1 MiB and a request behind it', '×', 3, sync),
        ],
        failed: null,
      }
    }),
}

export const roles = {
  async serveEditors({ place: { name, directory } }: { place: Place }): Promise<void> {
    await serveClients(name, ({ reader, writer }) => answer(reader, writer), { directory })
  },

  async edit({ place, ms }: { place: Place; ms: number }): Promise<Measured> {
    const { name, directory } = place
    const { reader, writer } = await createClientTransport(name, { directory })
    const child = spawn(process.execPath, [STDIO], { stdio: ['pipe', 'pipe', 'inherit'] })
    const [ours, stdio] = [
      createMessageConnection(reader, writer),
      createMessageConnection(
        new StreamMessageReader(child.stdout),
        new StreamMessageWriter(child.stdin),
      ),
    ]
    for (const connection of [ours, stdio]) connection.listen()
    const measured: Measured = { ours: [], stdio: [] }
    // The first of each is for the compiler.
    for (let turn = 0; turn <= TURNS; turn++) {
      const now = { stdio: await play(stdio, ms), ours: await play(ours, ms) }
      if (turn === 0) continue
      measured.ours.push(now.ours)
      measured.stdio.push(now.stdio)
    }
    ours.dispose()
    child.kill()
    return measured
  },
}

async function play(connection: MessageConnection, ms: number): Promise<Turn> {
  let version = 0
  const at = { uri: 'file:///demo.ts', line: 0 }
  const request = await timed(ms, async () => {
    at.line++
    const hover = await connection.sendRequest<{ contents: typeof at }>('textDocument/hover', at)
    if (hover.contents.line !== at.line) throw new Error('something else was answered')
  })
  const sync = await timed(ms, async () => {
    const textDocument = { uri: at.uri, version: ++version }
    // A document that was changed is another text each time.
    const text = DOCUMENT + version
    const contentChanges = [{ text }]
    void connection.sendNotification('textDocument/didChange', { textDocument, contentChanges })
    const length = await connection.sendRequest('length')
    if (length !== text.length) throw new Error('it has another document')
  })
  return { request, sync }
}

/** The median, in microseconds. */
async function timed(ms: number, work: () => Promise<void>): Promise<number> {
  const spans = histogram()
  const end = performance.now() + ms
  do {
    const start = performance.now()
    await work()
    record(spans, start)
  } while (performance.now() < end)
  return latencyOf(spans).p50 / 1e3
}
