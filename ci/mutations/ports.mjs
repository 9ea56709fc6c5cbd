// Faults in what carries values and ports between programs in Node.js.

const CLONE = { by: '94-structured-clone' }

const PORTS = { by: '95-messageport' }

export const PORT_FAULTS = [
  {
    ...CLONE,
    what: 'clone: where there is no serializer, the error does not say so',
    file: 'ts/values/clone.ts',
    from: '    throw new Refusal(said(error), error)',
    to: '    throw error',
  },
  {
    ...CLONE,
    what: 'clone: lists may claim to be of any length',
    file: 'ts/values/clone-format.ts',
    from: 'if (partsLeft >= 0) return',
    to: 'return',
  },
  {
    ...CLONE,
    what: 'clone: an error does not say where the reason is',
    file: 'ts/values/clone.ts',
    from: 'throw refusalIn(value, error, stand)',
    to: 'throw refused(value, error)',
  },
  {
    ...PORTS,
    what: 'ports: any number of bytes may wait',
    file: 'ts/messageport/outgoing.ts',
    from: 'bytes <= this.#bytesMax) return',
    to: 'bytes >= 0) return',
  },
  {
    ...PORTS,
    what: 'ports: an open one keeps the process alive',
    file: 'ts/messageport/transfers.ts',
    from: 'params, { keepsAlive: false }',
    to: 'params',
  },
  {
    ...PORTS,
    what: 'ports: ports that travel over a relayed port are not ports of Node.js',
    file: 'ts/messageport/transfers.ts',
    from: 'return port1\n',
    to: 'return this.fetch(number)\n',
  },
  {
    ...PORTS,
    what: 'ports: one that is offered and never fetched stays open',
    file: 'ts/messageport/transfers.ts',
    from: 'offer.owner === owner',
    to: 'offer.owner !== owner',
  },
  {
    ...PORTS,
    what: 'ports: the other side is not asked to read what was posted',
    file: 'ts/messageport/message-port.ts',
    from: 'this.#outgoing.push(CLOSE)\n',
    to: '\n',
  },
  {
    ...PORTS,
    what: 'ports: a process that ends by itself does not close them',
    file: 'ts/messageport/message-port.ts',
    from: 'for (const port of open) port.close()',
    to: '',
  },
  {
    ...PORTS,
    what: 'ports: one without listeners is not told that the other process is gone',
    file: 'ts/messageport/message-port.ts',
    from: 'if (!this.#isStarted) this.#over(reason)',
    to: 'void reason',
  },
  {
    ...PORTS,
    what: 'ports: transferred memory stays',
    file: 'ts/messageport/transfer-list.ts',
    from: '[...this.#buffers, ...ports]',
    to: '[...ports]',
  },
]
