// How backends begin, end, and take each other's place.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createServer } from 'ringpost'
import { Chat, Greet, NAME } from '../../../dist/examples/ai-backend/contract.mjs'
import { backendProgram } from '../programs.mjs'
import { until } from '../../testing/processes.mjs'
import { editing, gone, Place, replaced, said, user } from './helpers.mjs'

/** A window in which a tool waits until it is let go. */
async function held(place) {
  const tools = editing('text')
  let letGo
  const released = new Promise((resolve) => (letGo = resolve))
  const begun = new Promise((resolve) => {
    tools.applyEdit = () => (resolve(), released)
  })
  const window = await place.window({ tools })
  return { window, begun, letGo: () => letGo(true) }
}

/** What a chat is like that nothing has interrupted. */
const whole = async (window, prompt) => (await said(window.chat({ ...prompt, unpaced: true }))).tokens

test('of windows that open at once one starts the backend, and it ends after the last one', async (t) => {
  const place = new Place(t)
  const windows = await Promise.all(Array.from({ length: 4 }, () => place.window()))
  const [{ welcome: { pid } }] = windows
  assert.ok(windows.every(({ state, welcome }) => state === 'open' && welcome.pid === pid))
  assert.equal((await windows[0].usage()).editors, 4)
  const last = windows.pop()
  await Promise.all(windows.map((window) => window.close()))
  await until('it has seen them go', async () => (await last.usage()).editors === 1)
  await last.close()
  await assert.rejects(last.usage(), { code: 'ERR_CLOSED' })
  await gone(pid)
  assert.deepEqual(place.left(), [])
  const whys = place.log().filter(({ event }) => event === 'leaving').map(({ why }) => why)
  assert.deepEqual(whys, ['no window is connected'])
})

test('a backend that nobody comes to ends as well', async (t) => {
  const place = new Place(t)
  const backend = await place.backend('--idle-exit', '0.1')
  assert.equal(await backend.ended, 0)
  assert.deepEqual(place.left(), [])
})

test('a chat goes on when the backend is killed, and each window has the next one', async (t) => {
  const place = new Place(t)
  const [window, other] = [await place.window(), await place.window()]
  const { pid } = window.welcome
  const states = []
  window.on('change', () => states.push(window.state))
  const prompt = user('hello', { maxTokens: 30 })
  const chat = await said(window.chat(prompt), (count) => {
    if (count === 10) process.kill(pid, 'SIGKILL')
  })
  await Promise.all([replaced(window, pid), replaced(other, pid)])
  assert.equal(window.welcome.pid, other.welcome.pid)
  assert.deepEqual(chat.tokens, await whole(window, prompt))
  assert.deepEqual(chat.finished, { reason: 'length', tokens: 30, toolCalls: 0 })
  assert.deepEqual(states.slice(0, 2), ['reconnecting', 'open'])
})

test('an upgrade loses no request, and what is on its way is finished where it was', async (t) => {
  const place = new Place(t)
  const { window, begun, letGo } = await held(place)
  const other = await place.window()
  const { pid } = window.welcome
  const chat = said(window.chat(user('/replace file a => b\n/read file', { maxTokens: 30 })))
  await begun
  const answers = []
  let isOver = false
  const asking = (async () => {
    while (!isOver) answers.push(await other.complete({ path: 'a', prefix: 'b', suffix: '' }))
  })()
  const welcome = await window.upgrade(backendProgram(), ['--as', '9.0.0', '--idle-exit', '1'])
  assert.equal(welcome.backend, '9.0.0')
  await replaced(other, pid)
  assert.equal(other.welcome.pid, welcome.pid)
  letGo()
  const { tokens } = await chat
  assert.deepEqual(tokens.slice(0, 4), ['Editing file: ', 'it is changed.\n', 'Reading file: ', 'it has 1 line.\n'])
  assert.equal(tokens.length, 30)
  await gone(pid)
  const count = answers.length
  await until('it is asked further', () => answers.length > count)
  isOver = true
  await asking
  assert.equal(new Set(answers).size, 1)
})

test('of windows that upgrade at once, each has the last backend', async (t) => {
  const place = new Place(t)
  const windows = await Promise.all(Array.from({ length: 3 }, () => place.window()))
  const asked = windows.map((window) => window.complete({ path: 'a', prefix: 'b', suffix: '' }))
  const upgrade = (window, at) => window.upgrade(backendProgram(), ['--as', `9.0.${at}`, '--idle-exit', '1'])
  const welcomes = await Promise.all(windows.map(upgrade))
  assert.ok(welcomes.every(({ backend }) => backend.startsWith('9.0.')))
  await until('all have the same one', () => {
    const pids = new Set(windows.map(({ welcome }) => welcome.pid))
    return pids.size === 1 && windows.every(({ state }) => state === 'open')
  })
  assert.equal(new Set(await Promise.all(asked)).size, 1)
})

test('a program that cannot take over leaves the backend as it is', async (t) => {
  const place = new Place(t)
  const window = await place.window()
  const { pid } = window.welcome
  await assert.rejects(window.upgrade('/bin/false'), /the backend \/bin\/false has ended with exit code 1; see /)
  await assert.rejects(window.upgrade('/no/such'), /the backend cannot be started: .*ENOENT/)
  assert.deepEqual([window.state, (await window.usage()).pid], ['open', pid])
  assert.equal(window.listenerCount('change'), 0)
})

test('a window that the next backend does not understand says so, and is closed', async (t) => {
  const place = new Place(t)
  await place.backend()
  const window = await place.window()
  const problem = once(window, 'problem')
  const handlers = (next) => {
    next.handle(Greet, () => {
      throw Object.assign(new Error('update the editor'), { code: 'ERR_PROTOCOL' })
    })
  }
  const next = await createServer(NAME, { directory: place.directory, takeOver: true, handlers })
  t.after(() => next.close())
  const [{ message }] = await problem
  assert.equal(message, 'update the editor')
  await until('it is closed', () => window.state === 'closed')
})

test('a window without a backend that can run says why', async (t) => {
  const place = new Place(t)
  await assert.rejects(place.window({ path: '/bin/false' }), /has ended with exit code 1; see /)
  await assert.rejects(place.window({ path: '/no/such' }), /cannot be started: .*ENOENT/)
  await assert.rejects(place.window({ logFile: '/no/such/log' }), /cannot be started: .*ENOENT/)
})

test('a backend that cannot be started again is a problem, until it can', async (t) => {
  const place = new Place(t)
  const backend = await place.backend()
  const window = await place.window({ path: '/bin/false' })
  const problems = []
  window.on('problem', ({ message }) => problems.push(message))
  await backend.kill()
  await until('it was tried again', () => problems.length >= 2)
  assert.match(problems[0], /\/bin\/false has ended with exit code 1/)
  const usage = window.usage()
  const next = await place.backend()
  assert.equal((await usage).pid, next.pid)
})

test('a second backend says that there is one, and leaves it alone', async (t) => {
  const place = new Place(t)
  const first = await place.backend()
  const second = place.program()
  await second.prints(/"event":"(running already)"/)
  assert.equal(await second.ended, 3)
  assert.equal((await place.window()).welcome.pid, first.pid)
})

test('it ends with a signal once what is on its way is answered', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    const place = new Place(t)
    const backend = await place.backend()
    const client = await place.connection({ reconnect: false })
    let letGo
    const released = new Promise((resolve) => (letGo = resolve))
    client.handle('edit.apply', () => released)
    const prompt = user('/replace file a => b', { maxTokens: 5, unpaced: true })
    const chat = said(client.stream(Chat, prompt))
    await until('the tool is called', async () => (await client.request('usage')).tokens === 1)
    backend.signal(signal)
    await backend.prints(new RegExp(`"event":"leaving",.*"why":"(${signal})"`))
    letGo({ applied: true })
    assert.deepEqual((await chat).finished, { reason: 'length', tokens: 5, toolCalls: 1 })
    assert.equal(await backend.ended, 0)
    assert.deepEqual(place.left(), [])
  }
})

test('a second signal does not wait, and the chat goes on at the next backend', async (t) => {
  const place = new Place(t)
  const backend = await place.backend()
  const window = await place.window()
  const prompt = user('hello', { maxTokens: 30 })
  const chat = said(window.chat(prompt), (count) => {
    if (count === 5) backend.signal('SIGTERM')
    if (count === 10) backend.signal('SIGINT')
  })
  assert.deepEqual((await chat).tokens, await whole(window, prompt))
  assert.equal(await backend.ended, 0)
  assert.notEqual(window.welcome.pid, backend.pid)
})

test('a backend that is stopped is shown as unresponsive, until it goes on', async (t) => {
  const place = new Place(t)
  const backend = await place.backend()
  const window = await place.window()
  backend.signal('SIGSTOP')
  const usage = window.usage()
  await until('it is noticed', () => window.isUnresponsive)
  backend.signal('SIGCONT')
  await usage
  await until('that is noticed as well', () => !window.isUnresponsive)
})

test('nothing that was typed is in the log', async (t) => {
  const place = new Place(t)
  const window = await place.window({ tools: editing('SECRET file') })
  await said(window.chat(user('SECRET\n/read file\n/read SECRET\n/replace file SECRET => SECRET', { maxTokens: 3 })))
  await window.complete({ path: 'SECRET', prefix: 'SECRET', suffix: 'SECRET' })
  await window.embed([{ path: 'SECRET', text: 'SECRET' }])
  await assert.rejects(said(window.chat(user('hello', { seed: 'SECRET' }))))
  await assert.rejects(said(window.chat(user('hello', { model: 'SECRET' }))))
  const { pid } = window.welcome
  await window.close()
  await gone(pid)
  const log = place.log()
  assert.ok(!JSON.stringify(log).includes('SECRET'))
  assert.deepEqual(new Set(log.map((line) => line.event)), new Set(['serving', 'connected', 'greeted', 'disconnected', 'leaving', 'ended']))
  assert.ok(log.every((line) => line.pid === pid && line.time > 0))
})
