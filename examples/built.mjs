// Where a program of an example in Rust is, which cargo has built.

import { existsSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The newest build of a program of a package, in whichever profile. */
export function built(owner, program) {
  const builds = ['release', 'ci', 'debug'].map((profile) =>
    fileURLToPath(new URL(`../target/${profile}/${program}`, import.meta.url)),
  )
  const newestFirst = (a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs
  const [found] = builds.filter((path) => existsSync(path)).sort(newestFirst)
  if (found !== undefined) return found
  const how = `cargo build --profile ci -p ${owner} --bins --examples`
  throw new Error(`${program} is not built: ${how}`)
}
