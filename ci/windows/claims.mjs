// Several processes claim one name again and again, and give it up or die while they have it: never
// have two the name at once, and it is never lost. In Node.js for Windows, by ci/windows.mjs.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { claimPipe, findPipe, PipeInUse } from '../../dist/ts/wasm/pipes.js'

const PROCESSES = 4
const ROUNDS = 20
const NAME = 'Contested'

if (process.argv[2] === 'claim') claim(process.argv[3])
else await rounds(mkdtempSync(join(tmpdir(), 'ringpost-claims-')))

/** Claims the name when it is told to, says what came of that, and ends by giving it up. */
function claim(folder) {
  let claimed
  process.on('message', (order) => {
    if (order === 'end') {
      claimed?.release()
      process.exit()
    }
    const server = createServer((socket) => socket.on('error', () => {}).end(String(process.pid)))
    try {
      claimed = claimPipe(folder, NAME, (address) => server.listen(address))
      process.send('has it')
    } catch (error) {
      if (!(error instanceof PipeInUse)) throw error
      process.send('refused')
    }
  })
  process.send('ready')
}

async function rounds(folder) {
  // Its files are not those of the other, although names of files are the same in capitals.
  const server = createServer()
  const other = claimPipe(folder, NAME.toLowerCase(), (address) => server.listen(address))
  for (let round = 0; round < ROUNDS; round++) {
    const processes = Array.from({ length: PROCESSES }, () => {
      return fork(fileURLToPath(import.meta.url), ['claim', folder])
    })
    await Promise.all(processes.map((one) => once(one, 'message')))
    const answers = processes.map((one) => once(one, 'message'))
    for (const one of processes) one.send('claim it')
    const found = (await Promise.all(answers)).map(([answer]) => answer)
    const owners = processes.filter((_, at) => found[at] === 'has it')
    if (owners.length !== 1) throw new Error(`round ${round}: ${found.join(', ')}`)
    const answering = await whoAnswers(findPipe(folder, NAME))
    if (answering !== owners[0].pid) throw new Error(`round ${round}: it leads to ${answering}`)
    const ended = processes.map((one) => once(one, 'exit'))
    for (const one of processes) {
      if (round % 2 === 0) one.kill('SIGKILL')
      else one.send('end')
    }
    await Promise.all(ended)
    if (findPipe(folder, NAME) !== undefined) throw new Error(`round ${round}: a dead server is found`)
  }
  rmSync(join(folder, `server-${NAME.toLowerCase()}.pipe`))
  if (other.isStanding()) throw new Error('a file that is gone was not missed')
  const again = createServer()
  other.restore((address) => again.listen(address))
  const stays = other.isStanding() && findPipe(folder, NAME.toLowerCase()) === other.address
  if (!stays) throw new Error('another name was lost')
  other.release()
  for (const one of [server, again]) one.close()
  const left = readdirSync(folder)
  if (left.length > 0) throw new Error(`these files are left: ${left.join(', ')}`)
  rmSync(folder, { recursive: true })
  console.log(`${PROCESSES} processes, ${ROUNDS} rounds: one had the name each time`)
  process.exit()
}

async function whoAnswers(address) {
  let text = ''
  for await (const part of connect(address)) text += part
  return Number(text)
}
