// Builds what rows of Rust are measured with, in this tree or in another.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, step } from './step.mjs'

/** Does nothing for a commit from before there was one. */
export async function buildWorker(folder = ROOT, words = []) {
  if (!existsSync(join(folder, 'benches/rust/Cargo.toml'))) return
  const cargo = ['build', '--release', '--locked', '--package', 'ringpost-bench', ...words]
  await step('building the Rust half of the runner', 'cargo', cargo, { cwd: folder })
}
