// Mutants that no test catches, and why that is no fault of the tests.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, giveUp } from '../step.mjs'

/**
 * The survivors that are known, by name, with their arguments. In the file an argument stands indented
 * behind those it is for.
 */
export function readSurvivors(file) {
  const path = join(ROOT, 'ci/mutations', file)
  const known = new Map()
  if (!existsSync(path)) return known
  let waiting = []
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    if (line.startsWith(' ')) {
      for (const name of waiting) known.set(name, line.trim())
      waiting = []
    } else {
      waiting.push(line)
    }
  }
  if (waiting.length > 0) giveUp(`${file} says nothing about ${waiting[0]}`)
  return known
}

/** Compares what was found with what is known, and fails for what is not. `wasTried` says which of those
 * known could have been found. */
export function report(found, known, wasTried) {
  const fresh = found.filter((name) => !known.has(name))
  const gone = [...known.keys()].filter((name) => wasTried(name) && !found.includes(name))
  for (const name of gone) console.log(`caught now, or not there any more: ${name}`)
  for (const name of fresh) console.log(`SURVIVES: ${name}`)
  console.log(`${found.length} survive, ${fresh.length} of them without an argument`)
  if (fresh.length > 0) process.exitCode = 1
}
