// Builds and tests the example examples/ai-backend: node ci/ai-backend.mjs

import './setup.mjs'
import { become, step } from './step.mjs'

const build = ['build', '--profile', 'ci', '--package', 'ai-backend']
await step('building the backend', 'cargo', build)
await become('examples/ai-backend/test.mjs')
