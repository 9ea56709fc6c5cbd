// A folder to meet in that goes when the runner does.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ringpost-bench-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
