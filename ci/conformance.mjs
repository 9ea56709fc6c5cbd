// The conformance suite with all that it needs: node ci/conformance.mjs [what its runner is told]

import './setup.mjs'
import { become, step } from './step.mjs'

await step('building the test peer in Rust', 'cargo', [
  ...['build', '--profile', 'ci', '--package', 'test-peer'],
])
await become('dist/conformance/run.mjs', ...process.argv.slice(2))
