// The conformance suite with all that it needs: node ci/conformance.mjs [what its runner is told]

import './setup.mjs'
import { become, step } from './step.mjs'

const agent = ['--package', 'ipc-core', '--example', 'agent', '--all-features']
await step('building the agent in Rust', 'cargo', ['build', '--profile', 'ci', ...agent])
await become('dist/conformance/run.mjs', ...process.argv.slice(2))
