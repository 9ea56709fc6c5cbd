// Changes the TypeScript at every place where a small slip would be possible, one at a time, and sees
// whether the tests that are there for the file fail. Those that do not, the survivors, stand in
// ci/mutations/survivors-typescript.txt with an argument each; one that does not is a failure.
//
//   node ci/mutants-typescript.mjs              all files
//   node ci/mutants-typescript.mjs flow ...     only these
//
// Written here and not by Stryker, which knows nothing of ava and would run the whole suite for every
// change: some 1,500 times a minute.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { copyTree, transpile } from './mutations/tree.mjs'
import { mutantsOf } from './mutations/mutants.mjs'
import { readSurvivors, report } from './mutations/survivors.mjs'
import { giveUp } from './step.mjs'

/** What is changed, and the files of `__test__` that are there for it: those that take no time. */
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
if (files.length === 0) giveUp(`There are only ${Object.keys(FILES).join(', ')}.`)

const survivors = readSurvivors('survivors-typescript.txt')
const copy = copyTree('typescript')
const found = []
for (const file of files) {
  const source = readFileSync(join(copy, file), 'utf8')
  transpile(copy, file, source)
  if (!passes(file)) giveUp(`Without any change the tests of ${file} fail.`)
  const mutants = mutantsOf(file, source)
  let caught = 0
  for (const { name, text } of mutants) {
    transpile(copy, file, text)
    if (passes(file)) found.push(name)
    else caught++
  }
  transpile(copy, file, source)
  console.log(`${file}: ${caught} of ${mutants.length} caught`)
}
report(found, survivors, (name) => files.some((file) => name.startsWith(`${file}:`)))

function passes(file) {
  const tests = FILES[file].map((name) => `dist/__test__/${name}.mjs`)
  const ava = ['node_modules/ava/entrypoints/cli.mjs', '--fail-fast', ...tests]
  const args = ['--signal=KILL', String(TEST_MAX), process.execPath, ...ava]
  return spawnSync('timeout', args, { cwd: copy, stdio: 'ignore' }).status === 0
}
