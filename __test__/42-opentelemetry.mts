// Spans of OpenTelemetry across two processes, made by the real SDK in both.

import { context, SpanKind, trace as api } from '@opentelemetry/api'
import { channel } from 'node:diagnostics_channel'
import test, { type ExecutionContext } from 'ava'
import { event, type Client } from 'ringpost'
import { Numbers, type Told } from './helpers/inside.mjs'
import { inside } from './helpers/look-inside.mjs'
import { until } from './helpers/program.mjs'
import { trace } from './programs/spans.mjs'

const tracing = trace()
const tracer = api.getTracer('test')

/** Runs something within a span of ours. Returns the spans of both sides but for that. */
async function within(client: Client, work: () => unknown) {
  tracing.taken()
  await client.request('spans')
  tracing.taken()
  const root = tracer.startSpan('root')
  await context.with(api.setSpan(context.active(), root), work)
  root.end()
  const { traceId, spanId } = root.spanContext()
  let there: Told[] = []
  const here = tracing.taken().filter(({ name }) => name !== 'root')
  await until('the handlers of all have ended', async () => {
    there.push(...(await client.request<void, Told[]>('spans')))
    there = there.filter(({ name }) => name !== 'spans')
    return there.length >= here.filter(({ kind }) => kind !== SpanKind.SERVER).length
  })
  return { traceId, root: spanId, here, there }
}

/** The server has a span whose parent is the caller's, in the same trace. */
function related(t: ExecutionContext, caller: Told, handler: Told): void {
  t.is(handler.parentId, caller.spanId)
  t.is(handler.traceId, caller.traceId)
  t.is(handler.name, caller.name)
}

test.serial('the span of a handler is the child of the span of its request', async (t) => {
  const { client } = await inside(t, true)
  const found = await within(client, () => client.request('see later'))
  const [caller] = found.here
  const [handler] = found.there
  related(t, caller, handler)
  t.is(caller.parentId, found.root)
  t.is(caller.traceId, found.traceId)
  t.is(caller.kind, SpanKind.CLIENT)
  t.is(handler.kind, SpanKind.SERVER)
  t.like(caller.attributes, {
    'rpc.system': 'ringpost',
    'rpc.method': 'see later',
    'ringpost.kind': 'method',
    'ringpost.lane': 'normal',
    'ringpost.peer.pid': client.peer.pid,
  })
  t.is(handler.attributes['ringpost.peer.pid'], process.pid)
  t.false(caller.failed || handler.failed)
})

test.serial('a synchronous request has its span, too', async (t) => {
  const { client } = await inside(t, true)
  const { here, there, root } = await within(client, () => client.requestSync('see'))
  related(t, here[0], there[0])
  t.is(here[0].parentId, root)
})

test.serial('a request made in a handler is a child of the span of the handler', async (t) => {
  const { client } = await inside(t, true)
  client.handle('mine', () => 'mine')
  const { here, there, root, traceId } = await within(client, () => client.request('back', 'mine'))
  const find = (spans: Told[], kind: SpanKind) => spans.find((one) => one.kind === kind)!
  const [asked, answered] = [find(here, SpanKind.CLIENT), find(here, SpanKind.SERVER)]
  const [handled, askedBack] = [find(there, SpanKind.SERVER), find(there, SpanKind.CLIENT)]
  t.is(asked.parentId, root)
  related(t, asked, handled)
  t.is(askedBack.parentId, handled.spanId)
  related(t, askedBack, answered)
  t.is(answered.traceId, traceId)
})

test.serial('a failure has its exception, its code and its status on both sides', async (t) => {
  const { client } = await inside(t, true)
  for (const [method, code, message] of [
    ['fail', 'E_MINE', 'no way'],
    ['reject', 'TypeError', 'no way either'],
  ]) {
    const { here, there } = await within(client, () => t.throwsAsync(client.request(method)))
    related(t, here[0], there[0])
    t.is(there[0].attributes['error.type'], code)
    for (const span of [here[0], there[0]]) t.like(span, { failed: true, message, exceptions: 1 })
  }
  const late = await within(client, () => {
    return t.throwsAsync(client.request('never', 0, { timeoutMs: 50 }), { code: 'ERR_TIMEOUT' })
  })
  t.is(late.here[0].attributes['error.type'], 'ERR_TIMEOUT')
  t.is(late.there[0].attributes['error.type'], 'ERR_CANCELLED')
})

test.serial('a stream has a span from its request to its result', async (t) => {
  const { client } = await inside(t, true)
  const { here, there, root } = await within(client, () => client.stream(Numbers, 3).result)
  t.is(here[0].parentId, root)
  related(t, here[0], there[0])
  t.is(here[0].attributes['ringpost.kind'], 'stream')
  const failed = await within(client, () => t.throwsAsync(client.stream(Numbers, -1).result))
  t.is(failed.here[0].attributes['error.type'], 'E_NEGATIVE')
  t.true(failed.there[0].failed)
})

test.serial('an event is produced here and consumed there', async (t) => {
  const { client } = await inside(t, true)
  const { here, there, root } = await within(client, () => client.notify(event('seen')))
  t.is(here[0].kind, SpanKind.PRODUCER)
  t.is(here[0].parentId, root)
  t.is(there[0].kind, SpanKind.CONSUMER)
  related(t, here[0], there[0])
})

test.serial('without a span that is active, the traceparent of the options is the parent', async (t) => {
  const { client } = await inside(t, true)
  await client.request('spans')
  tracing.taken()
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  await client.request('see', undefined, { traceparent })
  const [span] = tracing.taken()
  t.is(span.traceId, '0af7651916cd43dd8448eb211c80319c')
  t.is(span.parentId, 'b7ad6b7169203331')
})

test.serial('disposed of, it makes no more spans and ends those that are open', async (t) => {
  const { client } = await inside(t, true)
  tracing.taken()
  const open = client.request('never')
  tracing.instrumentation.dispose()
  tracing.instrumentation.dispose()
  t.deepEqual(tracing.taken().map(({ name }) => name), ['never'])
  await client.request('see')
  t.deepEqual(tracing.taken(), [])
  t.false(channel('ringpost:request:start').hasSubscribers)
  open.catch(() => {})
})
