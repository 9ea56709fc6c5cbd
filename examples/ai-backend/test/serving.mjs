// What is asked for, what is refused, and what is cancelled.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { bytes, stream } from 'ringpost'
import { Complete, Greet } from '../../../dist/examples/ai-backend/contract.mjs'
import { until } from '../../testing/processes.mjs'
import { Place, said, user } from './helpers.mjs'

const COMPLETIONS = 200

test('a backend says who it is, and refuses an editor that it does not understand', async (t) => {
  const place = new Place(t)
  const backend = await place.backend('--as', '7.8.9')
  const window = await place.window()
  assert.deepEqual(window.welcome, { backend: '7.8.9', protocol: 1, pid: backend.pid, models: ['parrot'] })
  assert.ok((await window.ping()) > 0)
  const client = await place.connection()
  await assert.rejects(client.request(Greet, { client: 'old 0.1', protocol: 99 }), {
    code: 'ERR_PROTOCOL',
    message: /backend 7\.8\.9 speaks protocol 1, the editor "old 0\.1" speaks protocol 99: update/,
  })
})

test('the same seed and messages give the same tokens, as many as asked for', async (t) => {
  const place = new Place(t)
  await place.backend()
  const window = await place.window()
  const ask = async (text, more) => said(window.chat(user(text, { unpaced: true, ...more })))
  const first = await ask('hello', { seed: 1 })
  assert.deepEqual(await ask('hello', { seed: 1 }), first)
  assert.notDeepEqual((await ask('hello', { seed: 2 })).tokens, first.tokens)
  assert.notDeepEqual((await ask('hallo', { seed: 1 })).tokens, first.tokens)
  const { length } = first.tokens
  assert.deepEqual(first.finished, { reason: 'stop', tokens: length, toolCalls: 0 })
  const long = await ask('hello', { seed: 1, maxTokens: 10_000 })
  assert.deepEqual(long.finished, { reason: 'length', tokens: 10_000, toolCalls: 0 })
  assert.deepEqual(long.tokens.slice(0, length), first.tokens)
  assert.deepEqual((await ask('hello', { maxTokens: 0 })).tokens, [])
  assert.equal((await window.usage()).requests, 6)
})

test('tokens come at the pace of a model', async (t) => {
  const place = new Place(t)
  await place.backend()
  const window = await place.window()
  const start = performance.now()
  await said(window.chat(user('hello', { seed: 1, maxTokens: 20 })))
  // What it sleeps with this seed; a busy machine takes longer.
  assert.ok(performance.now() - start > 200)
})

test('a chat that makes no sense is refused, and says why without what was typed', async (t) => {
  const place = new Place(t)
  await place.backend()
  const window = await place.window()
  for (const [prompt, code, message] of [
    [{ messages: [] }, 'ERR_PROMPT', /needs a message of the user/],
    [user('hello', { model: 'owl' }), 'ERR_MODEL', /no model "owl"; there are: parrot/],
    [user('hello', { seed: -1 }), 'ERR_INVALID_PAYLOAD', /"chat": cannot be decoded/],
    [user('hello', { maxTokens: 'secret' }), 'ERR_INVALID_PAYLOAD', /^(?!.*secret).*cannot be decoded/],
  ]) {
    await assert.rejects(said(window.chat(prompt)), { code, message })
  }
  const client = await place.connection()
  const Garbage = stream('chat', { codec: bytes })
  await assert.rejects(client.stream(Garbage, Uint8Array.of(0xc1)).result, { code: 'ERR_INVALID_PAYLOAD' })
  await assert.rejects(client.request('chat', user('hello')), { code: 'ERR_INVALID_ARGUMENT' })
  assert.equal((await said(window.chat(user('hello', { maxTokens: 3 })))).tokens.length, 3)
})

test('a cancelled chat stops the model, and is counted', async (t) => {
  const place = new Place(t)
  await place.backend()
  const [window, other] = [await place.window(), await place.window()]
  let count = 0
  // As fast as they are taken: it stops although it never waits for the clock.
  for await (const { text } of window.chat(user('go on', { maxTokens: 1e9, unpaced: true }))) {
    assert.ok(text.length > 0)
    if (++count === 1_000) break
  }
  const aborted = new AbortController()
  const chat = other.chat(user('go on', { maxTokens: 1e9 }), { signal: aborted.signal })
  await chat.next()
  aborted.abort(new Error('enough'))
  await assert.rejects(chat.result, /enough/)
  const { tokens } = await until('both are counted', async () => {
    const usage = await window.usage()
    return usage.cancelled === 2 && usage
  })
  // The clock of the next tokens would have rung by then.
  await other.complete({ path: '', prefix: '', suffix: '' })
  assert.equal((await window.usage()).tokens, tokens)
})

test('completions that nobody waits for any more are not computed', async (t) => {
  const place = new Place(t)
  const { pid } = await place.backend()
  const window = await place.window()
  const ask = (at, signal) => window.complete({ path: 'a', prefix: `let x${at}`, suffix: '' }, { signal })
  const all = (signal) => Array.from({ length: COMPLETIONS }, (_, at) => ask(at, signal))
  const start = cpuMs(pid)
  const answers = await Promise.all(all())
  const whole = cpuMs(pid) - start

  const typed = new AbortController()
  const asked = all(typed.signal)
  await asked[0]
  typed.abort()
  await Promise.allSettled(asked)
  // It waits behind those.
  assert.equal(await ask(0), answers[0])
  const spent = cpuMs(pid) - start - whole
  assert.ok(spent < whole / 2, `${spent} ms of ${whole} ms`)
  await until('each is counted', async () => {
    const { requests, cancelled } = await window.usage()
    return requests === 2 * COMPLETIONS + 1 && cancelled >= COMPLETIONS / 2
  })
})

/** What a process has taken of the processors, in the ticks of the kernel. */
function cpuMs(pid) {
  const [, rest] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
  const [user, system] = rest.split(' ').slice(11, 13).map(Number)
  return (user + system) * 10
}

test('large batches are embedded, and what is empty too', async (t) => {
  const place = new Place(t)
  await place.backend()
  const window = await place.window()
  const files = Array.from({ length: 2_048 }, (_, at) => ({ path: `${at}`, text: `word${at % 7} `.repeat(160) }))
  const vectors = await window.embed(files)
  assert.equal(vectors.length, files.length)
  for (const [at, vector] of vectors.entries()) {
    assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-6)
    assert.deepEqual(vector, vectors[at % 7])
  }
  assert.notDeepEqual(vectors[0], vectors[1])
  assert.deepEqual(await window.embed([]), [])
  const [empty] = await window.embed([{ path: '', text: '' }])
  assert.ok(empty.every((value) => value === 0))
})

test('what is too large is refused, and what comes after it is answered', async (t) => {
  const place = new Place(t)
  await place.backend()
  const client = await place.connection({ messageLenMax: 65_536 })
  const at = (prefix) => client.request(Complete, { path: 'a', prefix, suffix: '' })
  const right = (await at('x')).text
  for (let turn = 0; turn < 30; turn++) {
    if (turn % 10 === 9) await assert.rejects(at('x'.repeat(65_536)), { code: 'ERR_TOO_LARGE' })
    else assert.equal((await at('x')).text, right)
  }
})
