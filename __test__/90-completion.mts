// `ringpost completion`: what the Tab key gives, in the shells themselves.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { COMMANDS } from '../cli/commands.mjs'
import { completed } from '../cli/completion.mjs'
import { createServer, createTopic, topic, type Server } from 'ringpost'
import { COMMAND, play, Terminal } from './helpers/command.mjs'
import { directory } from './helpers/directory.mjs'
import { serve } from './helpers/program.mjs'

/** Where a shell finds the command by its name. */
const bin = join(directory, 'bin')
let server: Server

test.before(async () => {
  mkdirSync(bin)
  const program = `#!/bin/sh\nexec '${process.execPath}' '${COMMAND}' "$@"\n`
  writeFileSync(join(bin, 'ringpost'), program, { mode: 0o755 })
  process.env.PATH = `${bin}:${process.env.PATH}`
  const dead = await serve({ name: 'calm' })
  await dead.kill()
  server = await createServer('calculator')
  createTopic(topic('cameras'))
  // Of no server.
  writeFileSync(join(directory, '$(touch evil).sock'), '')
})
test.after.always(() => server.close())

const NAMES = 'bench call clean completion inspect layout ls tail top'.split(' ')

for (const [words, expected] of [
  [[''], [...NAMES, '--help', '--version']],
  [['c'], ['call', 'clean', 'completion']],
  [['dance', ''], []],
  [['call', 'c'], ['calculator']],
  [['call', 'calculator', ''], []],
  [['call', '--timeout', '5', ''], ['calculator']],
  [['call', '--stream', 'calc'], ['calculator']],
  [['call', '--timeout', ''], []],
  [['call', 'calculator', 'm', '--codec', 'j'], ['json']],
  [['clean', '--'], ['--yes', '--dry-run', '--published', '--help']],
  [['tail', ''], ['cameras']],
  [['tail', '--from', ''], ['newest', 'oldest', 'next']],
  [['bench', 'one'], ['one-way']],
  [['completion', ''], ['bash', 'zsh', 'fish']],
] as const) {
  test.serial(`words go on: ${words.join(' ')}|`, (t) => {
    t.deepEqual(completed(COMMANDS, [...words]), [...expected])
  })
}

test.serial('in bash, words are completed by the function that the script defines', (t) => {
  const script = execFileSync('ringpost', ['completion', 'bash'], { encoding: 'utf8' })
  const lines = [
    script,
    'COMP_WORDS=(ringpost call calc) COMP_CWORD=2',
    '_ringpost; printf "%s\\n" "${COMPREPLY[@]}"',
    'complete -p ringpost',
  ]
  const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-euc', lines.join('\n')], {
    encoding: 'utf8',
  })
  t.deepEqual([status, stderr], [0, ''])
  t.is(stdout, 'calculator\ncomplete -o default -F _ringpost ringpost\n')
})

test.serial('in bash on a terminal, Tab completes a call', async (t) => {
  const terminal = new Terminal(t, 'bash --norc --noprofile -i')
  terminal.type('PS1="> "; source <(ringpost completion bash); echo "rea""dy"\n')
  await terminal.shows(/^ready$/m)
  terminal.type('ringpost cal\tcalc\t--tok\t\x01echo \x05\n')
  await terminal.shows(/^ringpost call calculator --token-file *$/m)
  terminal.type('exit\n')
  t.is(await terminal.ended, 0)
})

for (const [shell, ...flags] of [
  ['bash', '-n'],
  ['zsh', '-n'],
  ['fish', '--no-execute'],
] as const) {
  test.serial(`the script is one of ${shell}`, async (t) => {
    const { out } = await play('completion', shell)
    t.true(out.includes('completion words --'))
    const file = join(directory, `script.${shell}`)
    writeFileSync(file, out)
    const { error, status, stderr } = spawnSync(shell, [...flags, file], { encoding: 'utf8' })
    const isMissing = error !== undefined && 'code' in error && error.code === 'ENOENT'
    if (isMissing && shell !== 'bash') t.log(`skipped: there is no ${shell} on this machine`)
    else t.deepEqual([status, stderr], [0, ''])
  })
}
