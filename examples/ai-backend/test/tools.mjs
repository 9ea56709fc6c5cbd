// The model calls back into the editor.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Chat } from '../../../dist/examples/ai-backend/contract.mjs'
import { editing, Place, replaced, said, user } from './helpers.mjs'

test('it reads and edits a file of the editor that the chat comes from', async (t) => {
  const place = new Place(t)
  await place.backend()
  const [tools, others] = [editing('let a = 1\nlet b = 2\n'), editing('')]
  const [window] = [await place.window({ tools }), await place.window({ tools: others })]
  const text = '/read file\n/replace file b = 2 => b = $&3\n/replace file nothing => more\n/read'
  const { tokens, finished } = await said(window.chat(user(text, { maxTokens: 0 })))
  assert.deepEqual(tokens, [
    ...['Reading file: ', 'it has 2 lines.\n'],
    ...['Editing file: ', 'it is changed.\n'],
    ...['Editing file: ', 'it has no such text.\n'],
    ...['What was meant by /read <path>? ', 'it is left out.\n'],
  ])
  assert.deepEqual(finished, { reason: 'length', tokens: 8, toolCalls: 4 })
  assert.deepEqual([tools.file, others.file], ['let a = 1\nlet b = $&3\n', ''])
})

test('an earlier message calls no tool again', async (t) => {
  const place = new Place(t)
  await place.backend()
  const window = await place.window()
  const [{ messages: [first] }, { messages: [last] }] = [user('/read file'), user('thanks')]
  const messages = [first, { role: 'assistant', text: '/read file' }, last]
  const { finished } = await said(window.chat({ messages, maxTokens: 1 }))
  assert.deepEqual(finished, { reason: 'length', tokens: 1, toolCalls: 0 })
})

test('a tool that fails, or that there is not, is part of the answer', async (t) => {
  const place = new Place(t)
  await place.backend()
  const window = await place.window()
  const prompt = user('/read other', { maxTokens: 0 })
  assert.match((await said(window.chat(prompt))).text, /^Reading other: it failed: .*there is no other.*\.\n$/)
  const client = await place.connection()
  assert.match((await said(client.stream(Chat, prompt))).text, /^Reading other: it failed: .*readFile/)
  assert.equal((await window.usage()).failed, 0)
})

test('a tool has as much time as the chat has left, and ends with it', async (t) => {
  const place = new Place(t)
  await place.backend()
  const client = await place.connection()
  let remainingMs
  const ended = new Promise((resolve) => {
    client.handle('workspace.readFile', (_, context) => {
      ;({ remainingMs } = context)
      context.signal.addEventListener('abort', resolve)
      return new Promise(() => {})
    })
  })
  const chat = client.stream(Chat, user('/read file'), { timeoutMs: 2_000 })
  await assert.rejects(said(chat), { code: 'ERR_TIMEOUT' })
  assert.ok(remainingMs > 0 && remainingMs < 3_000, `${remainingMs}`)
  await ended
})

test('a tool ends with a chat that is cancelled', async (t) => {
  const place = new Place(t)
  await place.backend()
  const cancelled = new AbortController()
  let end
  const ended = new Promise((resolve) => (end = resolve))
  const readFile = (_, signal) => {
    signal.addEventListener('abort', end)
    cancelled.abort()
    return ended
  }
  const window = await place.window({ tools: { readFile } })
  const chat = window.chat(user('/read file'), { signal: cancelled.signal })
  await assert.rejects(said(chat), { name: 'AbortError' })
  await ended
})

test('an edit is not made again when the backend is killed before it has its answer', async (t) => {
  const place = new Place(t)
  const tools = editing('a')
  const { applyEdit } = tools
  let edits = 0
  const window = await place.window({ tools })
  const { pid } = window.welcome
  tools.applyEdit = async function (edit) {
    edits++
    await applyEdit.call(this, edit)
    process.kill(pid, 'SIGKILL')
    await replaced(window, pid)
  }
  const text = '/read file\n/replace file a => aa\n/read file'
  const { tokens } = await said(window.chat(user(text, { maxTokens: 0 })))
  assert.deepEqual(tokens, [
    ...['Reading file: ', 'it has 1 line.\n'],
    ...['Editing file: ', 'whether it was changed before the connection was lost is not known.\n'],
    ...['Reading file: ', 'it has 1 line.\n'],
  ])
  assert.deepEqual([edits, tools.file], [1, 'aa'])
})
