// A socket directory for this test file only, inherited by the programs it starts.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const directory = mkdtempSync(join(tmpdir(), 'ringpost-test-'))
process.env.RINGPOST_DIR = directory
process.on('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
