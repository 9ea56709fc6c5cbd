// A socket directory for this test file only, inherited by the programs it starts.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const directory = mkdtempSync(join(tmpdir(), 'ringpost-test-'))
process.env.RINGPOST_DIR = directory
process.on('exit', remove)

/** Programs that end with this one may still write there. What Node retries is to remove the folder, and
 * not what has come into it since. */
function remove(): void {
  for (let left = 50; ; left--) {
    try {
      return rmSync(directory, { recursive: true, force: true, maxRetries: 1 })
    } catch (error) {
      if (left === 0) throw error
    }
  }
}
