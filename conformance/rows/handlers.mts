// Handlers that fail, and calls that are given up or closed away.

import { assert, fails, row, sleep, until, type Cell, type Row } from '../cell.mjs'

const counted = (cell: Cell, what: string) => cell.answerer.do('counted', { what })

export const handlers: readonly Row[] = [
  row('a handler that throws', async (cell) => {
    const { failure } = await fails(cell.ask('throw', 1), 'ERR_HANDLER')
    assert.ok(failure.isRemote)
    assert.equal(await cell.ask('add', [1, 2]), 3)
  }),
  row('a handler that rejects', async (cell) => {
    const { failure } = await fails(cell.ask('reject'), 'E_REJECTED')
    assert.equal(failure.message, 'after a while')
  }),
  row('a handler that answers twice', async (cell) => {
    const isRust = cell.answerer.language === 'rust'
    const server = isRust ? 'twice' + cell.connection : cell.main
    const options = { transport: cell.transport }
    if (isRust) await cell.answerer.do('answerTwice', { server, options })
    const unwanted = await counted(cell, 'unwanted')
    const connection = await cell.connect(server)
    const answer = await cell.ask('twice', null, { connection, codec: 'bytes', length: 1 })
    assert.equal(answer.length, 'first'.length)
    if (isRust) await until('told', async () => (await counted(cell, 'unwanted')) > unwanted)
    const { lateReplies, isOpen } = await cell.asker.do('stats', { connection })
    assert.deepEqual([lateReplies, isOpen], [0, true])
  }),
  row('a handler that never answers', async (cell) => {
    await fails(cell.ask('never', null, { timeoutMs: 50 }), 'ERR_TIMEOUT')
    const connection = await cell.connect(cell.main)
    const { outcome } = cell.begin('never', null, { connection })
    await cell.asker.do('close', { connection })
    await fails(outcome, 'ERR_CLOSED')
  }),
  row('a handler that answers too late', async (cell) => {
    await fails(cell.ask('late', 200, { timeoutMs: 50 }), 'ERR_TIMEOUT')
    assert.equal(await cell.ask('late', 1), 'late')
  }),
  row('an abort before', async (cell) => {
    await fails(cell.ask('add', [1, 2], { aborted: true }), 'ABORTED')
    assert.equal(await cell.ask('add', [1, 2]), 3)
  }),
  row('an abort during, which the handler hears', async (cell) => {
    const [started, cancelled] = [await counted(cell, 'started'), await counted(cell, 'cancelled')]
    const { number, outcome } = cell.begin('never')
    await until('started', async () => (await counted(cell, 'started')) > started)
    await cell.asker.do('cancel', { request: number })
    await fails(outcome, 'ABORTED')
    await until('heard', async () => (await counted(cell, 'cancelled')) > cancelled)
  }),
  row('an abort after', async (cell) => {
    const { number, outcome } = cell.begin('add', [1, 2])
    assert.equal(await outcome, 3)
    assert.equal(await cell.asker.do('cancel', { request: number }), false)
    assert.equal(await cell.ask('add', [1, 2]), 3)
  }),
  row('an abort that overtakes its request', async (cell) => {
    const victim = cell.spawn(cell.answerer.language)
    const connection = await cell.connect(await cell.serve({}, victim))
    assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
    victim.stop()
    const { number, outcome } = cell.begin('never', null, { connection, lane: 'low' })
    await cell.asker.do('cancel', { request: number })
    await fails(outcome, 'ABORTED')
    victim.goOn()
    assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
    assert.equal(await victim.do('counted', { what: 'started' }), 0)
  }),
  row('requests of all clients at once, up to a limit', async (cell) => {
    const server = await cell.serve({ servingMaxTotal: 3 })
    const [greedy, modest] = [await cell.connect(server), await cell.connect(server)]
    const many = { connection: greedy, method: 'sleep', value: 20 }
    const all = cell.asker.do('many', { count: 60, request: many })
    await sleep(30)
    // 60 of them take 400 ms, and whoever comes later has its turn long before that.
    const start = performance.now()
    for (let i = 0; i < 3; i++) assert.equal(await cell.ask('add', [1, 2], { connection: modest }), 3)
    const waited = performance.now() - start
    assert.deepEqual(await all, { answered: 60, failed: {} })
    assert.ok(performance.now() - start > waited, 'it had its turn only when all were done')
    assert.ok(performance.now() - start > 200, 'more were handled at once than the limit says')
  }),
  row('close() twice', async (cell) => {
    const { asker, connection } = cell
    await Promise.all([asker.do('close', { connection }), asker.do('close', { connection })])
    await asker.do('close', { connection })
    assert.equal(await asker.do('closed', { connection }), null)
    await fails(cell.ask('add', [1, 2]), 'ERR_CLOSED')
  }),
  row('close() inside a handler', async (cell) => {
    await cell.besideTraffic(async () => {
      await fails(cell.ask('closeHere'), 'ERR_PEER_LOST')
      assert.equal(await cell.asker.do('closed', { connection: cell.connection }), null)
    })
  }),
  row('close() with a thousand requests pending', async (cell) => {
    const connection = await cell.connect(cell.main)
    const request = { connection, method: 'never' }
    const outcome = await cell.asker.do('many', { count: 1000, request, close: true })
    assert.deepEqual(outcome, { answered: 0, failed: { ERR_CLOSED: 1000 } })
    assert.equal(await cell.ask('add', [1, 2]), 3)
  }),
  row('a server that closes with a thousand requests pending', async (cell) => {
    const server = await cell.serve()
    const connection = await cell.connect(server)
    const started = await counted(cell, 'started')
    const request = { connection, method: 'never' }
    const { outcome } = cell.asker.begin('many', { count: 1000, request })
    // Those of a connection that was closed before may still be read.
    await until('started', async () => (await counted(cell, 'started')) >= started + 1000)
    await cell.answerer.do('closeServer', { server })
    assert.deepEqual(await outcome, { answered: 0, failed: { ERR_PEER_LOST: 1000 } })
    assert.equal(await cell.ask('add', [1, 2]), 3)
  }),
  row('a request that waits, to a server of the same process', async (cell) => {
    const server = await cell.serve({}, cell.asker)
    const { connection } = await cell.meet(server, {}, cell.asker, true)
    const asked = cell.ask('add', [1, 2], { connection, waiting: true })
    // In Rust the server has a thread of its own, and the one that waits is another.
    if (cell.asker.language === 'rust') assert.equal(await asked, 3)
    else await fails(asked, 'ERR_WOULD_DEADLOCK')
  }),
  row('both sides wait for each other', async (cell) => {
    const { connection } = await cell.meet(cell.main, {}, cell.asker, true)
    const back = { method: 'add', value: [1, 2], timeoutMs: 2000, waiting: true }
    const asked = cell.ask('askBack', back, { connection, waiting: true })
    // The face that waits in Rust serves meanwhile. In JavaScript nobody does: whoever asks back
    // and would wait too is told so, and whoever would not is out of time.
    const { asker, answerer } = cell.column.where
    if (asker === 'rust') assert.equal(await asked, 3)
    else await fails(asked, answerer === 'ts' ? 'ERR_WOULD_DEADLOCK' : 'ERR_TIMEOUT')
    assert.equal(await cell.ask('add', [1, 2], { connection, waiting: true }), 3)
  }),
]
