// The `ringpost` command as a program of its own: its output and its exit codes.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { directory } from './helpers/directory.mjs'

const COMMAND = fileURLToPath(new URL('../cli/main.mjs', import.meta.url))

interface Ended {
  code: number | null
  out: string
  err: string
}

function start(...words: string[]) {
  const child = fork(COMMAND, words, { silent: true, env: { ...process.env, TMPDIR: directory } })
  const ended = Promise.all([once(child, 'exit'), text(child.stdout!), text(child.stderr!)]).then(
    ([[code], out, err]): Ended => ({ code: code as number | null, out, err }),
  )
  return { child, ended }
}

const play = (...words: string[]) => start(...words).ended

for (const words of [['-h'], ['--help'], ['bench', '-h'], ['bench', '--help']]) {
  test.serial(`${words.join(' ')} prints the usage`, async (t) => {
    const { code, out, err } = await play(...words)
    t.is(code, 0)
    t.is(err, '')
    t.regex(out, words[0] === 'bench' ? /^usage: ringpost bench / : /^usage: ringpost <command> /)
  })
}

test.serial('--version prints the version of the package', async (t) => {
  const file = new URL('../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  t.is((await play('--version')).out, `${version}\n`)
})

for (const [words, sentence] of [
  [[], /^ringpost: a command is missing\n/],
  [['dance'], /^ringpost: there is no command 'dance'\n/],
  [['gate'], /^ringpost: there is no command 'gate'\n/],
  [['constructor'], /^ringpost: there is no command 'constructor'\n/],
  [['bench', 'dance'], /^ringpost bench: there is no case 'dance'\n/],
  [['bench', '--dance'], /^ringpost bench: Unknown option '--dance'\n/],
  [['bench', '--quick=no'], /^ringpost bench: Option '--quick' does not take an argument\n/],
  [['bench', '--json=file'], /^ringpost bench: Option '--json' does not take an argument\n/],
] as const) {
  test.serial(`a mistake is answered with the usage: ${words.join(' ')}`, async (t) => {
    const { code, out, err } = await play(...words)
    t.is(code, 2)
    t.is(out, '')
    t.regex(err, sentence)
    t.regex(err, /\n\nusage: ringpost /)
    t.notRegex(err, /\n {4}at /)
  })
}

test.serial('bench prints a table of all cases', async (t) => {
  const { code, out, err } = await play('bench', '--quick')
  t.is(err, '')
  t.is(code, 0)
  t.regex(out, /Ringpost +Unix socket +times better/)
  for (const name of ['round trip, 64 B, p50', 'one-way, 64 B', 'round trip, 1 MiB, p50']) {
    t.regex(out, new RegExp(`^${name} .* [\\d.]+ .*×`, 'm'))
  }
})

test.serial('bench prints the named cases as JSON', async (t) => {
  const { code, out } = await play('bench', 'one-way', '--quick', '--json')
  t.is(code, 0)
  const results = JSON.parse(out) as Record<string, unknown[]> & { format: string }
  const { format, rows, failures } = results
  t.is(format, 'ringpost-bench-here/1')
  t.deepEqual(failures, [])
  t.is(rows.length, 1)
  const [{ id, unit, ringpost, unixSocket, ratio }] = rows as Record<string, number | string>[]
  t.deepEqual([id, unit], ['one-way.rate', '/s'])
  t.true(Number(ringpost) > 0 && Number(unixSocket) > 0)
  t.is(ratio, Number(ringpost) / Number(unixSocket))
})

test.serial('an interruption ends bench without a stack and without leftovers', async (t) => {
  const before = readdirSync(directory)
  const { child, ended } = start('bench')
  while (readdirSync(directory).length === before.length) {
    await new Promise((done) => setTimeout(done, 20))
  }
  child.kill('SIGINT')
  const { code, out, err } = await ended
  t.is(code, 130)
  t.is(out, '')
  t.is(err, 'ringpost bench: interrupted\n')
  t.deepEqual(readdirSync(directory), before)
})
