// Runs an example: sets up and builds what is not built yet, and starts its run.mjs.
//
//   npm run example                      the examples
//   npm run example -- <name> [args]     one of them
//
// Parts in Rust are folders of an example with a Cargo.toml. Parts in other languages, of which an
// argument says that they are wanted, are folders named like that language.

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, become, step } from './step.mjs'

const FOLDER = join(ROOT, 'examples')
const OTHERS = { c: ['ci/c.mjs', 'perception'], python: ['ci/python.mjs', '--only-environment'] }
/** How a mistake in a command line ends. */
const MISTAKEN = 2

const program = (name) => join(FOLDER, name, 'run.mjs')

const [name, ...args] = process.argv.slice(2)
const names = readdirSync(FOLDER).filter((name) => existsSync(program(name)))
if (name === undefined) {
  console.log('npm run example -- <name>\n')
  for (const each of names) console.log(`  ${each.padEnd(12)}${about(each)}`)
} else if (!names.includes(name)) {
  console.error(`There is no example "${name}" that runs so; there are: ${names.join(', ')}.`)
  process.exitCode = MISTAKEN
} else {
  await import('./setup.mjs')
  for (const [part, manifest] of partsInRust(name)) {
    const args = ['build', '--release', '--locked', '--manifest-path', manifest]
    await step(`building the ${part}`, 'cargo', args, { loud: true })
  }
  for (const [language, build] of Object.entries(OTHERS)) {
    if (!args.includes(language) || !existsSync(join(FOLDER, name, language))) continue
    await step(`building what is in ${language}`, process.execPath, build, { loud: true })
  }
  await become(program(name), ...args)
}

/** What it is, from the first line of its program. */
function about(name) {
  const [first] = readFileSync(program(name), 'utf8').split('\n')
  return first.replace(/^\/\/ /, '')
}

function partsInRust(name) {
  const parts = readdirSync(join(FOLDER, name))
  return parts
    .map((part) => [part, join(FOLDER, name, part, 'Cargo.toml')])
    .filter(([, manifest]) => existsSync(manifest))
}
