// The recipes of docs/bundlers.md: for each, the files it shows and the commands it gives.

import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { download } from './runtimes/downloads.mjs'
import { ROOT, giveUp, step } from './step.mjs'

const RECIPES = /^### (.+)\n([^]*?)(?=^##)/gm
const FILE = /^```\w+ (\S+)\n([^]*?)^```$/gm
const COMMAND = /^\$ (.+)$/gm

/** Name and text of each recipe. */
export function recipes() {
  const document = readFileSync(join(ROOT, 'docs/bundlers.md'), 'utf8')
  const found = [...document.matchAll(RECIPES)]
  if (found.length < 7) giveUp(`docs/bundlers.md has ${found.length} recipes`)
  return found.map(([, name, text]) => ({ name, text }))
}

/** Packs the library and its addon into a folder. Returns the paths of the tarballs. */
export function packInto(folder) {
  execFileSync(process.execPath, ['ci/pack.mjs', folder, '--own'], { cwd: ROOT })
  const files = readdirSync(folder).filter((file) => file.endsWith('.tgz'))
  return files.map((file) => join(folder, file))
}

/** Makes a project that has the library and these files. */
export async function makeProject(cwd, tarballs, files) {
  write(join(cwd, 'package.json'), '{ "private": true }\n')
  for (const [path, text] of Object.entries(files)) write(join(cwd, path), text)
  const options = { cwd, env: { npm_config_audit: 'false', npm_config_fund: 'false' } }
  await step('installing the library', 'npm', ['install', ...tarballs], options)
}

/** Does in a project what a recipe says, with the versions of `node` and `bun` that it needs. */
export async function follow({ name, text }, cwd) {
  const env = { npm_config_audit: 'false', npm_config_fund: 'false' }
  const path = [process.env.PATH]
  if (text.includes('--build-sea')) path.unshift(dirname((await download('node', '26')).program))
  if (text.includes('$ bun ')) path.unshift(dirname((await download('bun', '1')).program))
  env.PATH = path.join(delimiter)
  for (const [, file, content] of text.matchAll(FILE)) write(join(cwd, file), content)
  for (const [, command] of text.matchAll(COMMAND)) {
    await step(`${name}: ${command.slice(0, 40)}`, 'sh', ['-c', command], { cwd, env })
  }
}

/** Writes a file, and makes its folder. */
export function write(path, text) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
