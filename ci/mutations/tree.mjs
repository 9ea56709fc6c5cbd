// The copy of the tree in which faults are planted.

import { cpSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import '../setup.mjs'
import { ROOT } from '../step.mjs'

// Imported late, because setup.mjs may have to install it.
const { default: ts } = await import('typescript')
const { bundle } = await import('../bundle.mjs')

/** Not copied: build products, downloads, and the results of fuzzing. */
const NOT_COPIED =
  /^(target|node_modules|\.git|\.cache|coverage|crates\/ipc-core\/fuzz\/(target|corpus|artifacts))$/

/** Replaces the copy with this name, always in the same place so that Rust rebuilds only what has
 * changed. Returns its folder. */
export function copyTree(name) {
  const copy = join(ROOT, 'target/mutations', name)
  rmSync(copy, { recursive: true, force: true })
  const filter = (path) => !NOT_COPIED.test(relative(ROOT, path))
  for (const entry of readdirSync(ROOT).filter((entry) => !NOT_COPIED.test(entry))) {
    cpSync(join(ROOT, entry), join(copy, entry), { recursive: true, filter })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile)
const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT)

/** Writes a TypeScript file of the copy and compiles it without type checking, which is fast. */
export async function transpile(copy, file, source) {
  writeFileSync(join(copy, file), source)
  const { outputText } = ts.transpileModule(source, {
    fileName: join(copy, file),
    compilerOptions: { ...options, sourceMap: false },
  })
  const built = file.startsWith('nats/') ? file.replace('nats', 'nats/dist') : `dist/${file}`
  writeFileSync(join(copy, built.replace(/ts$/, 'js')), outputText)
  if (file.startsWith('ts/')) await bundle(copy)
}
