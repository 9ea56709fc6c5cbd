// Runs the test peer in Rust as an attacker of programs of Windows: conformance/attackers.mts, which
// is the other end, says how. Each connection begins with a line: `peer` starts one and is its
// standard input and output, `to <name>` leads to what such a peer serves.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** Returns the port, which is open until this process ends. */
export async function openAttackers(testPeer) {
  const folder = mkdtempSync(join(tmpdir(), 'ringpost-attackers-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (data) => {
      const end = data.indexOf('\n')
      const [what, name] = data.toString('latin1', 0, end).split(' ')
      socket.pause()
      socket.unshift(data.subarray(end + 1))
      if (what === 'to') relay(socket, connect(join(folder, name)))
      else start(testPeer, folder, socket)
    })
  })
  server.unref()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server.address().port
}

function start(testPeer, folder, socket) {
  const peer = spawn(testPeer, { stdio: ['pipe', 'pipe', 'inherit'] })
  peer.stdin.on('error', () => {})
  peer.stdout.pipe(socket)
  socket.once('close', () => peer.kill('SIGKILL'))
  peer.once('exit', () => socket.end())
  let last = Promise.resolve()
  createInterface({ input: socket }).on('line', (line) => {
    last = last.then(() => redirect(line, folder)).then((text) => peer.stdin.write(`${text}\n`))
  })
}

/** Replaces what an order has for a path by the path of a socket. */
async function redirect(line, folder) {
  const { id, do: command } = JSON.parse(line)
  for (const [what, order] of Object.entries(command.malicious)) {
    if (order.path === undefined) continue
    const path = join(folder, order.path)
    if (what !== 'serve') await lead(path, Number(order.path))
    order.path = path
  }
  return JSON.stringify({ id, do: command })
}

/** Has whatever connects to the path connected to that port. */
async function lead(path, port) {
  const server = createServer((attacker) => {
    server.close()
    relay(attacker, connect(port, '127.0.0.1'))
  })
  server.unref()
  await once(server.listen(path), 'listening')
}

/** Passes on what comes from either, and its end. */
function relay(one, other) {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ]) {
    from.on('error', () => to.destroy())
    from.on('close', () => to.end())
    from.pipe(to)
  }
}
