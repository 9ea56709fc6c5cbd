export * from './jsonrpc.js'
