// Mutation testing of the TypeScript: applies every small change, one at a time, and checks that
// the tests of the file fail. Survivors are listed in ci/mutations/survivors-typescript.txt, each
// with the reason why no test can catch it; a survivor that is not listed is a failure.
//
//   node ci/mutants-typescript.mjs              all files
//   node ci/mutants-typescript.mjs flow ...     only these
//
// Not Stryker, which does not support ava and would run the whole suite for each of some 1,500
// changes.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { copyTree, transpile } from './mutations/tree.mjs'
import { mutantsOf } from './mutations/mutants.mjs'
import { readSurvivors, report } from './mutations/survivors.mjs'
import { giveUp } from './step.mjs'

/** Files to mutate, each with its test files; only fast ones. */
const FILES = {
  'ts/connection/flow.ts': ['27-flow'],
  'ts/values/msgpack.ts': ['05-messagepack', '07-claims'],
  'ts/connection/pending.ts': ['28-pending'],
}
/** In seconds. */
const TEST_MAX = 120

const asked = process.argv.slice(2)
const files = Object.keys(FILES).filter((file) => {
  return asked.length === 0 || asked.some((name) => file.includes(name))
})
if (files.length === 0) giveUp(`No such file; there are ${Object.keys(FILES).join(', ')}.`)

const survivors = readSurvivors('survivors-typescript.txt')
const copy = copyTree('typescript')
const found = []
for (const file of files) {
  const source = readFileSync(join(copy, file), 'utf8')
  await transpile(copy, file, source)
  if (!passes(file)) giveUp(`The tests of ${file} fail without any change.`)
  const mutants = mutantsOf(file, source)
  let caught = 0
  for (const { name, text } of mutants) {
    await transpile(copy, file, text)
    if (passes(file)) found.push(name)
    else caught++
  }
  await transpile(copy, file, source)
  console.log(`${file}: ${caught} of ${mutants.length} caught`)
}
report(found, survivors, (name) => files.some((file) => name.startsWith(`${file}:`)))

function passes(file) {
  const tests = FILES[file].map((name) => `dist/__test__/${name}.mjs`)
  const ava = ['node_modules/ava/entrypoints/cli.mjs', '--fail-fast', ...tests]
  const args = ['--signal=KILL', String(TEST_MAX), process.execPath, ...ava]
  return spawnSync('timeout', args, { cwd: copy, stdio: 'ignore' }).status === 0
}
