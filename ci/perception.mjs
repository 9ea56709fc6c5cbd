// Builds and tests the example examples/perception:
//
//   node ci/perception.mjs [--long]   in Rust and TypeScript
//   node ci/perception.mjs --pairs    each producer with each API

import './setup.mjs'
import { become, step } from './step.mjs'

const build = ['build', '--profile', 'ci', '--package', 'perception-producer', '--bins', '--examples']
await step('building the producer', 'cargo', build)
const words = process.argv.slice(2)
if (words.includes('--pairs')) {
  await step('building the producer in C', process.execPath, ['ci/c.mjs', 'perception'])
  await step('setting Python up', process.execPath, ['ci/python.mjs', '--only-environment'])
  await become('examples/perception/test/pairs.mjs')
} else {
  await become('examples/perception/test.mjs', ...words)
}
