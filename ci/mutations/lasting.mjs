// Faults in what outlives a session, each planted alone: `by` names what has to catch it, one of CHECKS in
// ci/mutations.mjs or a file of `__test__`.

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
]
