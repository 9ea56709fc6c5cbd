// Faults in the transports of language servers.

const ENDS = { by: '96-jsonrpc-ends' }
const SITUATIONS = { by: '96-jsonrpc' }
const READER = { file: 'ts/jsonrpc/reader.ts', ...ENDS }
const WRITER = { file: 'ts/jsonrpc/writer.ts', ...ENDS }
const START = { file: 'ts/jsonrpc/start.ts', ...ENDS }

export const LANGUAGE_SERVERS = [
  {
    ...READER,
    what: 'language servers: what comes after the end is delivered',
    from: '      if (this.#isClosed) return\n      if (item',
    to: '      if (item',
  },
  {
    ...READER,
    what: 'language servers: the close is reported twice',
    from: '    if (this.#isClosed) return\n    this.#isClosed = true',
    to: '    this.#isClosed = true',
  },
  {
    ...READER,
    what: 'language servers: the loss of the other side is no error',
    from: 'if (!this.#isClosed) this.#errors',
    to: 'if (this.#isClosed) this.#errors',
  },
  {
    ...READER,
    what: 'language servers: a message that is no JSON ends the connection',
    from: '    try {\n      this.#callback?.(decode(item))\n    } catch (error) {',
    to: '    this.#callback?.(decode(item))\n    try {\n    } catch (error) {',
  },
  {
    ...WRITER,
    what: 'language servers: a writer does not wait for room',
    from: 'if (!items.write(payload)) await items.ready()',
    to: 'items.write(payload)',
  },
  {
    ...WRITER,
    what: 'language servers: what waits has no bound',
    from: 'if (this.#unsettled === 0 || ',
    to: 'if (true || ',
  },
  {
    ...WRITER,
    what: 'language servers: a message that is too long comes without advice',
    from: 'message + ADVICE',
    to: 'message',
  },
  {
    ...WRITER,
    what: 'language servers: a writer that is disposed closes at once',
    from: 'await written.then(channel.finish, () => {})',
    to: 'await channel.close()',
  },
  {
    ...WRITER,
    what: 'language servers: a writer that is disposed waits for ever',
    from: 'setTimeout(() => void channel.close(), LEAVE_MS)',
    to: 'setTimeout(() => {}, LEAVE_MS)',
  },
  {
    file: 'ts/jsonrpc/channel.ts',
    what: 'language servers: a connection stays although both sides have ended',
    from: 'if (++calls === 2) call()',
    to: 'calls++',
    ...ENDS,
  },
  {
    ...START,
    what: 'language servers: a process that stays is left alone',
    from: 'setTimeout(() => child.kill(), END_MS)',
    to: 'setTimeout(() => {}, END_MS)',
  },
  {
    ...START,
    what: 'language servers: anyone can connect in the place of a process',
    from: '{ ...terms, token, helloTimeoutMs }',
    to: '{ ...terms, helloTimeoutMs }',
  },
  {
    ...START,
    what: 'language servers: the end of a process is not noticed before it connects',
    from: "child.once('exit', (code, by) =>",
    to: "child.once('spawned', (code, by) =>",
  },
  {
    file: 'ts/jsonrpc/texts.ts',
    what: 'language servers: a text can be put in the place of anything',
    from: "  if (own(holder, last) !== '') throw new RangeError('there is something else')\n",
    to: '',
    ...ENDS,
  },
  {
    file: 'ts/jsonrpc/texts.ts',
    what: 'language servers: halves of pairs of surrogates are lost in long texts',
    from: ' && value.isWellFormed()',
    to: '',
    ...SITUATIONS,
  },
  {
    file: 'ts/jsonrpc/texts.ts',
    what: 'language servers: an object that has another form in JSON is sent as it is',
    from: "  if ('toJSON' in value) return false\n",
    to: '',
    ...SITUATIONS,
  },
  {
    file: 'ts/jsonrpc/message.ts',
    what: 'language servers: a mark at the start of a text is lost',
    from: ', ignoreBOM: true',
    to: '',
    ...SITUATIONS,
  },
]
