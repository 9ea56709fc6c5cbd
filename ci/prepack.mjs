// Runs before `npm pack` and `npm publish`: refuses to pack what could not be used, and adds the
// licenses of what is linked into the addon.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, giveUp } from './step.mjs'
import { thirdPartyLicenses } from './third-party.mjs'

const BINARY = 'native/ringpost.linux-x64-gnu.node'

for (const file of [BINARY, 'dist/ts/index.js', 'dist/cli/main.mjs']) {
  if (!existsSync(join(ROOT, file))) giveUp(`cannot pack without ${file}: npm run build makes it`)
}
const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const declared = versionOf(engines.glibc)
const needed = glibcOf(join(ROOT, BINARY))
if (isNewer(needed, declared)) {
  const [is, says] = [needed.join('.'), declared.join('.')]
  giveUp(`${BINARY} needs glibc ${is}, and package.json declares ${says}`)
}
writeFileSync(join(ROOT, 'native/THIRD-PARTY-LICENSES.txt'), thirdPartyLicenses())

/** The newest version of glibc of which an ELF file imports a symbol. */
function glibcOf(path) {
  const text = readFileSync(path, 'latin1')
  const versions = text.match(/\bGLIBC_\d+\.\d+(\.\d+)?\0/g) ?? []
  return versions.map(versionOf).reduce((a, b) => (isNewer(b, a) ? b : a), [0, 0])
}

function versionOf(text) {
  return text.match(/\d+/g).slice(0, 2).map(Number)
}

function isNewer([major, minor], [otherMajor, otherMinor]) {
  return major > otherMajor || (major === otherMajor && minor > otherMinor)
}
