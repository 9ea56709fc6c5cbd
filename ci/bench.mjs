// The benchmark runner in the repository, with all that can be measured here:
//
//   npm run bench -- [what `ringpost bench --help` names]
//   npm run bench -- --against <commit>     this tree beside another, in 20 lives of all processes

import { parseArgs } from 'node:util'
import './setup.mjs'
import { setUpPeers } from './peers.mjs'
import { become, step } from './step.mjs'

const { values } = parseArgs({
  strict: false,
  options: { against: { type: 'string' }, quick: { type: 'boolean' }, peers: { type: 'string' } },
})
if (values.against !== undefined) {
  await become('ci/perf-gate.mjs', '--base', values.against, '--lives', '20')
} else {
  const cargo = ['build', '--release', '--locked', '--package', 'ringpost-bench']
  await step('building the Rust half of the runner', 'cargo', cargo)
  const builtIn = ['builtin', 'none'].includes(values.peers ?? (values.quick ? 'builtin' : 'all'))
  if (!builtIn && !values.help) await setUpPeers()
  await become('dist/cli/main.mjs', 'bench', ...process.argv.slice(2))
}
