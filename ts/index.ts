// What the package exports; index.d.ts is the contract.

export { toDuplex, toReadableStream } from './adapters.js'
export { connect } from './client.js'
export { bytes, json, messagePack } from './codec.js'
export { event, method, stream } from './contract.js'
export { IpcError } from './errors.js'
export { createServer } from './server.js'
export { configure } from './thread.js'
