// The benchmark runner, with all that can be measured in the repository:
//
//   npm run bench -- [suite ...] [options]   -h names them
//   npm run bench -- --against <commit>      this tree beside another, in 20 runs of all processes

import { parseArgs } from 'node:util'
import './setup.mjs'
import { setUpPeers } from './peers.mjs'
import { become, step } from './step.mjs'
import { buildWorker } from './worker.mjs'

const words = process.argv.slice(2)
const { values } = parseArgs({
  args: words,
  strict: false,
  options: {
    against: { type: 'string' },
    peers: { type: 'string' },
    quick: { type: 'boolean' },
  },
})
if (values.against !== undefined) {
  await become('ci/perf-gate.mjs', '--base', values.against, '--runs', '20')
} else {
  const plan = await meant()
  if (plan !== null) await build(plan)
  await become('dist/benches/cli/main.mjs', 'bench', ...words)
}

/** What will be measured, if anything: neither help nor a mistake is worth a build. */
async function meant() {
  const { read } = await import('../dist/benches/cli/bench.mjs')
  try {
    return read(words)?.plan ?? null
  } catch {
    return null
  }
}

async function build({ suites }) {
  await buildWorker()
  if (suites.includes('scenarios')) await buildExamples()
  const peers = values.peers ?? (values.quick ? 'builtin' : 'all')
  if (!['builtin', 'none'].includes(peers)) await setUpPeers()
}

/** What the scenarios of some examples measure. */
async function buildExamples() {
  const packages = ['perception-producer', 'dashboard-producer', 'audio-synth', 'ai-backend']
  const cargo = ['build', '--release', '--locked', ...packages.flatMap((name) => ['--package', name])]
  await step('building what is in Rust of the examples', 'cargo', cargo)
}
