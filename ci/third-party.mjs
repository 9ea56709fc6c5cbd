// The licenses of the crates that are linked into the addon, or into the module, as one text: they ask
// to be named wherever the binary goes.

import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ROOT } from './step.mjs'

const LICENSE = /^(licen[cs]e|copying|notice|unlicense)/i

/** Those of what is built for a target of Rust, in the words of the text that introduces them. */
export function thirdPartyLicenses(triple, what = 'addon') {
  const head = `The ${what} contains these crates, each under the license it names here.\n`
  return [head, ...linked(triple).map(entryOf)].join(`\n${'-'.repeat(80)}\n\n`)
}

/** What the addon is linked from, but for our own crates: neither what builds it nor what tests it.
 * */
function linked(triple) {
  const args = ['metadata', '--format-version', '1', '--locked', '--filter-platform']
  const options = { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 << 20 }
  const { packages, resolve } = JSON.parse(
    execFileSync('cargo', [...args, triple], options),
  )
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]))
  const isMacro = (id) => packageOf(id).targets.every(({ kind }) => kind.includes('proc-macro'))
  const packageOf = (id) => packages.find((one) => one.id === id)
  const found = new Set()
  const visit = (id) => {
    if (found.has(id) || isMacro(id)) return
    found.add(id)
    for (const { pkg, dep_kinds } of nodes.get(id).deps) {
      if (dep_kinds.some(({ kind }) => kind === null)) visit(pkg)
    }
  }
  visit(packages.find(({ name }) => name === 'ipc-node').id)
  return [...found]
    .map(packageOf)
    .filter(({ source }) => source !== null)
    .sort((a, b) => a.name.localeCompare(b.name))
}

function entryOf({ name, version, license, repository, manifest_path }) {
  const folder = dirname(manifest_path)
  const files = readdirSync(folder).filter((file) => LICENSE.test(file)).sort()
  // Of several licenses one is chosen.
  const mit = files.filter((file) => /mit/i.test(file))
  const chosen = mit.length > 0 ? mit : files
  const texts = chosen.map((file) => readFileSync(join(folder, file), 'utf8').trim())
  return [`${name} ${version}: ${license}`, repository ?? '', ...texts].join('\n\n').concat('\n')
}
