// Takes pictures of the extension, with a chat in it:
//
//   node pictures.mjs <code-server's lib/vscode> <chromium> <scratch folder> <.vsix> <dark> <light>

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Editor } from './editor.mjs'

const SIZE = { width: 1120, height: 640 }
const PROGRAM = `def area(width, height):
    """What a rectangle covers."""
    return width * height


def greet(name):
    `

const [vscode, chromium, scratch, vsix, ...pictures] = process.argv.slice(2)
process.env.RINGPOST_DIR = join(scratch, 'ringpost')

const settings = {
  'aiBackend.arguments': ['--idle-exit', '1'],
  'window.autoDetectColorScheme': true,
  'editor.minimap.enabled': false,
}
const editor = await Editor.start(vscode, chromium, scratch, vsix, settings)
try {
  for (const [at, colorScheme] of ['dark', 'light'].entries()) {
    const workspace = join(scratch, colorScheme, 'shapes')
    mkdirSync(workspace, { recursive: true })
    writeFileSync(join(workspace, 'shapes.py'), PROGRAM)
    const window = await editor.open(colorScheme, workspace, 'shapes.py', { viewport: SIZE, colorScheme })
    await window.shows(/AI \d+\.\d+\.\d+: \d+\.\d\d ms/)
    await window.openChat()
    await window.ask('/read shapes.py')
    await window.ends(/tokens/)
    await window.ask('What could go wrong here?')
    await window.says(1)
    await window.type('return ')
    await window.completes()
    await window.page.screenshot({ path: pictures[at] })
  }
} finally {
  await editor.close()
}
