// The crates that are published can be: their packages hold what they need and say what they are.
// Needs no network. What is in a package is built by the other steps.

import { execFileSync } from 'node:child_process'
import { ROOT, giveUp } from './step.mjs'

const PUBLISHED = ['ipc-core', 'ringpost']
/** What every package has beside its sources. */
const FILES = ['Cargo.toml', 'LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'src/lib.rs']
const FIELDS = ['description', 'license', 'repository', 'readme', 'rust_version']

const metadata = JSON.parse(cargo('metadata', '--format-version', '1', '--no-deps', '--offline'))
for (const name of PUBLISHED) {
  const crate = metadata.packages.find((one) => one.name === name)
  const missing = FIELDS.filter((field) => !crate[field])
  if (crate.keywords.length === 0) missing.push('keywords')
  if (crate.categories.length === 0) missing.push('categories')
  if (missing.length > 0) giveUp(`${name} does not say its ${missing.join(', ')}.`)
  const files = cargo('package', '--package', name, '--list', '--allow-dirty', '--offline').split('\n')
  const left = FILES.filter((file) => !files.includes(file))
  if (left.length > 0) giveUp(`The package of ${name} lacks ${left.join(', ')}.`)
}
const packages = PUBLISHED.flatMap((name) => ['--package', name])
cargo('package', ...packages, '--no-verify', '--allow-dirty', '--offline')

function cargo(...args) {
  return execFileSync('cargo', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 << 20 })
}
