// Containers, sandboxes and limits: it works, or an error says what is missing.

import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { connect, createServer } from 'ringpost'
import { attempt, begin, hasNamespaces, unshare } from './helpers/attempt.mjs'
import { Echo } from './helpers/contracts.mjs'
import { directory } from './helpers/directory.mjs'

const inNamespaces = hasNamespaces ? test : test.skip
const where = () => ({ directory: mkdtempSync(join(directory, 'environment-')) })

// ---- namespaces ----

inNamespaces('processes in different PID namespaces can connect', async (t) => {
  for (const [server, client] of [[[], unshare('--pid')], [unshare('--pid'), []], [unshare('--pid'), unshare('--pid')]]) {
    const options = where()
    const serving = begin({ verb: 'serve', name: 'unseen', options }, { prefix: server })
    await serving.lines.next()
    const found = await attempt({ verb: 'ask', name: 'unseen', options }, { prefix: client })
    t.is(found.answer, 'answer', found.message)
    t.is(found.transport, 'sealed')
    // The number of a process is one of a namespace: what is outside has none.
    if (client.length > 0) t.is(found.pid, 0)
    else t.true(found.pid > 0)
    serving.stop()
    await serving.ended
  }
})

test('a connection within one process is marked as such', async (t) => {
  const options = where()
  await using server = await createServer('self', options)
  server.handle(Echo, (value) => value)
  const accepted = new Promise<boolean>((resolve) => {
    server.once('connection', ({ peer }) => resolve(peer.isSelf))
  })
  const client = await connect('self', options)
  t.true(client.peer.isSelf)
  t.true(await accepted)
  t.throws(() => client.requestSync(Echo, 1), { code: 'ERR_WOULD_DEADLOCK' })
  await client.close()
})

// ---- limits ----

test('a file size limit too small for shared memory is an error', async (t) => {
  for (const transport of ['sealed', 'portable']) {
    for (const blocks of [0, 1, 100]) {
      const options = { ...where(), transport }
      const { code, message } = await attempt(
        { verb: 'both', name: 'small', options },
        { shell: `ulimit -f ${blocks}` },
      )
      t.is(code, 'ERR_NO_SPACE', message)
      t.regex(message, /RLIMIT_FSIZE/)
      t.true(message.includes(`${blocks * 512} `) || message.includes(`${blocks * 1024} `), message)
    }
  }
  const rings = { critical: 4096, high: 4096, normal: 4096, low: 4096, control: 4096 }
  const options = { ...where(), rings }
  const { answer, message } = await attempt(
    { verb: 'both', name: 'small', options },
    { shell: 'ulimit -f 128' },
  )
  t.is(answer, 'answer', message)
})

test('the first failure of a thread has a code', async (t) => {
  const { first, later } = await attempt(
    { verb: 'without descriptors', name: 'nobody' },
    { shell: 'ulimit -n 64' },
  )
  t.like(first, { code: 'ERR_NO_DESCRIPTORS', isOurs: true })
  t.regex(first.message, /limit is 64 descriptors/)
  t.like(later, { code: 'ERR_NO_SERVER', isOurs: true })
})

inNamespaces('a full /dev/shm fails only the connection', async (t) => {
  const options = { ...where(), transport: 'portable' }
  const { code, message } = await attempt(
    { verb: 'both', name: 'full', options },
    { prefix: unshare('--mount'), shell: 'mount -t tmpfs -o size=256k none /dev/shm' },
  )
  t.is(code, 'ERR_NO_SPACE', message)
  t.regex(message, /allocating 643072 bytes in \/dev\/shm, where \d+ of 262144 bytes are free/)
})
