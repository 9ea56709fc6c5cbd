// Runs the tour and checks what both ends print: node examples/tour/test.mjs

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const run = fileURLToPath(new URL('./run.mjs', import.meta.url))
const output = execFileSync(process.execPath, [run], { encoding: 'utf8', timeout: 120_000 })
const lines = output.trimEnd().split('\n')
console.log(output)

const byServer = (line) => line.startsWith('  server: ')
assert.match(lines[0], /^connected to process \d+, memory: (sealed|portable)$/)
assert.deepEqual(lines.slice(1).filter((line) => !byServer(line)), [
  'a request: 19 + 23 = 42',
  'a large message: 8388608 bytes returned, equal: true',
  'an error: RangeError E_ON_FIRE: this cannot work, caused by: the disk is on fire',
  'a timeout: ERR_TIMEOUT',
  'a cancellation: AbortError',
  'a stream, left after six items: once upon a time once upon',
  'the server was killed: ERR_PEER_LOST',
  'a request that the next server has answered: 20 + 22 = 42',
  'closed',
])
// The two processes print at the same time, so that only the lines themselves are certain.
assert.deepEqual(lines.filter(byServer).sort(), [
  '  server: a note: this needs no reply',
  '  server: the caller has given up, so the handler stops',
  '  server: the caller has given up, so the handler stops',
  '  server: the reader has left, so the generator ends',
])
