// What is sent is known to the two that talk: nothing that a process writes beside it, at the
// finest level of its log, has any of it.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, fails, fresh, row, type Case, type Row } from '../case.mjs'
import type { TestPeer } from '../test-peers.mjs'

/** The finest level in Rust; TypeScript then writes all that is published on its channels. */
const WATCHED = { RUST_LOG: 'trace' }

/** A text in the forms in which it could be printed. */
function forms(text: string): string[] {
  const bytes = [...Buffer.from(text)]
  const hex = bytes.map((byte) => byte.toString(16))
  const base64 = Buffer.from(text).toString('base64').replace(/=*$/, '').slice(0, -1)
  return [text, hex.join(''), hex.join(' '), bytes.join(', '), base64]
}

/** Sends the secret by everything that both languages send alike. */
async function tell(t: Case, [caller, responder]: TestPeer[], secret: string): Promise<string> {
  const token = secret
  const server = await t.serve({ token }, responder)
  const connection = await t.connect(server, { token }, caller)
  const ask = (method: string, value: unknown, codec?: 'json') =>
    caller.do('request', { connection, method, value, codec })
  const value = { [secret]: [secret] }
  assert.deepEqual(await ask('echo messagePack', value), value)
  assert.deepEqual(await ask('echo json', value, 'json'), value)
  const data = { name: 'Error', message: 'told', code: 'E_TOLD', properties: { data: secret } }
  await fails(ask('fail', { ...data, cause: { value: secret } }), 'E_TOLD')
  const refused = [
    await fails(ask('unhandled', value), 'ERR_UNKNOWN_METHOD'),
    await fails(t.connect(server, { token: `${token}!` }, caller), 'ERR_TOKEN'),
    await fails(t.serve({ token }, caller, server), 'ERR_NAME_IN_USE'),
  ]
  const publish = (peer: TestPeer, order: object) => peer.do('published', order)
  const name = fresh()
  const { of } = await publish(responder, { frame: { name, capacity: 4096 } })
  await publish(responder, { write: { of, value } })
  const reader = await publish(caller, { openFrame: { name } })
  assert.deepEqual((await publish(caller, { readFrame: { of: reader } })).value, value)
  const counted = [
    await caller.do('stats', { connection }),
    await responder.do('connections', { server }),
  ]
  return JSON.stringify([refused.map(({ message }) => message), counted])
}

export const privacy: readonly Row[] = [
  row('nothing of what is sent is in errors, counters, logs or files beside it', async (t) => {
    const secret = `canary-${fresh()}-${Math.random().toString(36).slice(2)}`
    const peers = [t.caller, t.responder].map(({ language }) => t.spawn(language, { env: WATCHED }))
    const said = await tell(t, peers, secret)
    const { directory } = t.column
    const files = readdirSync(directory)
    // What is published is in files of its own, by design.
    const locks = files.filter((file) => file.endsWith('.lock'))
    const written = locks.map((file) => readFileSync(join(directory, file), 'latin1')).join()
    const all = [said, files.join(), written, ...peers.map((peer) => peer.errors)].join('\n')
    for (const form of forms(secret)) assert.ok(!all.includes(form), `it is there as ${form}`)
    for (const { language, errors } of peers) {
      const expected = language === 'ts' ? 'ringpost:connection:open' : 'connected'
      assert.ok(errors.includes(expected), `nothing was watched: ${errors}`)
    }
  }),
]
