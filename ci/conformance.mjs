// Builds and runs the conformance suite: node ci/conformance.mjs [options of its runner]

import './setup.mjs'
import { become, step } from './step.mjs'

const build = ['build', '--profile', 'ci', '--package', 'test-peer']
await step('building the Rust test peer', 'cargo', build)
await become('dist/conformance/run.mjs', ...process.argv.slice(2))
