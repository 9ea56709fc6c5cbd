// The long benchmark: npm run bench [-- --json <file>] [-- --against <commit>]
//
// With --against, that commit is built in a folder of its own and measured beside this tree, turn by
// turn.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import './setup.mjs'
import { ROOT, giveUp, step } from './step.mjs'

const { values } = parseArgs({
  options: {
    against: { type: 'string' },
    json: { type: 'string' },
    turns: { type: 'string' },
    ms: { type: 'string' },
  },
})
const { against, ...passed } = values
const args = Object.entries(passed).flatMap(([name, value]) => [`--${name}`, value])
const measured = against === undefined ? ['--full', '--rust', await rust()] : ['--against', await base()]
await step('measuring', process.execPath, ['dist/benches/main.mjs', ...measured, ...args], {
  loud: true,
})

/** The Rust rows' program. */
async function rust() {
  const cargo = ['bench', '--package', 'ipc-core', '--bench', 'pair', '--no-run']
  await step('building the Rust rows', 'cargo', cargo)
  const lines = execFileSync('cargo', [...cargo, '--message-format', 'json'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const built = lines.split('\n').filter(Boolean).map((line) => JSON.parse(line))
  return built.find(({ target, executable }) => executable && target.name === 'pair').executable
}

/** A built tree of the commit to compare with. */
async function base() {
  const git = (...words) => execFileSync('git', words, { cwd: ROOT, encoding: 'utf8' }).trim()
  let commit
  try {
    commit = git('rev-parse', '--verify', '--quiet', `${against}^{commit}`)
  } catch {
    giveUp(`There is no commit ${against}.`)
  }
  const folder = join(ROOT, '.cache', 'against', commit)
  if (!existsSync(folder)) {
    git('worktree', 'prune')
    git('worktree', 'add', '--detach', folder, commit)
  }
  await step(`building ${commit.slice(0, 7)}`, process.execPath, ['ci/setup.mjs'], { cwd: folder })
  return folder
}
