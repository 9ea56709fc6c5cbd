// What the package exports; index.d.ts is the contract.

export { toDuplex, toReadableStream } from './api/adapters.js'
export { connect } from './api/connect.js'
export { createPool } from './api/pool.js'
export { bytes, json, messagePack } from './values/codec.js'
export { event, method, stream } from './values/contract.js'
export { IpcError } from './values/errors.js'
export { createServer } from './api/server.js'
export { configure } from './api/configure.js'
