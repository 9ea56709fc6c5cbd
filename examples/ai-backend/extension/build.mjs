// Makes what is shipped: the bundle with the addon beside it, and the backend's program.

import { chmodSync, copyFileSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { backendProgram } from '../programs.mjs'

process.chdir(fileURLToPath(new URL('.', import.meta.url)))
await build({
  entryPoints: ['src/extension.mts'],
  outfile: 'out/extension.js',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  external: ['vscode'],
  minify: true,
  loader: { '.node': 'copy' },
  assetNames: '[name]',
})
mkdirSync('bin', { recursive: true })
copyFileSync(backendProgram(), 'bin/ai-backend')
chmodSync('bin/ai-backend', 0o755)
