// Builds the core in WebAssembly, and tests it: with programs of its own kind and with others, and by
// the conformance suite.

import './setup.mjs'
import { step } from './step.mjs'
import { makeModule } from './wasm.mjs'

await makeModule()
await step('the core in WebAssembly', 'npx', ['--no-install', 'ava', 'dist/__test__/97-wasm.mjs'])
const profile = ['--profile', 'ci', '--package', 'test-peer']
await step('building the test peer in Rust', 'cargo', ['build', ...profile])
const suite = ['dist/conformance/run.mjs', '--core', 'wasm']
await step('conformance', process.execPath, suite, { loud: true })
