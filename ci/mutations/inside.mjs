// Faults in what lets programs see inside: counters, channels, spans. `by` names what has to catch each:
// one of CHECKS in ci/mutations.mjs, or a file of `__test__`.

const WATCHED = { file: 'ts/connection/watched.ts', by: '41-diagnostics' }

const SPANS = { file: 'ts/opentelemetry.ts', by: '42-opentelemetry' }

const COUNTERS = { by: '43-counters' }

const METRICS = { by: '44-prometheus' }

const HEALTH = { file: 'ts/health.ts', by: '45-health' }

export const INSIDE = [
  {
    what: 'latency: a bucket more for each power of two',
    file: 'crates/ipc-core/src/latency.rs',
    from: 'saturating_sub(STEP_BITS + 1);',
    to: 'saturating_sub(STEP_BITS);',
    by: 'unit',
  },
  {
    what: 'latency: a percentile is one request too early',
    file: 'crates/ipc-core/src/latency.rs',
    from: 'rank > 0 && below >= rank',
    to: 'rank > 0 && below + 1 >= rank',
    by: 'unit',
  },
  {
    what: 'latency: what is merged loses its maximum',
    file: 'crates/ipc-core/src/latency.rs',
    from: 'self.max_ns = self.max_ns.max(other.max_ns);',
    to: '',
    by: 'unit',
  },
  {
    what: 'latency: a stream counts as a request',
    file: 'crates/ipc-core/src/session/mod.rs',
    from: 'if draft.window.is_none() {\n                    self.requests',
    to: 'if true {\n                    self.requests',
    by: 'session',
  },
  {
    what: 'latency: the time of an earlier request in the slot is kept',
    file: 'crates/ipc-core/src/session/slots.rs',
    from: 'accepts_packed, deadline, ..UNUSED };',
    to: 'accepts_packed, deadline, sent_at: slot.sent_at };',
    by: 'session',
  },
  {
    what: 'counters: pads of a ring count as bytes that were sent',
    file: 'crates/ipc-core/src/ring/producer.rs',
    from: 'self.padded += padding as u64;',
    to: '',
    by: '43-counters',
  },
  {
    what: 'counters: pads of a ring count as bytes that were received',
    file: 'crates/ipc-core/src/ring/consumer.rs',
    from: 'self.padded = self.padded.wrapping_add(len);',
    to: '',
    by: '43-counters',
  },
  {
    what: 'counters: a server of tokio forgets a connection that has ended',
    file: 'crates/ringpost/src/tokio/host.rs',
    from: 'group.ended.add(&totals);',
    to: 'let _ = (group, totals);',
    by: 'tokio_api',
  },
  {
    what: 'spans: a handler is not run within its span',
    file: 'crates/ringpost/src/tokio/job.rs',
    from: 'span.within(|| handling.as_mut().poll(context))',
    to: 'handling.as_mut().poll(context)',
    by: 'spans',
  },
  {
    what: 'context: what takes items has the context of their arrival',
    file: 'ts/connection/flow.ts',
    from: 'take: withinContext(take)',
    to: 'take',
    by: '40-async-context',
  },
  {
    ...WATCHED,
    what: 'channels: a traceparent that was set is not sent',
    from: 'return message.traceparent',
    to: 'return traceparent',
  },
  {
    ...WATCHED,
    what: 'channels: a request that fails is not published as such',
    from: '    requests.fail(message, error)\n    throw error\n  }\n  requests.end(message)\n  return result\n}\n\nexport function watchedSync',
    to: '    throw error\n  }\n  requests.end(message)\n  return result\n}\n\nexport function watchedSync',
  },
  {
    ...WATCHED,
    what: 'channels: a handler that was cancelled ends twice',
    from: '    if (isOver) return\n    isOver = true\n',
    to: '    isOver = !isOver\n',
  },
  {
    ...WATCHED,
    what: 'channels: a handler that never answers never ends',
    from: 'onAbort(signal, () => once(() => handlings.fail(message, signal.reason)))',
    to: 'onAbort(signal, () => {})',
  },
  {
    what: 'channels: what a subscriber sends takes the place of the event it is told of',
    file: 'ts/connection/sends.ts',
    from: 'bytes = new Uint8Array(bytes)',
    to: '',
    by: '41-diagnostics',
  },
  {
    what: 'channels: what is bound to the start of a handler is not its store',
    file: 'ts/values/diagnostics.ts',
    from: 'this.#start.runStores(message, () => message.run(work))',
    to: '(this.#start.publish(message), message.run(work))',
    by: '40-async-context',
  },
  {
    ...SPANS,
    what: 'spans: the span of a handler is not active in it',
    from: 'message.around((work) => context.with(own, work))',
    to: '',
  },
  {
    ...SPANS,
    what: 'spans: the parent in the other process is not taken over',
    from: 'const parent = within(context.active(), message.traceparent)',
    to: 'const parent = context.active()',
  },
  {
    ...SPANS,
    what: 'spans: a failure has no status',
    from: 'span.setStatus(',
    to: 'void (',
  },
  {
    ...COUNTERS,
    what: 'counters: a server forgets connections that have ended',
    file: 'ts/connection/sums.ts',
    from: '    this.#ended.add(this.#engine, connection.link)\n',
    to: '',
  },
  {
    ...COUNTERS,
    what: 'counters: codes that a peer makes up are counted without a bound',
    file: 'ts/connection/counters.ts',
    from: 'this.#known.size < CODES_MAX',
    to: 'true',
  },
  {
    what: 'counters: what is sent is counted in another lane',
    file: 'crates/ipc-core/src/session/mod.rs',
    from: 'self.counters.sent.count(draft.kind, draft.lane);',
    to: 'self.counters.sent.count(draft.kind, Lane::Normal);',
    by: 'session',
  },
  {
    what: 'latency: what is exported is cut a bucket too late',
    file: 'crates/ipc-core/src/latency.rs',
    from: 'self.buckets[..edge]',
    to: 'self.buckets[..=edge]',
    by: 'unit',
  },
  {
    what: 'metrics: requests are reported to a recorder more than once',
    file: 'crates/ringpost/src/tokio/reporter.rs',
    from: '*reported = count;',
    to: '',
    by: 'metrics',
  },
  {
    ...METRICS,
    what: 'metrics: what a session has counted is gone with it',
    file: 'ts/client/client.ts',
    from: '    this.#sums.ended(session)\n',
    to: '    this.#sums.open.delete(session)\n',
  },
  {
    ...METRICS,
    what: 'metrics: each method has a series, however many there are',
    file: 'ts/prometheus.ts',
    from: 'this.#methods.size < METHODS_MAX',
    to: 'true',
  },
  {
    ...METRICS,
    what: 'metrics: they stay in the registry without any object',
    file: 'ts/prometheus.ts',
    from: 'if (this.#sources.size > 0) return',
    to: 'return',
  },
  {
    ...HEALTH,
    what: 'health: any Host is answered',
    from: 'isAtPort && !LOOPBACK',
    to: 'false && !LOOPBACK',
  },
  {
    ...HEALTH,
    what: 'health: a check that hangs is called again and again',
    from: 'this.#running ??= this.#run()',
    to: 'this.#running = this.#run()',
  },
  {
    ...HEALTH,
    what: 'health: any user may connect to the socket',
    from: 'chmodSync(made, 0o600)',
    to: 'chmodSync(made, 0o666)',
  },
  {
    ...HEALTH,
    what: 'health: connections keep the process alive',
    from: 'void socket.unref()',
    to: 'void socket',
  },
  {
    what: 'health: a server that drains says that it takes clients',
    file: 'ts/api/server.ts',
    from: ' && this.#closing === undefined\n',
    to: '\n',
    by: '45-health',
  },
  {
    ...COUNTERS,
    what: 'counters: those of a connection are gone with it',
    file: 'ts/connection/connection.ts',
    from: 'linkCounters(this.#last?.stats() ?? ',
    to: 'linkCounters(',
  },
  {
    ...COUNTERS,
    what: 'counters: a request that was not answered counts as one that took long',
    file: 'ts/connection/timed-caller.ts',
    from: 'if (isAnswered) this',
    to: 'this',
  },
]
