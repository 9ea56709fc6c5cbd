// What the programs of this folder are run in: runtimes with their options, and executables.

import { mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { follow, makeProject, recipes } from '../recipes.mjs'
import { download } from './downloads.mjs'

const NAMES = { node: 'Node.js', bun: 'Bun', deno: 'Deno' }
/** Features that a runtime has no means for, with what the error then has in it. */
const LACKS = { bun: { clone: 'ERR_INVALID_PAYLOAD', ports: 'ERR_INVALID_PAYLOAD' } }

/** A runtime with these options, in which `PROJECT` stands for the folder of the project. */
function plain(runtime, range, ...options) {
  return {
    name: [`${NAMES[runtime]} ${range}`, ...(options.length > 0 ? [code(options)] : [])].join(' '),
    async prepare({ project }) {
      const { version, program } = await download(runtime, range)
      const given = options.map((option) => option.replace('PROJECT', project))
      const command = (file, args) => [program, [...given, `${file}.mjs`, ...args]]
      const worker = join(project, 'worker.mjs')
      return { version, cwd: project, command, worker, lacks: LACKS[runtime] }
    },
  }
}

/** What a recipe of docs/bundlers.md makes of each program. `worker` is where it has the worker. */
function executable(recipeName, runtime, range, worker) {
  return {
    name: `${NAMES[runtime]} ${range}, an executable`,
    async prepare({ project, scratch, tarballs, programs }) {
      const { version } = await download(runtime, range)
      const recipe = recipes().find(({ name }) => name === recipeName)
      const cwd = join(scratch, runtime)
      mkdirSync(cwd)
      for (const [file, sources] of Object.entries(programs)) {
        const folder = `${project}-${runtime}-${file}`
        await makeProject(folder, tarballs, sources)
        await follow(recipe, folder)
        // Away from node_modules.
        renameSync(join(folder, 'out'), join(cwd, file))
      }
      const command = (file, args) => [join(cwd, file, 'program'), args]
      return { version, cwd, command, worker, lacks: LACKS[runtime] }
    },
  }
}

function code(words) {
  return `\`${words.join(' ')}\``
}

const PERMISSIONS = ['--permission', '--allow-addons', '--allow-worker', '--allow-fs-read=PROJECT']

/** In all of these every feature is tried. */
export const HOSTS = [
  ...['20.17', '20', '22', '24', '26'].map((range) => plain('node', range)),
  ...['24', '26'].map((range) => plain('node', range, ...PERMISSIONS)),
  plain('node', '26', '--frozen-intrinsics'),
  plain('node', '26', '--disallow-code-generation-from-strings'),
  executable('An executable of Node.js', 'node', '26', './program/worker.mjs'),
  plain('bun', '1'),
  executable('An executable of Bun', 'bun', '1', './worker.mjs'),
  plain('deno', '2', 'run', '--allow-all'),
  plain('deno', '2', 'run', '--allow-ffi', '--allow-read', '--allow-env'),
]

/** In these the addon cannot be loaded, and the warning of the core in WebAssembly has these words. */
export const WITHOUT_ADDON = [
  [plain('node', '26', '--no-addons'), 'RINGPOST_WASM'],
  [plain('node', '26', '--permission', '--allow-fs-read=*'), 'RINGPOST_WASM'],
  [plain('deno', '2', 'run', '--no-prompt', '--allow-read', '--allow-env', '--allow-sys'), '--allow-ffi'],
]
