// What containers that share a directory have to share beside it, and what not: docs/service.md.

import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { attempt, begin, contained, isRoot } from './helpers/attempt.mjs'
import { directory } from './helpers/directory.mjs'

const where = () => ({ directory: mkdtempSync(join(directory, 'container-')) })
const [command, ...args] = contained()
const canContain = spawnSync(command, [...args, 'true']).status === 0
const inContainers = canContain ? test : test.skip
if (!canContain) console.log('skipped: containers, because there are no user namespaces here')

inContainers('containers that share the directory need nothing else in common', async (t) => {
  for (const [server, client] of [
    [contained(), contained()],
    [contained(), []],
    [[], contained()],
  ]) {
    const what = { name: 'shared', options: where() }
    const serving = begin({ verb: 'serve and publish', ...what }, { prefix: server })
    const { value: up } = await serving.lines.next()
    const found = await attempt({ verb: 'ask and read', ...what }, { prefix: client })
    t.is(found.answer, 'answer', found.message)
    t.is(found.transport, 'sealed')
    t.deepEqual(found.read, ['frame', 'topic', 'map'])
    // From outside a process in a container has a number; it sees no number of one outside.
    if (client.length > 0) t.is(found.pid, 0)
    else t.true(found.pid > 0 && found.pid !== up.pid)
    serving.stop()
    await serving.ended
  }
})

inContainers('what counts is the user outside, whatever it is called inside', async (t) => {
  const what = { name: 'mapped', options: where() }
  const prefix = contained('--map-user=1000')
  const serving = begin({ verb: 'serve and publish', ...what })
  await serving.lines.next()
  const found = await attempt({ verb: 'ask and read', ...what }, { prefix })
  t.like(found, { answer: 'answer', uid: 1000 }, found.message)
  serving.stop()
  await serving.ended
})

inContainers('only the portable transport needs one /dev/shm', async (t) => {
  const options = { ...where(), transport: 'portable' }
  const serving = begin({ verb: 'serve', name: 'named', options })
  await serving.lines.next()
  const apart = await attempt({ verb: 'ask', name: 'named', options }, { prefix: contained() })
  // Its server may give it up before, on a machine that is busy.
  t.regex(apart.code, /^ERR_(SYSTEM|HANDSHAKE)$/, apart.message)
  t.is((await attempt({ verb: 'ask', name: 'named', options })).answer, 'answer')
  serving.stop()
  await serving.ended
})

const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
const asRoot =
  isRoot && spawnSync(AS_NOBODY[0], [...AS_NOBODY.slice(1), 'true']).status === 0 ? test : test.skip

asRoot('another user is refused, although it can reach the directory', async (t) => {
  const reachable = mkdtempSync(join(tmpdir(), 'ringpost-reachable-'))
  t.teardown(() => rmSync(reachable, { recursive: true }))
  chmodSync(reachable, 0o711)
  const what = { name: 'ours', options: { directory: join(reachable, 'meeting') } }
  const serving = begin({ verb: 'serve', ...what })
  await serving.lines.next()
  const { code, message } = await attempt({ verb: 'ask', ...what }, { prefix: AS_NOBODY })
  t.is(code, 'ERR_FOREIGN_USER', message)
  serving.stop()
  await serving.ended
})
