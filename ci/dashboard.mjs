// Builds and tests the example examples/dashboard, in a real browser:
//
//   node ci/dashboard.mjs [--built] [--long]
//
// `--built`: the producer is built already.

import { findChromium } from './chromium.mjs'
import './setup.mjs'
import { become, step } from './step.mjs'

const words = process.argv.slice(2)
process.env.CHROMIUM = findChromium('The test of the dashboard')
if (!words.includes('--built')) {
  const build = ['build', '--profile', 'ci', '--package', 'dashboard-producer']
  await step('building the producer', 'cargo', build)
}
await become('examples/dashboard/test.mjs', ...words.filter((word) => word !== '--built'))
