// Is this tree slower than a commit, or than what was recorded?
//
//   npm run gate -- --base <commit>        builds that commit in a folder of its own, and measures both
//   npm run gate -- --baseline <file>      and whatever else `ringpost gate --help` names

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import './setup.mjs'
import { ROOT, become, giveUp, step } from './step.mjs'

const words = process.argv.slice(2)
const at = words.indexOf('--base') + 1
if (at > 0 && !existsSync(join(words[at] ?? '', 'index.mjs'))) words[at] = await build(words[at])
await become('dist/cli/main.mjs', 'gate', ...words)

/** A built tree of a commit. */
async function build(name) {
  const git = (...words) => execFileSync('git', words, { cwd: ROOT, encoding: 'utf8' }).trim()
  let commit
  try {
    commit = git('rev-parse', '--verify', '--quiet', `${name}^{commit}`)
  } catch {
    giveUp(`There is no commit ${name}.`)
  }
  const folder = join(ROOT, '.cache', 'against', commit)
  if (!existsSync(folder)) {
    git('worktree', 'prune')
    git('worktree', 'add', '--detach', folder, commit)
  }
  await step(`building ${commit.slice(0, 7)}`, process.execPath, ['ci/setup.mjs'], { cwd: folder })
  return folder
}
