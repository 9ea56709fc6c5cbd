// The benchmark runner, with all that can be measured in the repository:
//
//   npm run bench -- [suite ...] [options]   -h names them
//   npm run bench -- --against <commit>      this tree beside another, in 20 runs of all processes

import { parseArgs } from 'node:util'
import './setup.mjs'
import { setUpPeers } from './peers.mjs'
import { become } from './step.mjs'
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
  if (await isMeant()) await build()
  await become('dist/benches/cli/main.mjs', 'bench', ...words)
}

/** Whether something will be measured: neither help nor a mistake is worth a build. */
async function isMeant() {
  const { read } = await import('../dist/benches/cli/bench.mjs')
  try {
    return read(words) !== null
  } catch {
    return false
  }
}

async function build() {
  await buildWorker()
  const peers = values.peers ?? (values.quick ? 'builtin' : 'all')
  if (!['builtin', 'none'].includes(peers)) await setUpPeers()
}
