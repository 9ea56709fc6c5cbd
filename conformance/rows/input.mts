// Bad input: an error at once that says what is wrong, and nothing lost for anyone else.

import { assert, fails, freshStream, row, type Cell, type Row } from '../cell.mjs'
import type { Chosen } from '../wire.mjs'

/** Options that only a program in Rust can get wrong: the types are the compiler's. */
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
    'options of wrong types and ranges, or misspelt',
    async ({ asker, connection }) => {
      assert.deepEqual(await asker.do('arguments', { connection }), [])
    },
    ({ asker }) => asker === 'ts',
  ),
  row(
    'options out of range',
    async ({ asker, main }) => {
      for (const options of WRONG_IN_RUST) {
        await fails(asker.do('connect', { server: main, options }), 'ERR_INVALID_ARGUMENT')
        await fails(asker.do('listen', { server: 'wrong', options }), 'ERR_INVALID_ARGUMENT')
      }
    },
    ({ asker }) => asker === 'rust',
  ),
  row("a server's name that is empty, too long, or has a slash", async ({ asker }) => {
    for (const server of SERVER_NAMES) {
      await fails(asker.do('connect', { server }), 'ERR_INVALID_NAME')
      await fails(asker.do('listen', { server }), 'ERR_INVALID_NAME')
    }
  }),
  row("a method's name that is empty or of 300 characters", async (cell) => {
    for (const name of ['', 'x'.repeat(300)]) {
      await fails(cell.ask(name), 'ERR_INVALID_NAME', 'ERR_INVALID_ARGUMENT')
    }
    assert.equal(await cell.ask('add', [1, 2]), 3)
  }),
  row('methods nobody handles, of any name', async (cell) => {
    for (const name of ['nobody', 'a/b', 'é漢🦀', 'x'.repeat(255)]) {
      const { failure } = await fails(cell.ask(name), 'ERR_UNKNOWN_METHOD')
      assert.equal(failure.message, `there is no handler for the method "${name}"`)
    }
    assert.equal(await cell.ask('add', [1, 2]), 3)
  }),
  row('a request, an order and an answer over the agreed maximum', tooLarge),
  row('more requests in flight than agreed', async (cell) => {
    const connection = await cell.connect(cell.main, { pendingMax: 10 })
    const request = { connection, method: 'never', timeoutMs: 300 }
    const { answered, failed } = await cell.asker.do('many', { count: 25, request })
    assert.equal(answered, 0)
    assert.deepEqual(failed, { ERR_TOO_MANY_PENDING: 15, ERR_TIMEOUT: 10 })
    assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
  }),
  row('an empty payload', async (cell) => {
    await cell.echo(0)
    const stream = freshStream()
    const order = { connection: cell.connection, stream, count: 1, length: 0 }
    assert.equal((await cell.asker.do('notify', order)).sent, 1)
    // No bytes are no value.
    const empty = cell.ask('add', null, { codec: 'bytes', length: 0 })
    await fails(empty, 'ERR_INVALID_PAYLOAD')
    assert.equal(await cell.ask('add', [1, 2]), 3)
  }),
  row('a payload the validator refuses', async (cell) => {
    assert.equal(await cell.ask('positive', 5), 5)
    const { failure } = await fails(cell.ask('positive', -5), 'ERR_INVALID_PAYLOAD')
    assert.match(failure.message!, /has to be above 0/)
    await fails(cell.ask('positive', 'text'), 'ERR_INVALID_PAYLOAD')
  }),
  row('a payload of another codec', async (cell) => {
    await fails(cell.ask('add', null, { codec: 'bytes', length: 20 }), 'ERR_INVALID_PAYLOAD')
    assert.equal(await cell.ask('add', [1, 2]), 3)
  }),
]

async function tooLarge(cell: Cell): Promise<void> {
  const connection = await cell.connect(cell.main, { messageLenMax: 10_000 })
  await cell.echo(10_000, { connection })
  const longer = { connection, codec: 'bytes', length: 10_001 } as const
  await fails(cell.ask('echo bytes', null, longer), 'ERR_TOO_LARGE')
  const order = { connection, stream: freshStream(), count: 1, length: 10_001 }
  assert.deepEqual(await cell.asker.do('notify', order), { sent: 0, refused: 'ERR_TOO_LARGE' })
  await fails(cell.ask('text', 20_000, { connection }), 'ERR_TOO_LARGE')
  assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
}
