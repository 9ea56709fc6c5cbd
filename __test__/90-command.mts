// The `ringpost` command as a program of its own: its output and its exit codes.

import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import { perform } from '../cli/command.mjs'
import { COMMANDS } from '../cli/commands.mjs'
import { UsageError } from '../cli/usage.mjs'
import { play, start } from './helpers/command.mjs'
import { directory } from './helpers/directory.mjs'

const NAMES = COMMANDS.map(({ name }) => name)

for (const words of [['-h'], ['--help'], ['bench', '--help'], ['clean', '-h']]) {
  test.serial(`${words.join(' ')} prints the usage`, async (t) => {
    const { code, out, err } = await play(...words)
    t.is(code, 0)
    t.is(err, '')
    const command = words[0].startsWith('-') ? '<command>' : words[0]
    t.true(out.startsWith(`usage: ringpost ${command} `))
    if (NAMES.includes(command)) t.regex(out, /\n\nexit code: 0/)
    else for (const name of NAMES) t.regex(out, new RegExp(`^  ${name} `, 'm'))
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
  [['layout'], /^ringpost layout: a language is missing: --c\n/],
  [['layout', '--c'], /^ringpost layout: a module is missing\n/],
  [['layout', '--c', 'none.mjs'], /^ringpost layout: there is no file 'none.mjs'\n/],
  [['layout', '--rust'], /^ringpost layout: Unknown option '--rust'\n/],
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

for (const [words, sentence] of [
  [['call'], /^a server is missing/],
  [['call', 'demo'], /^a method is missing/],
  [['call', 'demo', 'x', '1', '2'], /^'2' is one word too many/],
  [['call', 'demo', 'x', '{'], /^the params are no JSON: /],
  [['call', 'demo', 'x', '[9007199254740993]'], /9007199254740993 is too large a number/],
  [['call', 'demo', 'x', '1e999'], /1e999 is too large a number/],
  [['call', 'demo', ' \n'], /^.*control char/],
  [['call', 'demo', 'x', '--codec=xml'], /--codec must be one of messagepack, json, bytes, got 'xml'/],
  [['call', 'demo', 'x', '--timeout=0'], /--timeout must be an integer from 1 .*, got '0'/],
  [['call', 'demo', 'x', '--token-file=no'], /^the token cannot be read: ENOENT/],
  [['call', 'demo', 'x', '--notify', '--raw'], /--notify and --raw do not go together/],
  [['call', 'demo', 'x', '--stream', '--compress'], /--stream and --compress do not go together/],
  [['tail'], /^a topic is missing/],
  [['tail', 'a', 'b'], /^'b' is one word too many/],
  [['tail', 'a', '--from=2'], /--from must be one of newest, oldest, next, got '2'/],
  [['tail', 'a', '--lines=-1'], /--lines must be an integer from 1 .*, got '-1'/],
  [['tail', 'a', '--json', '--raw'], /--json and --raw do not go together/],
  [['clean'], /^there is no terminal to ask on: --yes removes, --dry-run lists/],
  [['clean', 'all', '--yes'], /^'all' is one word too many/],
  [['clean', '--yes', '--dry-run'], /--yes and --dry-run do not go together/],
  [['completion'], /^a shell is missing/],
  [['completion', 'ksh'], /^there is no shell 'ksh'/],
] as const) {
  test.serial(`a command refuses what has no meaning: ${JSON.stringify(words)}`, async (t) => {
    const [name, ...rest] = words
    const command = COMMANDS.find((command) => command.name === name)!
    await t.throwsAsync(perform(command, rest), { instanceOf: UsageError, message: sentence })
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
