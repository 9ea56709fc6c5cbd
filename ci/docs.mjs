// Builds the site of the documents into site/dist: the guides and the other documents, the pages of
// typedoc below /api/, and those of rustdoc below /rust/. `npx vitepress preview site` shows it.

import { cpSync } from 'node:fs'
import { join } from 'node:path'
import './setup.mjs'
import { ROOT, step } from './step.mjs'

await step('references', process.execPath, ['ci/test.mjs', 'rustdoc', 'typedoc'], { loud: true })
await step('site', 'npx', ['--no-install', 'vitepress', 'build', 'site'])
for (const [from, to] of [
  ['docs/api', 'api'],
  ['target/doc', 'rust'],
]) {
  cpSync(join(ROOT, from), join(ROOT, 'site/dist', to), { recursive: true })
}
console.log('\nsite/dist: npx vitepress preview site shows it')
