// Mutants that no test catches, and the reason why none can.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, giveUp } from '../step.mjs'

/** The known survivors by name, with their reasons. In the file, a reason is indented and follows
 * the mutants it applies to. */
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
  if (waiting.length > 0) giveUp(`${file} gives no reason for ${waiting[0]}`)
  return known
}

/** Reports survivors, and fails if one is not known. `wasTried` selects the known ones that were
 * tried. */
export function report(found, known, wasTried) {
  const fresh = found.filter((name) => !known.has(name))
  const gone = [...known.keys()].filter((name) => wasTried(name) && !found.includes(name))
  for (const name of gone) console.log(`caught now, or no longer present: ${name}`)
  for (const name of fresh) console.log(`SURVIVES: ${name}`)
  console.log(`${found.length} survive, ${fresh.length} of them without a reason`)
  if (fresh.length > 0) process.exitCode = 1
}
