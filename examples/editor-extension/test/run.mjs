// The extension and its server in a real editor, as days go: windows reload, processes are killed.
//
//   node run.mjs <editor's folder> <chromium> <scratch folder> <installed extension>

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Editor } from './editor.mjs'
import { Program, killAll } from './programs.mjs'

const DEADLINE_MS = 180_000
/** What may pass between the end of the editor and that of its last process. */
const GRACE_MS = 5000

const [editorFolder, chromium, scratch, extension] = process.argv.slice(2)
// Where the sides meet: everything that is started here inherits it, the extension host too.
const meeting = join(scratch, 'ringpost')
process.env.RINGPOST_DIR = meeting

let situation = 'starting'
setTimeout(() => end(new Error(`not done in ${DEADLINE_MS / 1000} s`)), DEADLINE_MS).unref()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => end(new Error(signal)))
await play().then(() => end(), end)

async function play() {
  let server = serve()
  await server.says(/is listening/)
  const editor = await Editor.open(editorFolder, chromium, scratch)

  begin('the extension asks, waits and tells')
  let host = Number(await server.says(/^editor (\d+) has connected, memory: sealed$/))
  assert.match(commandLine(host), /--type=extensionHost/)
  await server.says(/^editor (\d+) is ready: code-server/)
  await editor.shows(`19 + 23 = 42, says process ${server.pid}`)

  begin('a reloaded window closes in good order and connects anew')
  await editor.reload()
  await server.says(RegExp(`^editor ${host} has gone: in good order$`))
  const reloaded = Number(await server.says(/^editor (\d+) is ready/))
  assert.notEqual(reloaded, host)
  host = reloaded
  await editor.shows(`19 + 23 = 42, says process ${server.pid}`)

  begin('a killed server is a typed error, and the next one is found')
  process.kill(server.pid, 'SIGKILL')
  await editor.shows('ERR_PEER_LOST, looking for a server')
  server = serve()
  await server.says(RegExp(`^editor ${host} is ready`))
  await editor.shows(`19 + 23 = 42, says process ${server.pid}`)

  begin('a killed extension host is noticed, and the next one connects')
  assert.match(commandLine(host), /--type=extensionHost/)
  process.kill(host, 'SIGKILL')
  await server.says(RegExp(`^editor ${host} has gone: ERR_PEER_LOST$`))
  await editor.reload()
  host = Number(await server.says(/^editor (\d+) is ready/))
  await editor.shows(`19 + 23 = 42, says process ${server.pid}`)

  begin('an editor that ends closes in good order, and nothing is left behind')
  await editor.close()
  await server.says(RegExp(`^editor ${host} has gone: in good order$`))
  process.kill(server.pid, 'SIGTERM')
  assert.equal(await server.ended, 0)
  assert.deepEqual(readdirSync(meeting), [])
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

/** Ends the run, and with it every process that was started for it. */
async function end(error) {
  const marker = `RINGPOST_DIR=${meeting}`
  if (error !== undefined) {
    console.error(`failed: ${situation}:`, error)
    await killAll(marker, 0)
    process.exit(1)
  }
  const left = await killAll(marker, GRACE_MS)
  if (left.length > 0) console.error(`still there at the end: ${left.join('; ')}`)
  process.exit(left.length === 0 ? 0 : 1)
}
