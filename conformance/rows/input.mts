// Invalid input: an immediate error that names the problem, with no effect on other calls.

import { assert, fails, freshStream, row, type Case, type Row } from '../case.mjs'
import type { Chosen } from '../wire.mjs'

/** Options out of range; in Rust the compiler checks their types. */
const WRONG_IN_RUST: readonly Chosen[] = [
  { rings: { normal: 5000 } },
  { rings: { low: 2048 } },
  { rings: { control: 2 ** 27 } },
  { pendingMax: 0 },
  { pendingMax: 65_537 },
  { token: '' },
  { token: 'x'.repeat(1025) },
]

const SERVER_NAMES = ['', '.hidden', 'a/b', '../up', 'a b', 'ü', 'x'.repeat(65), 'x'.repeat(300)]

export const input: readonly Row[] = [
  row(
    'options of the wrong type, out of range, or misspelt',
    async ({ caller, connection }) => {
      assert.deepEqual(await caller.do('arguments', { connection }), [])
    },
    ({ caller }) => caller === 'ts',
  ),
  row(
    'options out of range',
    async ({ caller, main }) => {
      for (const options of WRONG_IN_RUST) {
        await fails(caller.do('connect', { server: main, options }), 'ERR_INVALID_ARGUMENT')
        await fails(caller.do('listen', { server: 'wrong', options }), 'ERR_INVALID_ARGUMENT')
      }
    },
    ({ caller }) => caller === 'rust',
  ),
  row('a server name that is empty, too long, or contains a slash', async ({ caller }) => {
    for (const server of SERVER_NAMES) {
      await fails(caller.do('connect', { server }), 'ERR_INVALID_NAME')
      await fails(caller.do('listen', { server }), 'ERR_INVALID_NAME')
    }
  }),
  row('a method name that is empty or 300 characters long', async (t) => {
    for (const name of ['', 'x'.repeat(300)]) {
      await fails(t.request(name), 'ERR_INVALID_NAME', 'ERR_INVALID_ARGUMENT')
    }
    assert.equal(await t.request('add', [1, 2]), 3)
  }),
  row('methods without a handler', async (t) => {
    for (const name of ['unhandled', 'a/b', 'é漢🦀', 'x'.repeat(255)]) {
      const { failure } = await fails(t.request(name), 'ERR_UNKNOWN_METHOD')
      assert.equal(failure.message, `there is no handler for the method "${name}"`)
    }
    assert.equal(await t.request('add', [1, 2]), 3)
  }),
  row('a request, a one-way message and an answer above the agreed maximum', tooLarge),
  row('more requests in flight than agreed', async (t) => {
    const connection = await t.connect(t.main, { pendingMax: 10 })
    const request = { connection, method: 'never', timeoutMs: 300 }
    const { answered, failed } = await t.caller.do('many', { count: 25, request })
    assert.equal(answered, 0)
    assert.deepEqual(failed, { ERR_TOO_MANY_PENDING: 15, ERR_TIMEOUT: 10 })
    assert.equal(await t.request('add', [1, 2], { connection }), 3)
  }),
  row('an empty payload', async (t) => {
    await t.echo(0)
    const stream = freshStream()
    const order = { connection: t.connection, stream, count: 1, length: 0 }
    assert.equal((await t.caller.do('notify', order)).sent, 1)
    // An empty payload is not a MessagePack value.
    const empty = t.request('add', null, { codec: 'bytes', length: 0 })
    await fails(empty, 'ERR_INVALID_PAYLOAD')
    assert.equal(await t.request('add', [1, 2]), 3)
  }),
  row('a payload rejected by the validator', async (t) => {
    assert.equal(await t.request('positive', 5), 5)
    const { failure } = await fails(t.request('positive', -5), 'ERR_INVALID_PAYLOAD')
    assert.match(failure.message!, /has to be above 0/)
    await fails(t.request('positive', 'text'), 'ERR_INVALID_PAYLOAD')
  }),
  row('a payload of another codec', async (t) => {
    await fails(t.request('add', null, { codec: 'bytes', length: 20 }), 'ERR_INVALID_PAYLOAD')
    assert.equal(await t.request('add', [1, 2]), 3)
  }),
]

async function tooLarge(t: Case): Promise<void> {
  const connection = await t.connect(t.main, { messageLenMax: 10_000 })
  await t.echo(10_000, { connection })
  const longer = { connection, codec: 'bytes', length: 10_001 } as const
  await fails(t.request('echo bytes', null, longer), 'ERR_TOO_LARGE')
  const order = { connection, stream: freshStream(), count: 1, length: 10_001 }
  assert.deepEqual(await t.caller.do('notify', order), { sent: 0, refused: 'ERR_TOO_LARGE' })
  await fails(t.request('text', 20_000, { connection }), 'ERR_TOO_LARGE')
  assert.equal(await t.request('add', [1, 2], { connection }), 3)
}
