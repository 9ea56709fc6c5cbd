// Tests the recipe of examples/service: what systemd says of its units, where there is systemd, and the
// server with a socket that is handed to it as systemd does.

import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, become } from './step.mjs'
import { findSystemdAnalyze } from './systemd.mjs'

const SERVICE = 'ringpost-example.service'
const SOCKET = 'ringpost-example.socket'
/** The most it may be exposed, in tenths of what systemd-analyze shows: 0 is a sealed box, 100 a
 * service without any hardening. */
const EXPOSURE_MAX = 10

const analyze = findSystemdAnalyze()
if (analyze) checkUnits()
else console.log('skipped: the units, because there is no systemd-analyze (Debian: systemd)')
await become('examples/service/test.mjs')

function checkUnits() {
  const folder = mkdtempSync(join(tmpdir(), 'ringpost-units-'))
  try {
    cpSync(join(ROOT, 'examples/service', SOCKET), join(folder, SOCKET))
    // It is checked whether the program is there, which may be in another place here.
    const unit = readFileSync(join(ROOT, 'examples/service', SERVICE), 'utf8')
    writeFileSync(join(folder, SERVICE), unit.replace('/usr/bin/node', process.execPath))
    const run = (...args) => execFileSync(analyze, args, { cwd: folder, encoding: 'utf8' })
    run('verify', `./${SERVICE}`, `./${SOCKET}`)
    const threshold = `--threshold=${EXPOSURE_MAX}`
    const said = run('security', '--offline=true', threshold, '--no-pager', `./${SERVICE}`)
    console.log(said.trimEnd().split('\n').at(-1).replace('→ ', ''))
  } finally {
    rmSync(folder, { recursive: true })
  }
}
