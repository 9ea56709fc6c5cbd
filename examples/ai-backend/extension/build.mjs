// Makes what is shipped: the bundle with the addon beside it and its notices, and the backend's program.

import { chmodSync, copyFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { backendProgram } from '../programs.mjs'

process.chdir(fileURLToPath(new URL('.', import.meta.url)))
const { metafile } = await build({
  entryPoints: ['src/extension.mts'],
  outfile: 'out/extension.js',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  external: ['vscode'],
  minify: true,
  loader: { '.node': 'copy' },
  assetNames: '[name]',
  metafile: true,
})
// The licenses of what is linked into the addon go with it.
const addon = Object.keys(metafile.inputs).find((file) => file.endsWith('.node'))
const notices = 'THIRD-PARTY-LICENSES.txt'
copyFileSync(join(dirname(addon), notices), join('out', notices))
mkdirSync('bin', { recursive: true })
copyFileSync(backendProgram(), 'bin/ai-backend')
chmodSync('bin/ai-backend', 0o755)
