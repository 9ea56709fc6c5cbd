// What connections and servers count.

import { assert, fails, row, until, type Row } from '../case.mjs'

const HEADER = 24

export const counters: readonly Row[] = [
  row('bytes, times and failures of requests are counted', async (t) => {
    const connection = await t.connect(t.main)
    const stats = () => t.caller.do('stats', { connection })
    for (let asked = 0; asked < 10; asked++) await t.echo(1000, { connection })
    const before = await stats()
    await t.echo(1000, { connection })
    const after = await stats()
    for (const bytes of ['bytesSent', 'bytesReceived'] as const) {
      const added = after[bytes] - before[bytes]
      assert.ok(added >= HEADER + 1000 && added < HEADER + 1024, `${bytes}: ${added}`)
    }
    assert.deepEqual([before.timed, after.timed], [10, 11])
    await fails(t.request('throw', 1, { connection }), 'ERR_HANDLER')
    await fails(t.request('nobody has this', null, { connection }), 'ERR_UNKNOWN_METHOD')
    await fails(t.request('never', null, { connection, timeoutMs: 20 }), 'ERR_TIMEOUT')
    const { timed, errors } = await stats()
    assert.equal(timed, 13)
    assert.deepEqual(errors, { ERR_HANDLER: 1, ERR_UNKNOWN_METHOD: 1, ERR_TIMEOUT: 1 })
  }),
  row('a server counts for clients that were killed', async (t) => {
    const server = await t.serve()
    const victim = t.spawn(t.caller.language)
    const counted = () => t.responder.do('connections', { server })
    const [kept, lost] = [await t.connect(server), await t.connect(server, {}, victim)]
    await t.echo(1000, { connection: kept })
    const order = { connection: lost, method: 'echo bytes', codec: 'bytes', value: null } as const
    await victim.do('request', { ...order, length: 100_000 })
    const { bytesReceived, bytesSent } = await counted()
    assert.ok(bytesReceived > 101_000 && bytesSent > 101_000)
    await victim.kill()
    await until('the server has noticed', async () => (await counted()).open === 1)
    const after = await counted()
    assert.equal(after.total, 2)
    assert.ok(after.bytesReceived >= bytesReceived && after.bytesSent >= bytesSent)
  }),
]
