// The first program of the README in two processes, in the folder that is given: what it prints. In
// Node.js for Windows, by ci/windows.mjs.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { GREETING } from '../readme.mjs'
import { giveUp } from '../step.mjs'

const cwd = process.argv[2]
const server = spawn(process.execPath, ['hello.mjs', 'serve'], {
  cwd,
  stdio: ['ignore', 'pipe', 'inherit'],
})
const started = await Promise.race([once(server.stdout, 'data'), once(server, 'exit')])
const greeting = execFileSync(process.execPath, ['hello.mjs'], { cwd, encoding: 'utf8' })
server.kill()
if (greeting !== GREETING) giveUp(`${started} … ${greeting}`)
console.log(greeting.trim())
