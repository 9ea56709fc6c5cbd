export * from './wasm-only.js'
