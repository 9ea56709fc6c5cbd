// Builds and tests the example examples/audio: node ci/audio.mjs

import './setup.mjs'
import { become, step } from './step.mjs'

const build = ['build', '--profile', 'ci', '--package', 'audio-synth', '--bins', '--examples']
await step('building the audio process', 'cargo', build)
await become('examples/audio/test.mjs')
