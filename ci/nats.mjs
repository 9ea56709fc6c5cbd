// The tests of ringpost-nats, with a real NATS server: as `npm test` runs them, or at length.
//
//   node ci/nats.mjs [--long] [file ...]

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { findNatsServer } from './nats-server.mjs'
import { ROOT } from './step.mjs'
import './setup.mjs'

const server = findNatsServer()
if (server === undefined) {
  console.log('skipped: there is no nats-server here, and it cannot be installed')
  process.exit()
}
const args = process.argv.slice(2)
const isLong = args.includes('--long')
const files = args.filter((arg) => arg !== '--long')
const env = { ...process.env, NATS_SERVER: server, ...(isLong && { RINGPOST_LONG: '1' }) }
try {
  const options = { cwd: join(ROOT, 'nats'), env, stdio: 'inherit' }
  execFileSync('npx', ['--no-install', 'ava', ...files], options)
} catch (error) {
  process.exitCode = error.status ?? 1
}
