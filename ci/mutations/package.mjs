// Faults in the npm package and in the runner, each planted alone: `by` names the file of
// `__test__` that has to catch it.

const FLOW = { file: 'ts/connection/flow.ts', by: '27-flow' }

const WAIT = { file: 'ts/connection/wait.ts', by: '27-flow' }

const ALIKE = { file: 'crates/ipc-node/src/outbox.rs', by: '30-one-way' }

const DEFERRED = { file: 'crates/ipc-node/src/outbox.rs', by: '37-deferred-sends' }

const LOADER = { file: 'native/binding.js', by: '95-loader' }

const PACK = { file: 'ci/pack.mjs', by: '95-tarball' }

export const PACKAGE = [
  {
    ...LOADER,
    what: 'loader: every program is taken for one with glibc',
    from: "loader === 'musl' ? 'musl' : 'gnu'",
    to: "'gnu'",
  },
  {
    ...LOADER,
    what: 'loader: a program that does not name its loader is taken for one with glibc',
    from: "glibcVersionRuntime ? 'gnu' : 'musl'",
    to: "report ? 'gnu' : 'musl'",
  },
  {
    ...LOADER,
    what: 'loader: what is beside it is not looked at',
    from: 'beside(target) ?? packaged(target)',
    to: 'packaged(target)',
  },
  {
    ...LOADER,
    what: 'loader: addons that are disabled are said to be broken',
    from: "cause.code === 'ERR_DLOPEN_DISABLED'",
    to: 'cause === undefined',
  },
  {
    ...PACK,
    what: 'pack: an addon may need any glibc',
    from: "libc === 'glibc' && isNewer(needed, GLIBC_MAX)",
    to: 'isNewer(needed, [9, 0])',
  },
  {
    ...PACK,
    what: 'pack: an addon may be for any processor',
    from: 'file.readUInt16LE(18) !== machine',
    to: 'machine === 0',
  },
  {
    ...DEFERRED,
    what: 'deferred sends: a payload is copied',
    from: '                is_outside\n                    && waits',
    to: '                false\n                    && waits',
  },
  {
    ...ALIKE,
    what: 'outbox: a run goes on over another name',
    from: '            && fields.word(OUT_CODE) == self.code\n',
    to: '',
  },
  {
    ...ALIKE,
    what: 'outbox: a run goes on over another lane',
    from: '            && fields.word(OUT_HEAD) == self.head\n',
    to: '',
  },
  {
    ...ALIKE,
    what: 'outbox: a run goes on over a message whose outcome is awaited',
    from: 'fields.id() == self.id;',
    to: 'fields.id() == self.id || true;',
  },
  {
    what: 'inbox: a view of another payload in the same place is given out',
    file: 'ts/runtime/inbox.ts',
    from: ' && this.#starts[place] === start',
    to: '',
    by: '30-one-way',
  },
  {
    ...FLOW,
    what: 'flow: what was read is not given back',
    from: 'this.#consumed += cost\n',
    to: 'this.#consumed += 0 * cost\n',
  },
  {
    ...FLOW,
    what: 'flow: more is given back than was read',
    from: 'this.#consumed = 0\n',
    to: 'this.#consumed = cost\n',
  },
  {
    ...FLOW,
    what: 'flow: what was given back is given back again',
    from: '    this.#consumed = 0\n  }\n}',
    to: '  }\n}',
  },
  {
    ...FLOW,
    what: 'flow: an item costs nothing but its bytes',
    from: '(length + ITEM_OVERHEAD + 7) & ~7',
    to: 'length',
  },
  {
    ...FLOW,
    what: 'flow: what was taken together is not given back',
    from: 'else this.#done(cost)\n    }',
    to: 'else this.#done(0)\n    }',
  },
  {
    ...FLOW,
    what: 'flow: what was taken asynchronously is not given back',
    from: '        this.#done(cost)\n        this.#give(taker)',
    to: '        this.#give(taker)',
  },
  {
    ...FLOW,
    what: 'flow: what was taken asynchronously is given back before it is done with',
    from: 'if (result !== undefined) this.#await(taker, result, cost)\n      else this.#done(cost)',
    to: 'this.#done(cost)\n      if (result !== undefined) this.#await(taker, result, 0)',
  },
  {
    ...FLOW,
    what: 'flow: credit is given for every item',
    from: 'this.#consumed >= window / GRANTS_PER_WINDOW',
    to: 'this.#consumed > 0',
  },
  {
    ...FLOW,
    what: 'flow: credit is given when a whole window was read, and not in parts',
    from: 'this.#consumed >= window / GRANTS_PER_WINDOW',
    to: 'this.#consumed >= window',
  },
  {
    ...FLOW,
    what: 'flow: a view that will be used again is handed to a taker that was at work',
    from: 'this.#taker?.borrowed === true && !this.#busy',
    to: 'this.#taker?.borrowed === true',
  },
  {
    ...FLOW,
    what: 'flow: views are borrowed for those who did not ask for that',
    from: 'this.#taker?.borrowed === true && !this.#busy',
    to: 'this.#taker !== undefined && !this.#busy',
  },
  {
    ...FLOW,
    what: 'flow: a taker is called again while it is at work',
    from: 'while (!this.#busy && this.#items',
    to: 'while (this.#items',
  },
  {
    ...FLOW,
    what: 'flow: what came while a taker was at work stays there',
    from: '        this.#done(cost)\n        this.#give(taker)',
    to: '        this.#done(cost)',
  },
  {
    ...FLOW,
    what: 'flow: taking is over before the last items were taken',
    from: 'if (this.#busy || this.#end === undefined || this.#items.length > 0) return',
    to: 'if (this.#end === undefined || this.#items.length > 0) return',
  },
  {
    ...FLOW,
    what: 'flow: readiness ignores what waits in private memory',
    from: 'this.#sent < this.#granted && link.queued(lane) === 0',
    to: 'this.#sent < this.#granted',
  },
  {
    ...FLOW,
    what: 'flow: readiness ignores credit',
    from: 'this.#sent < this.#granted && link.queued(lane) === 0',
    to: 'link.queued(lane) === 0',
  },
  {
    ...FLOW,
    what: 'flow: more is written than there is credit for',
    from: 'if (this.#sent >= this.#granted) throw tooMany()\n',
    to: '',
  },
  {
    ...FLOW,
    what: 'flow: what is written takes no credit',
    from: 'this.#sent += itemCost(length)\n',
    to: '',
  },
  {
    ...FLOW,
    what: 'flow: an error is told to everyone who asks',
    from: '    this.#end = { error: undefined }\n    reject(error)',
    to: '    reject(error)',
  },
  {
    ...FLOW,
    what: 'flow: an error is told before the items in front of it',
    from: 'if (this.#items.length > 0) return resolve({ value: this.#shift(), done: false })\n    const { error }',
    to: 'if (this.#end?.error === undefined && this.#items.length > 0) return resolve({ value: this.#shift(), done: false })\n    const { error }',
  },
  {
    ...FLOW,
    what: 'flow: of two ends the last holds',
    from: 'if (this.#end !== undefined) return\n    this.#end = { error }',
    to: 'this.#end = { error }',
  },
  {
    ...FLOW,
    what: 'flow: items come behind the end',
    from: 'if (this.#closed || this.#end !== undefined) return\n    const { codec',
    to: 'if (this.#closed) return\n    const { codec',
  },
  {
    ...FLOW,
    what: 'flow: a writer that waits no more stays in the list of those that do',
    from: 'if (this.#waiting === undefined || !this.isReady) return\n    this.#address.link.stalled.delete(this)',
    to: 'if (this.#waiting === undefined || !this.isReady) return',
  },
  {
    ...FLOW,
    what: 'flow: a writer that has ended stays in the list of those that wait',
    from: 'this.#end ??= reason\n    this.#address.link.stalled.delete(this)',
    to: 'this.#end ??= reason',
  },
  {
    ...WAIT,
    what: 'flow: of two who wait for room one is told',
    from: 'for (const waiter of this.#take()) waiter.resolve()',
    to: 'this.#take().at(-1)?.resolve()',
  },
  {
    ...WAIT,
    what: 'flow: who waits for room is not told of the end',
    from: 'for (const waiter of this.#take()) waiter.reject(reason)',
    to: 'this.#take()',
  },
  {
    ...FLOW,
    what: 'flow: the end is said twice',
    from: '    if (this.#end !== undefined) return\n    this.stop(reason)',
    to: '    this.stop(reason)',
  },
  {
    ...FLOW,
    what: 'flow: a batch is noticed as often as it has items',
    from: 'if (!this.#noticed) this.#notice()',
    to: 'this.#address.link.runtime.delivery.notice(this)',
  },
]
