// Faults in what outlives a session, each planted alone: `by` names what has to catch it, one of CHECKS in
// ci/mutations.mjs or a file of `__test__`.

const ASKING = { file: 'crates/ringpost/src/tokio/lasting.rs', by: 'tokio_api' }

const AWAY = { file: 'crates/ringpost/src/tokio/away.rs', by: 'tokio_parts' }

const MEMBERS = { file: 'crates/ringpost/src/tokio/pool/members.rs', by: 'tokio_parts' }

export const LASTING = [
  {
    what: 'lasting: a server that comes is not looked for',
    file: 'crates/ipc-core/src/engine/dialing.rs',
    from: '                dial.attempts = 0;\n                dial.next_at = now.get();\n',
    to: '',
    by: 'dialing',
  },
  {
    what: 'lasting: a refusal that will not change is tried again',
    file: 'crates/ipc-core/src/engine/dialing.rs',
    from: 'if !may_pass(code) ||',
    to: 'if false ||',
    by: '54-reconnect',
  },
  {
    what: 'lasting: what waits is sent in another order',
    file: 'ts/client/away.ts',
    from: 'return [...this.#waiting.keys()]',
    to: 'return [...this.#waiting.keys()].reverse()',
    by: '54-reconnect',
  },
  {
    what: 'lasting: what waits has no bound',
    file: 'ts/client/away.ts',
    from: 'if (this.#bytes + bytes <= this.#bytesMax) return',
    to: 'if (this.#bytesMax >= 0) return',
    by: '54-reconnect',
  },
  {
    what: 'lasting: every request is asked again',
    file: 'ts/client/lasting-request.ts',
    from: 'if (idempotent !== true || !isLoss(error))',
    to: 'if (!isLoss(error))',
    by: '54-reconnect',
  },
  {
    what: 'lasting: a request that is asked again starts with all of its time',
    file: 'ts/client/lasting-request.ts',
    from: 'Math.max(Math.ceil(this.#endsAt - this.#home.now()), 1)',
    to: 'this.#terms.timeoutMs',
    by: '54-reconnect',
  },
  {
    what: 'lasting: a stream begins again where it had begun',
    file: 'ts/client/lasting-stream.ts',
    from: 'this.#taken += stream.reader.count',
    to: 'this.#taken += 0',
    by: '54-reconnect',
  },
  {
    what: 'lasting: a client that was closed away connects again',
    file: 'ts/client/client.ts',
    from: '      this.#dialer.stop()\n      this.#end =',
    to: '      this.#end =',
    by: '54-reconnect',
  },
  {
    what: 'pool: a lease is shared',
    file: 'ts/client/pool.ts',
    from: 'member.isLeased = member.wasUsed = true',
    to: 'member.wasUsed = true',
    by: '55-pool',
  },
  {
    what: 'pool: a broken connection is not replaced',
    file: 'ts/client/pool.ts',
    from: '(at !== -1 || this.away.size > 0)',
    to: 'at > 1e9',
    by: '55-pool',
  },
  {
    what: 'pool: the busiest server is used',
    file: 'ts/client/pool-server.ts',
    from: 'byServer < 0',
    to: 'byServer > 0',
    by: '55-pool',
  },
  {
    what: 'pool: a lease that is forgotten is lost',
    file: 'ts/client/lease.ts',
    from: '  hasWarned = true\n  giveBack()',
    to: '  hasWarned = true',
    by: '55-pool',
  },
  {
    what: 'lasting: an idempotent request ends with its session',
    file: 'crates/ringpost/src/tokio/host.rs',
    from: 'if ending != Ending::PeerLost || !self.outlives(link, id) {',
    to: 'if true {',
    by: 'tokio_api',
  },
  {
    what: 'lasting: a client with one session has another',
    file: 'crates/ringpost/src/tokio/sessions.rs',
    from: 'had_one && self.config.reconnect',
    to: 'had_one',
    by: 'tokio_api',
  },
  {
    ...ASKING,
    what: 'lasting: a request that is sent again does not say so',
    from: 'lasting.was_sent.then_some(taken)',
    to: 'None.or((taken == u64::MAX).then_some(taken))',
  },
  {
    ...ASKING,
    what: 'lasting: a request that is sent again has all its time again',
    from: 'Draft { timeout, replayed, ..lasting.draft }',
    to: 'Draft { timeout: timeout.and(lasting.draft.timeout), replayed, ..lasting.draft }',
  },
  {
    ...ASKING,
    what: 'lasting: a stream is resumed at its beginning',
    from: 'map_or(0, |flow| flow.counts().0)',
    to: 'map_or(0, |_| 0)',
  },
  {
    ...ASKING,
    what: 'lasting: the end of an upload is forgotten while there is no session',
    from: 'if stream.is_finished {',
    to: 'if false {',
  },
  {
    ...ASKING,
    what: 'lasting: a dropped call goes on waiting',
    from: 'drop(client.map(|client| client.away.take(place)));',
    to: 'drop(client.map(|_| place));',
  },
  {
    ...AWAY,
    what: 'away: what waits is not bounded',
    from: 'if self.cost + cost > self.cost_max {',
    to: 'if false {',
  },
  {
    ...AWAY,
    what: 'away: what was taken out counts all the same',
    from: '        self.cost -= entry.cost;\n',
    to: '',
  },
  {
    ...AWAY,
    what: 'away: what is late stays',
    from: '(entry.deadline <= now).then_some(*place)',
    to: '(entry.deadline < now).then_some(*place)',
  },
  {
    ...MEMBERS,
    what: 'pool: a leased connection is shared',
    from: 'filter(|member| !member.is_leased)',
    to: 'filter(|_| true)',
  },
  {
    ...MEMBERS,
    what: 'pool: the busiest server is chosen as soon as any',
    from: '(!member.is_open, member.in_flight, servers[member.server].in_flight)',
    to: '(!member.is_open, member.in_flight)',
  },
  {
    ...MEMBERS,
    what: 'pool: the connection that was idle longest is leased',
    from: 'Reverse(member.idle_since)',
    to: 'member.idle_since',
  },
  {
    ...MEMBERS,
    what: 'pool: fewer are kept than there are to be',
    from: 'is_surplus && member.is_idle()',
    to: '(is_surplus || true) && member.is_idle()',
  },
  {
    what: 'pool: a stream does not count',
    file: 'crates/ringpost/src/tokio/pool/mod.rs',
    from: 'Ok(streaming.holding(used))',
    to: 'Ok(streaming)',
    by: 'tokio_api',
  },
  {
    what: 'pool: it closes what is in use',
    file: 'crates/ringpost/src/tokio/pool/shared.rs',
    from: 'if self.lock().members.iter().all(Member::is_idle) {',
    to: 'if true {',
    by: 'tokio_api',
  },
  {
    what: 'pool: a server that is not there is tried again at once',
    file: 'crates/ringpost/src/tokio/pool/members.rs',
    from: 'server.size < self.limits.max && server.retry_at <= now',
    to: 'server.size < self.limits.max',
    by: 'tokio_parts',
  },
]
