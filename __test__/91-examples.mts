// `npm run example`: what it lists, and how it answers a mistake. What it starts has tests of its own.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import test from 'ava'

const ROOT = dirname(createRequire(import.meta.url).resolve('ringpost/package.json'))
const EXAMPLES = readdirSync(join(ROOT, 'examples')).filter((name) =>
  existsSync(join(ROOT, 'examples', name, 'run.mjs')),
)

const run = (...args: string[]) =>
  spawnSync(process.execPath, ['ci/example.mjs', ...args], { cwd: ROOT, encoding: 'utf8' })

test('without a name it lists the examples, each with what it is', (t) => {
  const { stdout, status } = run()
  t.is(status, 0)
  for (const name of EXAMPLES) t.regex(stdout, new RegExp(`^  ${name} +\\w.*\\.$`, 'm'))
})

test('a name that no example has is answered with those there are', (t) => {
  const { stderr, status } = run('alarms')
  t.is(status, 2)
  t.regex(stderr, new RegExp(`"alarms".*${EXAMPLES.join(', ')}\\.`))
})

test('each example that can be run has a row in the README of the examples, and a test', (t) => {
  const readme = readFileSync(join(ROOT, 'examples/README.md'), 'utf8')
  t.true(EXAMPLES.includes('alerts'))
  for (const name of EXAMPLES) {
    t.true(readme.includes(`| [${name}](${name}) |`), name)
    t.true(existsSync(join(ROOT, 'examples', name, 'test.mjs')), name)
  }
})
