// Memory as in Electron: V8 has a cage there, and no memory of others can be made an ArrayBuffer. All
// that is received has to be copied into V8's own. Electron itself is not needed to see that: here
// both processes run in a copy of Node.js without the functions that would do it.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Program, serve } from './helpers/program.mjs'

const FORBIDDEN = ['napi_create_external_arraybuffer', 'napi_create_external_buffer']

const folder = mkdtempSync(join(tmpdir(), 'ringpost-electron-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

/** A copy of Node.js that exports them by other names. */
function nodeInCage(): string {
  const program = readFileSync(process.execPath)
  for (const name of FORBIDDEN) {
    let found = 0
    const symbol = Buffer.from(`\0${name}\0`)
    for (let at = program.indexOf(symbol); at !== -1; at = program.indexOf(symbol, at)) {
      program.write('x', at + 1)
      found++
    }
    if (found === 0) throw new Error(`${process.execPath} does not export ${name}`)
  }
  const path = join(folder, 'node')
  writeFileSync(path, program, { mode: 0o755 })
  return path
}

test('without memory of others, every kind of payload arrives whole', async (t) => {
  // What the helpers start runs in it from here on.
  process.execPath = nodeInCage()
  const server = await serve()
  t.teardown(() => server.kill())
  const client = new Program('payloads', server.name)
  t.deepEqual(await client.report(), [
    ...['kept', 'borrowed', 'large', 'compressed', 'synchronous', 'values', 'error', 'items'],
    ...['events', 'state frame', 'map', 'topic'],
  ])
  t.is(await client.end(), 0)
  t.is(client.errors, '')
})
