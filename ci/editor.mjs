// Tests the library in a real editor: packs it, installs it into the example extension as a user
// would, and runs examples/editor-extension/test in code-server with Chromium. Downloads are kept
// in .cache/editor.

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findChromium } from './chromium.mjs'
import './setup.mjs'
import { ROOT, giveUp, step } from './step.mjs'

const EDITOR = ['code-server@4.100.3', 'playwright-core@1.65.1']
const EXAMPLE = join(ROOT, 'examples/editor-extension')
/** Without install scripts, which would compile and download parts this test does not need. */
const INSTALL = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund']

const editor = join(ROOT, '.cache/editor')
const chromium = findChromium('The editor test')
await installEditor()
const scratch = mkdtempSync(join(tmpdir(), 'ringpost-editor-'))
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
const extension = await installExtension()
await step('the extension in the editor', process.execPath, [
  join(EXAMPLE, 'test/run.mjs'),
  ...[editor, chromium, scratch, extension],
], { loud: true })

async function installEditor() {
  if (!process.version.startsWith('v20.')) {
    giveUp(`The editor test needs Node.js 20, which ${EDITOR[0]} is made for.`)
  }
  const installed = join(editor, EDITOR.join('+'))
  if (existsSync(installed)) return
  rmSync(editor, { recursive: true, force: true })
  mkdirSync(editor, { recursive: true })
  await step('downloading the editor', 'npm', [...INSTALL, '--prefix', editor, ...EDITOR])
  const vscode = join(editor, 'node_modules/code-server/lib/vscode')
  const dependencies = [...INSTALL, '--prefix', vscode]
  await step('downloading its dependencies', 'npm', dependencies, { cwd: vscode })
  mkdirSync(installed)
}

/** Copies the example, installs the packed library into it, and checks that the library is
 * complete. */
async function installExtension() {
  const extension = join(scratch, 'extensions/ringpost.editor-example-0.1.0')
  cpSync(EXAMPLE, extension, { recursive: true })
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', scratch]
  const [{ filename }] = JSON.parse(execFileSync('npm', pack, { cwd: ROOT, encoding: 'utf8' }))
  await step(`installing ${filename}`, 'npm', [
    ...INSTALL,
    ...['--offline', '--prefix', extension, join(scratch, filename)],
  ])
  const library = join(extension, 'node_modules/ringpost')
  const { types, exports } = JSON.parse(readFileSync(join(library, 'package.json'), 'utf8'))
  const expected = [
    ...[types, './native/ringpost.linux-x64-gnu.node', './LICENSE-APACHE', './LICENSE-MIT'],
    ...Object.values(exports['.']).flatMap(Object.values),
  ]
  for (const file of expected) {
    if (!existsSync(join(library, file))) giveUp(`${file} is missing in ${filename}.`)
  }
  // The server uses both sets of types: those for modules, and through them those for require.
  await step('checking the packed types', join(ROOT, 'node_modules/typescript/bin/tsc'), [
    ...['--ignoreConfig', '--noEmit', '--checkJs', '--strict'],
    ...['--module', 'nodenext', '--types', 'node'],
    ...['--typeRoots', join(ROOT, 'node_modules/@types'), join(extension, 'server.mjs')],
  ])
  return extension
}
