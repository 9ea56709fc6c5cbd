// `ringpost clean`: what is found, what is asked, and what is left alone.

import { chmodSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connect, createServer, createTopic, topic } from 'ringpost'
import { play, Terminal } from './helpers/command.mjs'
import { directory } from './helpers/directory.mjs'
import { Program, serve } from './helpers/program.mjs'

const files = () => readdirSync(directory).sort()

/** Kills a server, and a publisher of a topic and its last message. */
async function leave(): Promise<void> {
  const server = await serve({ name: 'dead' })
  const publisher = new Program('topic', { name: 'news', publish: 'asked' })
  await publisher.report()
  publisher.send('1')
  await publisher.report()
  await Promise.all([server.kill(), publisher.kill()])
}

const SERVER = ['dead.lock', 'dead.sock', 'dead.status']
const TOPIC = ['news.topic', 'news.topic-readers']

/** Which of the files in this directory are listed. Segments are those of all tests. */
function listed(out: string): string[] {
  const lines = out.split('\n').filter((line) => line.includes(directory))
  return lines.map((line) => line.slice(line.lastIndexOf('/') + 1)).sort()
}

async function asked(t: ExecutionContext, keys: string, code: number): Promise<Terminal> {
  const terminal = Terminal.ofCommand(t, 'clean')
  await terminal.shows(/^Remove these \d+ files\? \[y\/N\] $/m)
  const [, count] = /these (\d+) files/.exec(terminal.shown)!
  const lines = terminal.shown.split('\n').filter((line) => line.startsWith('  '))
  t.is(lines.length, Number(count))
  terminal.type(keys)
  t.is(await terminal.ended, code)
  return terminal
}

test.serial('what is left is listed, and only removed with a yes', async (t) => {
  await leave()
  const before = files()
  t.deepEqual(before, [...SERVER, ...TOPIC])
  const { code, out, err } = await play('clean', '--dry-run')
  t.deepEqual([code, err, listed(out)], [0, '', SERVER])
  t.regex(out, /^ {2}server "dead" +\/.*dead\.lock\n {2}server "dead" +\/.*dead\.sock\n {2}server "dead" +\/.*dead\.status$/m)
  t.is((await play('clean')).code, 2)
  for (const keys of ['n\n', '\n', 'yesterday\n', '\x04']) {
    t.regex((await asked(t, keys, 0)).shown, /\nnothing was removed\n$/)
  }
  await asked(t, '\x03', 130)
  t.deepEqual(files(), before)
  const { shown } = await asked(t, 'y\n', 0)
  t.regex(shown, /\nremoved \d+ files\n$/)
  t.deepEqual(files(), TOPIC)
})

test.serial('what was published stays, unless that is asked for', async (t) => {
  t.deepEqual(listed((await play('clean', '--yes')).out), [])
  t.deepEqual(files(), TOPIC)
  t.deepEqual(listed((await play('clean', '--published', '--dry-run')).out), TOPIC)
  const { code, out } = await play('clean', '--published', '-y')
  t.deepEqual([code, listed(out)], [0, TOPIC])
  t.deepEqual(files(), [])
})

test.serial('what lives is left alone', async (t) => {
  const server = await createServer('alive')
  t.teardown(() => server.close())
  // Behind that: a server that starts removes what dead ones have left.
  await leave()
  using publisher = createTopic(topic('alive'))
  void publisher.publish(1)
  const { out } = await play('clean', '--yes', '--published')
  t.deepEqual(listed(out), [...SERVER, ...TOPIC])
  t.deepEqual(files(), ['alive.lock', 'alive.sock', 'alive.status', 'alive.topic', 'alive.topic-readers'])
  await (await connect('alive')).close()
  await server.close()
  publisher.close({ remove: true })
  await play('clean', '--yes')
})

test.serial('what is used again before the answer stays', async (t) => {
  await leave()
  const terminal = Terminal.ofCommand(t, 'clean', '--published')
  await terminal.shows(/\? \[y\/N\] $/m)
  const again = await createServer('dead')
  using publisher = createTopic(topic('news'))
  void publisher.publish(1)
  terminal.type('y\n')
  t.is(await terminal.ended, 0)
  t.regex(terminal.shown, /dead\.lock is in use or gone by now/)
  t.regex(terminal.shown, /news\.topic is in use or gone by now/)
  await (await connect('dead')).close()
  await again.close()
  t.true(existsSync(join(directory, 'news.topic')))
})

test.serial('a directory that cannot be used is an error', async (t) => {
  chmodSync(directory, 0o755)
  const { code, err } = await play('clean', '--yes')
  chmodSync(directory, 0o700)
  t.is(code, 1)
  t.regex(err, /^ringpost clean: ERR_UNSAFE_DIRECTORY: /)
})
