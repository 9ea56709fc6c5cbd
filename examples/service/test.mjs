// Runs the service and checks what it prints: node examples/service/test.mjs

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const run = fileURLToPath(new URL('./run.mjs', import.meta.url))
const output = execFileSync(process.execPath, [run], { encoding: 'utf8', timeout: 120_000 })
console.log(output)
const lines = output.trimEnd().split('\n')
const killed = [1, 2, 3].map((at) => `server ${at} has answered all clients, and is killed`)
assert.deepEqual(lines.slice(0, -1), killed)
assert.match(lines.at(-1), /^the next one as well: \d+ calls, and none has failed$/)
