// One module, whichever way it is imported: two copies would be two engines.
import ringpost from './dist/ts/index.js'

export const {
  IpcError,
  bytes,
  configure,
  connect,
  createPool,
  createServer,
  event,
  json,
  messagePack,
  method,
  stream,
  toDuplex,
  toReadableStream,
} = ringpost
