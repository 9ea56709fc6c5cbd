// Is this tree slower than a commit, or than what was recorded?
//
//   npm run gate -- --base <commit>        builds that commit in another folder, measures both
//   npm run gate -- --base <commit> --anchor <commit>
//                                          and one from long ago, in the same turns
//   npm run gate -- --baseline <file>      -h names the other options

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import './setup.mjs'
import { ROOT, become, step } from './step.mjs'
import { buildWorker } from './worker.mjs'

/** Options that may name a commit, which is then built. */
const COMMITS = ['--base', '--anchor']

const words = process.argv.slice(2).flatMap((word) => {
  const option = COMMITS.find((name) => word.startsWith(`${name}=`))
  return option === undefined ? [word] : [option, word.slice(option.length + 1)]
})
if (!words.includes('-h') && !words.includes('--help')) await buildWorker()
for (const option of COMMITS) {
  const at = words.indexOf(option) + 1
  const isTree = existsSync(join(words[at] ?? '', 'index.mjs'))
  const commit = at > 0 && !isTree ? commitOf(words[at]) : null
  // What is neither a tree nor a commit is for the command to refuse.
  if (commit !== null) words[at] = await build(commit)
}
await become('dist/benches/cli/main.mjs', 'gate', ...words)

function git(...words) {
  return execFileSync('git', words, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim()
}

function commitOf(name) {
  try {
    return git('rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`)
  } catch {
    return null
  }
}

/** A built tree of a commit. */
async function build(commit) {
  const folder = join(ROOT, '.cache', 'against', commit)
  if (!existsSync(folder)) {
    git('worktree', 'prune')
    git('worktree', 'add', '--detach', folder, commit)
  }
  await step(`building ${commit.slice(0, 7)}`, process.execPath, ['ci/setup.mjs'], { cwd: folder })
  await buildWorker(folder)
  return folder
}
