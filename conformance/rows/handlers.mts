// Handlers that fail, and calls that are cancelled or end with their connection.

import { assert, fails, row, until, type Case, type Row } from '../case.mjs'

const counted = (t: Case, what: string) => t.responder.do('counted', { what })

export const handlers: readonly Row[] = [
  row('a handler that throws', async (t) => {
    const { failure } = await fails(t.request('throw', 1), 'ERR_HANDLER')
    assert.ok(failure.isRemote)
    assert.equal(await t.request('add', [1, 2]), 3)
  }),
  row('a handler that rejects', async (t) => {
    const { failure } = await fails(t.request('reject'), 'E_REJECTED')
    assert.equal(failure.message, 'after a while')
  }),
  row('a handler that answers twice', async (t) => {
    const isRust = t.responder.language === 'rust'
    const server = isRust ? 'twice' + t.connection : t.main
    const options = { transport: t.transport }
    if (isRust) await t.responder.do('answerTwice', { server, options })
    const unwanted = await counted(t, 'unwanted')
    const connection = await t.connect(server)
    const answer = await t.request('twice', null, { connection, codec: 'bytes', length: 1 })
    assert.equal(answer.length, 'first'.length)
    const isRefused = async () => (await counted(t, 'unwanted')) > unwanted
    if (isRust) await until('the second answer is refused', isRefused)
    const { lateReplies, isOpen } = await t.caller.do('stats', { connection })
    assert.deepEqual([lateReplies, isOpen], [0, true])
  }),
  row('a handler that never answers', async (t) => {
    await fails(t.request('never', null, { timeoutMs: 50 }), 'ERR_TIMEOUT')
    const connection = await t.connect(t.main)
    const { outcome } = t.begin('never', null, { connection })
    await t.caller.do('close', { connection })
    await fails(outcome, 'ERR_CLOSED')
  }),
  row('a handler that answers too late', async (t) => {
    await fails(t.request('late', 1000, { timeoutMs: 50 }), 'ERR_TIMEOUT')
    assert.equal(await t.request('late', 1), 'late')
  }),
  row('a request aborted before it is sent', async (t) => {
    await fails(t.request('add', [1, 2], { aborted: true }), 'ABORTED')
    assert.equal(await t.request('add', [1, 2]), 3)
  }),
  row('a request aborted while it is handled, which cancels the handler', async (t) => {
    const [started, cancelled] = [await counted(t, 'started'), await counted(t, 'cancelled')]
    const { number, outcome } = t.begin('never')
    await until('the handlers have started', async () => (await counted(t, 'started')) > started)
    await t.caller.do('cancel', { request: number })
    await fails(outcome, 'ABORTED')
    await until('the handler is cancelled', async () => (await counted(t, 'cancelled')) > cancelled)
  }),
  row('a request aborted after it was answered', async (t) => {
    const { number, outcome } = t.begin('add', [1, 2])
    assert.equal(await outcome, 3)
    assert.equal(await t.caller.do('cancel', { request: number }), false)
    assert.equal(await t.request('add', [1, 2]), 3)
  }),
  row('a request aborted before the peer reads it', async (t) => {
    const victim = t.spawn(t.responder.language)
    const connection = await t.connect(await t.serve({}, victim))
    assert.equal(await t.request('add', [1, 2], { connection }), 3)
    await victim.stop()
    const { number, outcome } = t.begin('never', null, { connection, lane: 'low' })
    await t.caller.do('cancel', { request: number })
    await fails(outcome, 'ABORTED')
    victim.resume()
    assert.equal(await t.request('add', [1, 2], { connection }), 3)
    assert.equal(await victim.do('counted', { what: 'started' }), 0)
  }),
  row('a limit on requests of all clients together', async (t) => {
    const server = await t.serve({ servingMaxTotal: 3 })
    const [greedy, modest] = [await t.connect(server), await t.connect(server)]
    const sleeping = { connection: greedy, method: 'sleep', value: 20 }
    const start = performance.now()
    const all = await t.caller.do('many', { count: 60, request: sleeping })
    assert.deepEqual(all, { answered: 60, failed: {} })
    // Three at a time, 60 of them take 400 ms.
    assert.ok(performance.now() - start > 300, 'more were handled at once than the limit allows')
    // Other clients take turns with one that has 20 seconds of work queued.
    const { outcome } = t.caller.begin('many', { count: 3000, request: sleeping })
    for (let i = 0; i < 3; i++) {
      assert.equal(await t.request('add', [1, 2], { connection: modest }), 3)
    }
    await t.caller.do('close', { connection: greedy })
    const { ERR_CLOSED: unanswered = 0 } = (await outcome).failed
    assert.ok(unanswered > 0, 'the other client was answered only after all of them')
  }),
  row('close() twice', async (t) => {
    const { caller, connection } = t
    await Promise.all([caller.do('close', { connection }), caller.do('close', { connection })])
    await caller.do('close', { connection })
    assert.equal(await caller.do('closed', { connection }), null)
    await fails(t.request('add', [1, 2]), 'ERR_CLOSED')
  }),
  row('close() inside a handler', async (t) => {
    await t.besideTraffic(async () => {
      await fails(t.request('closeHere'), 'ERR_PEER_LOST')
      assert.equal(await t.caller.do('closed', { connection: t.connection }), null)
    })
  }),
  row('close() with a thousand requests pending', async (t) => {
    const connection = await t.connect(t.main)
    const request = { connection, method: 'never' }
    const outcome = await t.caller.do('many', { count: 1000, request, close: true })
    assert.deepEqual(outcome, { answered: 0, failed: { ERR_CLOSED: 1000 } })
    assert.equal(await t.request('add', [1, 2]), 3)
  }),
  row('a server that closes with a thousand requests pending', async (t) => {
    const server = await t.serve()
    const connection = await t.connect(server)
    const started = await counted(t, 'started')
    const request = { connection, method: 'never' }
    const { outcome } = t.caller.begin('many', { count: 1000, request })
    // Requests of a connection closed earlier may still be arriving.
    const haveStarted = async () => (await counted(t, 'started')) >= started + 1000
    await until('the handlers have started', haveStarted)
    await t.responder.do('closeServer', { server })
    assert.deepEqual(await outcome, { answered: 0, failed: { ERR_PEER_LOST: 1000 } })
    assert.equal(await t.request('add', [1, 2]), 3)
  }),
  row('a synchronous request to a server in the same process', async (t) => {
    const server = await t.serve({}, t.caller)
    const { connection } = await t.connectTo(server, {}, t.caller, true)
    const asked = t.request('add', [1, 2], { connection, waiting: true })
    // In Rust the server runs on another thread than the caller.
    if (t.caller.language === 'rust') assert.equal(await asked, 3)
    else await fails(asked, 'ERR_WOULD_DEADLOCK')
  }),
  row('synchronous requests in both directions at once', async (t) => {
    const { connection } = await t.connectTo(t.main, {}, t.caller, true)
    const { caller, responder } = t.column.where
    // Elsewhere it may take this long to fail.
    const timeoutMs = caller === 'rust' ? 60_000 : 2000
    const back = { method: 'add', value: [1, 2], timeoutMs, waiting: true }
    const asked = t.request('requestBack', back, { connection, waiting: true })
    // The blocking API in Rust keeps serving while it waits. JavaScript cannot: a synchronous
    // request from JavaScript fails because it would deadlock, one from Rust times out.
    if (caller === 'rust') assert.equal(await asked, 3)
    else await fails(asked, responder === 'ts' ? 'ERR_WOULD_DEADLOCK' : 'ERR_TIMEOUT')
    assert.equal(await t.request('add', [1, 2], { connection, waiting: true }), 3)
  }),
]
