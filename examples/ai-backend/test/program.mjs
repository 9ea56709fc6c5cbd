// The whole as a person starts it.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { backendProgram } from '../programs.mjs'
import { started } from '../../testing/processes.mjs'
import { gone, Place } from './helpers.mjs'

const RUN = fileURLToPath(new URL('../run.mjs', import.meta.url))

test('it shows all there is, and ends', async (t) => {
  const program = started(t, RUN, new Place(t).environment)
  await program.prints(/backend [\d.]+, process (\d+), answers in/)
  await program.prints(/\[(40) tokens, 0 tool calls, ended by length\]/)
  await program.prints(/\[1 cancelled; (0) tokens were made/)
  await program.prints(/greet\.js is now: console\.log\('(hello, world)'\)/)
  await program.prints(/(512) vectors of 256 dimensions/)
  await program.prints(/\[process (\d+) is killed\]/)
  await program.prints(/\[(40) of 40 tokens\]/)
  await program.prints(/(200) of 200 completions were answered/)
  await program.prints(/(2\.0\.0) is process \d+/)
  await program.prints(/(All) have ended/)
  assert.equal(await program.ended, 0)
})

test('if it is killed, the backend ends too', async (t) => {
  const program = started(t, RUN, new Place(t).environment)
  const pid = await program.prints(/backend [\d.]+, process (\d+), answers in/)
  program.child.kill('SIGKILL')
  await gone(Number(pid))
})

test('the backend explains itself, and names what it does not understand', (t) => {
  const { environment: env } = new Place(t)
  const run = (...args) => spawnSync(backendProgram(), args, { env, encoding: 'utf8' })
  const { status, stdout } = run('--help')
  assert.equal(status, 0)
  assert.match(stdout, /--idle-exit <seconds> /)
  const mistaken = run('--nam', 'one')
  assert.equal(mistaken.status, 2)
  assert.equal(mistaken.stderr, 'ai-backend: there is no option --nam; --help lists them\n')
  const wrong = run('--name', 'a/b')
  assert.equal(wrong.status, 1)
  assert.match(wrong.stderr, /"event":"failed",.*"code":"ERR_INVALID_NAME"/)
})
