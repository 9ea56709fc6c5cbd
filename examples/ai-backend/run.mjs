// An AI backend of an editor: a Rust process that all windows share, without the editor.
//
//   npm run example -- ai-backend
//
// Shows in a terminal what the windows of an editor do with it, and ends by itself.

import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Backend } from '../../dist/examples/ai-backend/client/backend.mjs'
import { backendProgram } from './programs.mjs'

const FILES = 512
const FILE_BYTES = 4_096
const COMPLETIONS = 200
/** So that it does not stay if this program is killed. */
const IDLE = ['--idle-exit', '1']

// A directory of its own: an editor that runs meanwhile has another backend.
const directory = mkdtempSync(join(tmpdir(), 'ai-backend-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

const tools = {
  readFile: (path) => readFile(join(directory, path), 'utf8'),
  async applyEdit({ path, old, new: text }) {
    const before = await tools.readFile(path)
    const after = before.replace(old, () => text)
    await writeFile(join(directory, path), after)
    return before.includes(old)
  },
}

const path = backendProgram()
const options = { path, args: IDLE, directory, client: 'example 1.0', tools }

title('Two windows open at once: one of them starts the backend')
const [one, other] = await Promise.all([Backend.open(options), Backend.open(options)])
for (const window of [one, other]) {
  const { backend, pid } = window.welcome
  const pingMs = await window.ping()
  console.log(`backend ${backend}, process ${pid}, answers in ${pingMs.toFixed(2)} ms`)
}

title('A chat: tokens come as the model computes them')
await print(one.chat(user('Why is the sky blue?', { maxTokens: 40 })))

title('A cancelled chat: the model stops')
for await (const { text } of one.chat(user('Tell me everything.', { maxTokens: 1_000_000 }))) {
  process.stdout.write(text)
  if ((await one.usage()).tokens > 60) break
}
const stopped = (await one.usage()).tokens
await setTimeout(500)
const { tokens, cancelled } = await one.usage()
console.log(`\n[${cancelled} cancelled; ${tokens - stopped} tokens were made in the half second after that]`)

title('Tools: the model reads and edits a file in the editor')
writeFileSync(join(directory, 'greet.js'), "console.log('hello')\n")
await print(one.chat(user("/read greet.js\n/replace greet.js 'hello' => 'hello, world'", { maxTokens: 8 })))
process.stdout.write(`greet.js is now: ${readFileSync(join(directory, 'greet.js'), 'utf8')}`)

title('Embeddings: 2 MB of files in, their vectors out')
const files = Array.from({ length: FILES }, (_, at) => {
  const text = `function f${at % 8}(value) { return value } `
  return { path: `${at}.js`, text: text.repeat(Math.ceil(FILE_BYTES / text.length)) }
})
const embedStart = performance.now()
const vectors = await one.embed(files)
const took = `${(performance.now() - embedStart).toFixed(0)} ms`
console.log(`${vectors.length} vectors of ${vectors[0].length} dimensions, after ${took}`)

title('kill -9 in the middle of a chat: it goes on at the next backend')
let count = 0
const killed = other.chat(user('Tell me about kill -9.', { maxTokens: 40 }))
for await (const { text } of killed) {
  process.stdout.write(text)
  if (++count !== 15) continue
  process.kill(other.welcome.pid, 'SIGKILL')
  process.stdout.write(` [process ${other.welcome.pid} is killed] `)
}
console.log(`\n[${count} of ${(await killed.result).tokens} tokens]`)
await until(one, () => one.welcome.pid === other.welcome.pid)

title(`An upgrade with ${COMPLETIONS} completions and a chat on their way: none is lost`)
const before = one.welcome
const chat = other.chat(user('What is new?', { maxTokens: 30 }))
const completions = Array.from({ length: COMPLETIONS }, (_, at) =>
  (at % 2 === 0 ? one : other).complete({ path: 'greet.js', prefix: `let x${at} = `, suffix: '' }),
)
const upgraded = one.upgrade(path, [...IDLE, '--as', '2.0.0'])
await print(chat)
const answers = await Promise.all(completions)
const after = await upgraded
console.log(`${answers.length} of ${COMPLETIONS} completions were answered`)
console.log(`version ${before.backend} was process ${before.pid}, ${after.backend} is process ${after.pid}`)

title('Usage of the newer backend')
const asked = Array.from({ length: 50 }, () => one.complete({ path: 'a', prefix: 'b', suffix: 'c' }))
await Promise.all(asked)
console.table(await one.usage())

const { pid } = one.welcome
await Promise.all([one.close(), other.close()])
process.kill(pid, 'SIGTERM')
await gone(pid)
console.log('All have ended.')

function title(text) {
  console.log(`\n— ${text}`)
}

function user(text, more) {
  return { messages: [{ role: 'user', text }], seed: 1, ...more }
}

/** Prints an answer as it comes. */
async function print(answer) {
  for await (const { text } of answer) process.stdout.write(text)
  const { reason, tokens, toolCalls } = await answer.result
  console.log(`\n[${tokens} tokens, ${toolCalls} tool calls, ended by ${reason}]`)
}

/** Waits until it is so of a window. */
async function until(window, isSo) {
  while (!isSo()) await once(window, 'change')
}

/** Waits for the end of a process that is nobody's child. */
async function gone(pid) {
  try {
    for (;;) {
      process.kill(pid, 0)
      await setTimeout(10)
    }
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}
