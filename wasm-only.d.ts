// The main entry on the core in WebAssembly, whatever the platform: for bundles without an addon.
export * from './index.js'
