// Tests the library in a real editor: packs it, makes the .vsix of the example extension with it,
// installs that as a user would, and runs examples/ai-backend/extension/test in code-server with
// Chromium. Downloads are kept in .cache/editor.
//
//   npm run test:editor
//   npm run test:editor -- --pictures   takes those of docs/pictures/ anew, instead of testing

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs'
import { rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findChromium } from './chromium.mjs'
import './setup.mjs'
import { ROOT, giveUp, step } from './step.mjs'

const DOWNLOADS = ['code-server@4.100.3', '@vscode/vsce@3.9.2']
const EXAMPLES = join(ROOT, 'examples')
/** Without install scripts, which would compile and download parts this test does not need. */
const INSTALL = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund']

const editor = join(ROOT, '.cache/editor')
const chromium = findChromium('The editor test')
await installEditor()
const build = ['build', '--profile', 'ci', '--locked', '--package', 'ai-backend', '--bins']
await step('building the backend', 'cargo', build)
const scratch = mkdtempSync(join(tmpdir(), 'ringpost-editor-'))
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
const extension = await packExtension()
const pictures = ['ai-backend', 'ai-backend-light'].map((name) =>
  join(ROOT, `docs/pictures/${name}.png`),
)
const [program, ...more] = process.argv.includes('--pictures')
  ? ['pictures.mjs', ...pictures]
  : ['run.mjs']
await step('the extension in the editor', process.execPath, [
  join(EXAMPLES, 'ai-backend/extension/test', program),
  ...[join(editor, 'node_modules/code-server/lib/vscode'), chromium, scratch, extension, ...more],
], { loud: true })

async function installEditor() {
  if (!process.version.startsWith('v20.')) {
    giveUp(`The editor test needs Node.js 20, which ${DOWNLOADS[0]} is made for.`)
  }
  const installed = join(editor, DOWNLOADS.join('+').replaceAll('/', '-'))
  if (existsSync(installed)) return
  rmSync(editor, { recursive: true, force: true })
  mkdirSync(editor, { recursive: true })
  await step('downloading the editor', 'npm', [...INSTALL, '--prefix', editor, ...DOWNLOADS])
  const vscode = join(editor, 'node_modules/code-server/lib/vscode')
  const dependencies = [...INSTALL, '--prefix', vscode]
  await step('downloading its dependencies', 'npm', dependencies, { cwd: vscode })
  mkdirSync(installed)
}

/** Makes the .vsix of a copy of the example that has the packed library. Returns its path. */
async function packExtension() {
  const project = join(scratch, 'project')
  cpSync(join(EXAMPLES, 'ai-backend'), join(project, 'ai-backend'), { recursive: true })
  cpSync(join(EXAMPLES, 'built.mjs'), join(project, 'built.mjs'))
  execFileSync(process.execPath, ['ci/pack.mjs', scratch, '--own'], { cwd: ROOT })
  const tarballs = readdirSync(scratch).filter((file) => file.endsWith('.tgz'))
  await step(`installing ${tarballs.join(' and ')}`, 'npm', [
    ...INSTALL,
    ...['--offline', '--prefix', project, ...tarballs.map((file) => join(scratch, file))],
  ])
  checkLibrary(join(project, 'node_modules/ringpost'))
  await step('checking the packed types', join(ROOT, 'node_modules/typescript/bin/tsc'), [
    ...['--ignoreConfig', '--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext'],
    ...['--types', 'node,vscode', '--typeRoots', join(ROOT, 'node_modules/@types')],
    join(project, 'ai-backend/extension/src/extension.mts'),
  ])
  symlinkSync(join(ROOT, 'node_modules/esbuild'), join(project, 'node_modules/esbuild'))
  const vsix = join(scratch, 'ai-backend.vsix')
  await step('packing the extension', join(editor, 'node_modules/.bin/vsce'), [
    ...['package', '--no-dependencies', '--skip-license', '--target', 'linux-x64', '--out', vsix],
  ], {
    cwd: join(project, 'ai-backend/extension'),
    env: { AI_BACKEND: join(ROOT, 'target/ci/ai-backend') },
  })
  const notices = join(project, 'ai-backend/extension/out/THIRD-PARTY-LICENSES.txt')
  if (!existsSync(notices)) giveUp('The extension has no notices of what is linked into the addon.')
  return vsix
}

/** The library has to be complete. */
function checkLibrary(library) {
  const { types, exports } = JSON.parse(readFileSync(join(library, 'package.json'), 'utf8'))
  const expected = [
    ...[types, './native/binding.js', './LICENSE-APACHE', './LICENSE-MIT'],
    '../@ringpost/linux-x64-gnu/ringpost.linux-x64-gnu.node',
    ...Object.values(exports['.']).flatMap(Object.values),
  ]
  for (const file of expected) {
    if (!existsSync(join(library, file))) giveUp(`${file} is missing in the packed library.`)
  }
}
