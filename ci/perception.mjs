// Builds and tests the example examples/perception: node ci/perception.mjs [--long]

import './setup.mjs'
import { become, step } from './step.mjs'

const build = ['build', '--profile', 'ci', '--package', 'perception-producer', '--bins', '--examples']
await step('building the producer', 'cargo', build)
await become('examples/perception/test.mjs', ...process.argv.slice(2))
