// What waits for a session and does not get there: it cannot be sent, or is no longer wanted.

import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { connect, type ClientOptions } from 'ringpost'
import { Program } from './helpers/program.mjs'

let servers = 0

/** Starts a server that can be killed and started again. */
async function serving(options = {}) {
  const name = `away-${++servers}`
  const start = async () => {
    const program = new Program('echo-server', { name, options })
    await program.report()
    return program
  }
  return { name, start, program: await start() }
}

/** Connects to a server, and kills it. */
async function alone(t: ExecutionContext, options: ClientOptions = {}, ofServer = {}) {
  const { name, start, program } = await serving(ofServer)
  const client = await connect(name, options)
  t.teardown(() => client.close())
  await Promise.all([once(client, 'disconnect'), program.kill()])
  return { client, start }
}

test('what no session takes is reported, and all that waits behind it is sent', async (t) => {
  const { client, start } = await alone(t, {}, { messageLenMax: 65_536 })
  const huge = 'x'.repeat(100_000)
  const errors: Error[] = []
  client.on('error', (error) => errors.push(error))
  t.false(client.notify('say', huge))
  const sent = client.send('say', huge)
  const asked = client.request('echo', huge)
  t.false(client.notify('say', 'small'))
  const heard = client.request('heard', undefined, { timeoutMs: 30_000 })
  const tooLarge = { code: 'ERR_TOO_LARGE' }
  const back = new Promise((resolve) => client.once('reconnect', resolve))
  await Promise.all([
    start(),
    t.throwsAsync(sent, tooLarge),
    t.throwsAsync(asked, tooLarge),
    heard.then((words) => t.deepEqual(words, ['small'])),
    back,
  ])
  t.like(errors, [tooLarge])
  t.is(errors.length, 1)
})

test('small messages are refused before more of them wait than can be sent', async (t) => {
  const { client, start } = await alone(t, { backlogMax: 100_000, rings: { normal: 4096 } })
  client.on('error', (error) => t.fail(`${error}`))
  let accepted = 0
  const refused = t.throws(() => {
    for (; accepted < 60_000; accepted++) client.notify('say', 'x')
    throw new Error('they are not counted')
  })
  t.like(refused, { code: 'ERR_FULL' })
  t.true(accepted > 100)
  await Promise.all([once(client, 'reconnect'), start()])
  await client.drained()
  t.is((await client.request<undefined, string[]>('heard')).length, accepted)
})
