// Builds the core in WebAssembly, and tests it: with programs of its own kind and with others, and by
// the conformance suite.

import './setup.mjs'
import { step } from './step.mjs'
import { makeModule } from './wasm.mjs'

await makeModule()
const files = ['81-wasm-module', '95-loader', '96-bundle', '97-wasm']
const tests = files.map((file) => `dist/__test__/${file}.mjs`)
await step('the core in WebAssembly', 'npx', ['--no-install', 'ava', ...tests])
const profile = ['--profile', 'ci', '--package', 'test-peer']
await step('building the test peer in Rust', 'cargo', ['build', ...profile])
const suite = ['dist/conformance/run.mjs', '--core', 'wasm']
await step('conformance', process.execPath, suite, { loud: true })
