// The extension and its server in a real editor: windows are reloaded, processes are killed.
//
//   node run.mjs <editor's folder> <chromium> <scratch folder> <installed extension>

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Editor } from './editor.mjs'
import { Program, killAll } from './programs.mjs'

const DEADLINE_MS = 180_000
/** The longest time from the end of the editor to that of its last process. */
const GRACE_MS = 5000

const [editorFolder, chromium, scratch, extension] = process.argv.slice(2)
// The directory of the server: all processes started here inherit it, the extension host too.
const directory = join(scratch, 'ringpost')
process.env.RINGPOST_DIR = directory

let situation = 'starting'
setTimeout(() => end(new Error(`not finished within ${DEADLINE_MS / 1000} s`)), DEADLINE_MS).unref()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => end(new Error(signal)))
await run().then(() => end(), end)

async function run() {
  let server = serve()
  await server.prints(/is listening/)
  const editor = await Editor.open(editorFolder, chromium, scratch)

  begin('the extension sends a request, a synchronous request and an event')
  let host = Number(await server.prints(/^editor (\d+) has connected, memory: sealed$/))
  assert.match(commandLine(host), /--type=extensionHost/)
  await server.prints(/^editor (\d+) is ready: code-server/)
  await editor.shows(`19 + 23 = 42, answered by process ${server.pid}`)

  begin('a reloaded window closes gracefully and connects again')
  await editor.reload()
  await server.prints(RegExp(`^editor ${host} has disconnected: gracefully$`))
  const reloaded = Number(await server.prints(/^editor (\d+) is ready/))
  assert.notEqual(reloaded, host)
  host = reloaded
  await editor.shows(`19 + 23 = 42, answered by process ${server.pid}`)

  begin('a killed server is a typed error, and the next server is found')
  process.kill(server.pid, 'SIGKILL')
  await editor.shows('ERR_PEER_LOST, reconnecting')
  server = serve()
  await server.prints(RegExp(`^editor ${host} is ready`))
  await editor.shows(`19 + 23 = 42, answered by process ${server.pid}`)

  begin('a killed extension host is detected, and the next one connects')
  assert.match(commandLine(host), /--type=extensionHost/)
  process.kill(host, 'SIGKILL')
  await server.prints(RegExp(`^editor ${host} has disconnected: ERR_PEER_LOST$`))
  await editor.reload()
  host = Number(await server.prints(/^editor (\d+) is ready/))
  await editor.shows(`19 + 23 = 42, answered by process ${server.pid}`)

  begin('an editor that exits closes gracefully, and no file is left behind')
  await editor.close()
  await server.prints(RegExp(`^editor ${host} has disconnected: gracefully$`))
  process.kill(server.pid, 'SIGTERM')
  assert.equal(await server.ended, 0)
  assert.deepEqual(readdirSync(directory), [])
}

function serve() {
  return new Program('server', process.execPath, [join(extension, 'server.mjs')])
}

function begin(name) {
  situation = name
  console.log(`- ${name}`)
}

function commandLine(pid) {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
}

/** Ends the run and all processes that were started for it. */
async function end(error) {
  const marker = `RINGPOST_DIR=${directory}`
  if (error !== undefined) {
    console.error(`failed: ${situation}:`, error)
    await killAll(marker, 0)
    process.exit(1)
  }
  const left = await killAll(marker, GRACE_MS)
  if (left.length > 0) console.error(`still running at the end: ${left.join('; ')}`)
  process.exit(left.length === 0 ? 0 : 1)
}
