// Names that are none for NATS, and messages that no bridge sends: anybody who may publish below the
// prefix can send them.

import { connect as connectNats, headers, nuid, type Msg } from '@nats-io/transport-node'
import ava from 'ava'
import { messagePack, type IpcError } from 'ringpost'
import { exportService, importService, importTopic, type Service } from '../src/index.mjs'
import { decodeError, encodeError } from '../src/errors.mjs'
import { callSubject, token } from '../src/subjects.mjs'
import { readFields } from '../src/wire.mjs'
import { Echo, Flow, Site, Waited } from './helpers/contracts.mjs'
import { job, Machine, Nats, until } from './helpers/machines.mjs'

/** Serial, so that they do not compete for the processors. */
const test = ava.serial

const server = await Nats.start('max_payload: 65536\n')
const [home, away] = [new Machine('home'), new Machine('away')]
await home.server()
const exporter = await home.bridge(job('exportService', 'Site', server))
await away.bridge(job('importService', 'Site', server))
const client = await away.client()
const rogue = await connectNats({ servers: server.url })
test.after.always(() => Promise.all([client.close(), rogue.close()]))

const SUBJECT = callSubject('test', 'site', 'echo')

/** Publishes with this header, and an inbox in which answers are found. */
function send(subject: string, header: string, payload = messagePack.encode(1), reply?: string) {
  const inbox = reply ?? `_INBOX.${nuid.next()}.1`
  const answers: Msg[] = []
  const take = (_: unknown, message: Msg) => void answers.push(message)
  rogue.subscribe(inbox, { callback: take })
  const list = headers()
  list.set('Ringpost', header)
  rogue.publish(subject, payload, { headers: list, reply: inbox })
  const code = async () => {
    const errors = () => answers.find((one) => one.headers!.get('Ringpost').startsWith('1 error'))
    const { data } = await until('an error has come', errors)
    return (decodeError(data) as IpcError).code
  }
  return { inbox, answers, code }
}

test('whatever a name is, its token has neither dots nor wildcards, and no other name has it', (t) => {
  const names = ['a', 'a.b', 'a%2eb', '*', '>', 'a b', 'ä', '\u{1f600}', '$SYS', 'a\tb', '%', '..']
  for (const name of names) {
    t.regex(token(name), /^[A-Za-z0-9_%-]+$/)
    t.is(decodeURIComponent(token(name)), name)
  }
  t.is(new Set(names.map(token)).size, names.length)
})

test('wrong options and services are refused before anything is opened', async (t) => {
  const before = rogue.stats().outMsgs
  const bad = (options: object, service: object = Site) =>
    importService(rogue, service as Service, { prefix: 'x', as: 'never', ...options })
  for (const prefix of ['', 'a.*', 'a.>', '.a', 'a..b', 'a b', '$SYS', 'a'.repeat(129)]) {
    await t.throwsAsync(bad({ prefix }), { instanceOf: RangeError, message: /^prefix must be / })
  }
  await t.throwsAsync(bad({ prefix: 7 }), { instanceOf: TypeError })
  await t.throwsAsync(bad({ inboxPrefix: '>' }), { message: /^inboxPrefix must be / })
  await t.throwsAsync(bad({ heartbeat: 1 }), { message: /no option "heartbeat": there are/ })
  await t.throwsAsync(bad({ windowBytes: 12 }), {
    message: 'windowBytes must be a whole number from 4,096 to 16,777,216, got 12',
  })
  await t.throwsAsync(bad({ callsMax: 0 }), { message: /^callsMax/ })
  await t.throwsAsync(bad({ heartbeatMs: NaN }), { message: /^heartbeatMs/ })
  await t.throwsAsync(bad({ onDrop: 1 }), { message: /^onDrop/ })
  await t.throwsAsync(bad({}, { name: 'x', contracts: [] }), { code: 'ERR_INVALID_ARGUMENT' })
  await t.throwsAsync(bad({}, { name: 'x', contracts: [Echo, Echo] }), { message: /"echo" twice/ })
  await t.throwsAsync(bad({}, { name: 'x', contracts: [Flow] }), { instanceOf: TypeError })
  await t.throwsAsync(bad({}, { name: 'x', contracts: [], broadcasts: [Echo] }), {
    message: 'broadcasts must hold what event() makes',
  })
  const group = exportService(rogue, Site, { prefix: 'x', group: 'a.b' })
  await t.throwsAsync(group, { message: /^group must be / })
  const durable = importTopic(rogue, Flow, { prefix: 'x', durable: 'a' })
  await t.throwsAsync(durable, { code: 'ERR_INVALID_ARGUMENT' })
  const topic = importTopic(rogue, Echo as never, { prefix: 'x' })
  await t.throwsAsync(topic, { message: 'topic must be what topic() makes' })
  t.is(rogue.stats().outMsgs, before)
})

test('a header that no bridge writes is refused with what is wrong', async (t) => {
  const cases: [header: string, code: string][] = [
    ['2 call codec=messagePack', 'ERR_VERSION'],
    ['', 'ERR_VERSION'],
    ['1 eat', 'ERR_INVALID_ARGUMENT'],
    ['1 item codec=messagePack n=1', 'ERR_INVALID_ARGUMENT'],
    ['1 call codec=messagePack ms=-1', 'ERR_INVALID_ARGUMENT'],
    ['1 call codec=messagePack ms=0x10', 'ERR_INVALID_ARGUMENT'],
    ['1 call codec=messagePack ms=99999999999999999999', 'ERR_INVALID_ARGUMENT'],
    ['1 call codec=messagePack lane=fast', 'ERR_INVALID_ARGUMENT'],
    ['1 call codec=messagePack beat=1', 'ERR_INVALID_ARGUMENT'],
    ['1 stream codec=messagePack window=4096', 'ERR_INVALID_ARGUMENT'],
    [`1 call codec=${'x'.repeat(600)}`, 'ERR_INVALID_ARGUMENT'],
    ['1 call codec=json', 'ERR_INVALID_PAYLOAD'],
    ['1 call', 'ERR_INVALID_PAYLOAD'],
  ]
  for (const [header, code] of cases) {
    t.is(await send(SUBJECT, header).code(), code, header)
  }
  t.deepEqual(Object.keys(readFields('1 call __proto__=1 toString=2 new=3 ms=4')), ['kind', 'ms'])
  // What is in the payload is for the server to refuse.
  t.is(await send(SUBJECT, '1 call codec=messagePack', Buffer.of(0xc1)).code(), 'ERR_INVALID_PAYLOAD')
  t.is(await client.request(Echo, 1), 1)
})

test('answers go to inboxes, and nowhere else', async (t) => {
  const before = (await exporter.stats()).dropped.refused ?? 0
  const places = ['test.elsewhere', '_INBOX.short.1', `_INBOX.${nuid.next()}.1.2`, '$JS.API.INFO']
  const sent = places.map((place) => send(SUBJECT, '1 call codec=messagePack', undefined, place))
  rogue.publish(SUBJECT, messagePack.encode(1))
  await rogue.flush()
  const refused = async () => (await exporter.stats()).dropped.refused === before + places.length + 1
  await until('all are refused', refused)
  await client.request(Echo, 1)
  for (const { answers } of sent) t.is(answers.length, 0)
})

test('a stream whose items are lost, or more than there is credit for, is ended', async (t) => {
  const subject = callSubject('test', 'site', 'mirror')
  const begin = async () => {
    const params = Buffer.from('{}')
    const sent = send(subject, '1 stream codec=either window=4096 beat=60000', params)
    const alive = await until('it says where it listens', () => sent.answers.find((one) => one.reply))
    const say = (header: string, payload?: Uint8Array) =>
      void send(alive.reply!, header, payload, sent.inbox)
    return { ...sent, say }
  }
  const lost = await begin()
  lost.say('1 item codec=either n=2', Buffer.of(0, 1))
  t.is(await lost.code(), 'ERR_PEER_LOST')
  const greedy = await begin()
  for (let n = 1; n <= 40; n++) greedy.say(`1 item codec=either n=${n}`, Buffer.alloc(1_000))
  t.is(await greedy.code(), 'ERR_CORRUPT')
  const other = await begin()
  other.say('1 item codec=json n=1', Buffer.of(1))
  t.is(await other.code(), 'ERR_INVALID_PAYLOAD')
  const short = await begin()
  short.say('1 end n=5')
  t.is(await short.code(), 'ERR_PEER_LOST')
  for (const header of ['1 credit n=9007199254740991', '1 reply', '1 cancel', 'x']) {
    const odd = await begin()
    odd.say(header)
    odd.say('1 cancel')
  }
  await until('no call is left', async () => (await exporter.stats()).calls === 0)
  t.is(await client.request(Echo, 1), 1)
})

test('whatever an exporter answers, its caller gets one outcome', async (t) => {
  const caller = new Machine('caller')
  await caller.bridge(job('importService', 'Site', server, { prefix: 'rogue' }))
  const client = await caller.client()
  let answers: [header: string, payload: Uint8Array][] = []
  const answer = (_: unknown, { reply }: Msg) => {
    for (const [header, payload] of answers) send(reply!, header, payload, `_INBOX.${nuid.next()}.1`)
  }
  rogue.subscribe(callSubject('rogue', 'site', 'echo'), { callback: answer })
  await rogue.flush()
  const two = messagePack.encode(2)
  const outcomes: [typeof answers, unknown][] = [
    [[['1 reply codec=messagePack', two], ['1 reply codec=messagePack', two], ['1 error', two]], 2],
    [[['x', two], ['1 item codec=messagePack n=1', two], ['1 reply codec=messagePack', two]], 2],
    [[['1 reply codec=json', two]], 'ERR_INVALID_PAYLOAD'],
    [[['1 reply codec=messagePack', Buffer.of(0xc1)]], 'ERR_INVALID_PAYLOAD'],
    [[['1 error', two]], 'ERR_INVALID_PAYLOAD'],
    [[['1 error', Buffer.of(0xc1)]], 'ERR_INVALID_PAYLOAD'],
    [[['1 error', messagePack.encode({ code: [], message: 7, cause: 1, errors: 'x' })]], 'ERR_HANDLER'],
  ]
  for (const [sent, expected] of outcomes) {
    answers = sent
    const outcome = client.request(Echo, 1).catch((error: IpcError) => error.code)
    t.is(await outcome, expected as never, sent[0][0])
  }
  await client.close()
})

test('an error that cannot be sent as it is keeps its code and message', (t) => {
  const data = { code: 'E_ODD', self: () => 1 }
  t.like(decodeError(encodeError(Object.assign(new Error('odd'), data), 1e6)), {
    ...{ message: 'odd', code: 'E_ODD' },
  })
  const long = Object.assign(new Error('x'.repeat(5_000)), { code: 'E_LONG' })
  const short = decodeError(encodeError(long, 600)) as IpcError
  t.like(short, { message: 'x'.repeat(200), code: 'E_LONG' })
  let deep: Error | undefined
  for (let at = 0; at < 100; at++) deep = new Error(String(at), { cause: deep })
  let depth = 0
  for (let error = decodeError(encodeError(deep, 1e6)) as { cause?: any }; error.cause; depth++) {
    error = error.cause
  }
  t.is(depth, 8)
  t.like(decodeError(encodeError('a text', 1e6)), { message: 'a text' })
})

test('a method that is not exported cannot be called', async (t) => {
  t.is(await client.request(Waited, 'none'), null)
  const { answers } = send(callSubject('test', 'site', 'secret'), '1 call codec=messagePack')
  await until('nobody is there', () => answers.length > 0)
  t.is(answers[0].headers!.code, 503)
})
