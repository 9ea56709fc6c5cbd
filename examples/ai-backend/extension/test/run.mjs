// The extension in a real editor, with its backend: what a person does in it, and everything that
// is killed, replaced and reloaded meanwhile.
//
//   node run.mjs <code-server's lib/vscode> <chromium> <scratch folder> <.vsix>

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../../testing/processes.mjs'
import { Editor } from './editor.mjs'
import { killAll } from './programs.mjs'

const DEADLINE_MS = 540_000
/** The longest time from the end of the editor to that of its last process. */
const GRACE_MS = 15_000
/** The backend ends soon after the last window. */
const ARGUMENTS = ['--idle-exit', '3']
/** What the status bar shows. */
const READY = /AI \d+\.\d+\.\d+: \d+\.\d\d ms/
const UPGRADED = /AI 2\.0\.0: \d+\.\d\d ms/
/** It is shown as it was typed, and the same question has the same answer. */
const QUESTION = 'What is a <b>ring</b>?'

const [vscode, chromium, scratch, vsix] = process.argv.slice(2)
// Where servers and clients meet: all processes started here inherit it, the extension hosts too.
const directory = join(scratch, 'ringpost')
process.env.RINGPOST_DIR = directory
const workspace = join(scratch, 'workspace')
mkdirSync(workspace)
writeFileSync(join(workspace, 'notes.txt'), 'Apples are red.\n')
writeFileSync(join(workspace, 'program.py'), '')
writeFileSync(join(scratch, 'secret.txt'), 'confidential\n')
symlinkSync(join(scratch, 'secret.txt'), join(workspace, 'link.txt'))

let situation = 'starting'
setTimeout(() => end(new Error(`not finished within ${DEADLINE_MS / 1000} s`)), DEADLINE_MS).unref()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => end(new Error(signal)))
await run().then(() => end(), end)

async function run() {
  const broken = { 'aiBackend.program': join(scratch, 'nonesuch') }
  const editor = await Editor.start(vscode, chromium, scratch, vsix, broken)
  /** Waits for a line that a backend has logged. */
  const logged = (event, isIt) =>
    until(`a backend logs "${event}"`, () =>
      editor.backendLog().find((line) => line.event === event && isIt(line)),
    )
  const usage = async (window) => {
    await window.command('Show Usage')
    const { pid, windows, cancelled } = await window.notifies(
      /process (?<pid>\d+): (?<windows>\d+) windows?, \d+ requests? \((?<cancelled>\d+) cancelled/,
    )
    return { pid: Number(pid), windows: Number(windows), cancelled: Number(cancelled) }
  }

  begin('a backend that cannot be started is an error that says why, until the settings are right')
  const one = await editor.open('one', workspace, 'notes.txt')
  await one.shows(/AI: failed/)
  await one.command('Show Usage')
  await one.notifies(/the backend cannot be started: .*nonesuch/)
  editor.configure({ 'aiBackend.arguments': ARGUMENTS })
  await one.shows(READY)

  begin('three windows share one backend')
  const [two, three] = await Promise.all(
    ['two', 'three'].map((name) => editor.open(name, workspace, 'program.py')),
  )
  const windows = [one, two, three]
  for (const window of windows) await window.shows(READY)
  const first = await usage(one)
  assert.equal(first.windows, 3)
  assert.equal((await usage(three)).pid, first.pid)
  assert.equal(editor.backendLog().filter(({ event }) => event === 'serving').length, 1)

  begin('tokens appear as they come')
  await one.openChat()
  await one.ask(QUESTION)
  const beginning = await one.says(1)
  const middle = await one.says(beginning.length + 10)
  const whole = await one.ends(/^\d+ tokens$/)
  assert.ok(whole.startsWith(middle) && middle.startsWith(beginning))
  assert.ok(whole.length > middle.length)

  begin('the page of the chat runs no script but its own')
  assert.equal(await one.runsScript(), false)

  begin('a chat is cancelled')
  for (const cancel of [() => one.clickCancel(), () => one.pressEscape()]) {
    await one.ask('And what is a lane?')
    await one.says(1)
    await cancel()
    await one.ends(/^cancelled$/)
  }
  assert.equal((await usage(one)).cancelled, first.cancelled + 2)

  begin('tools read and edit files of the workspace, and no others')
  await one.ask('/read notes.txt')
  assert.match(await one.ends(/tokens/), /^Reading notes\.txt: it has 1 line\./)
  await one.type('Pears as well.\n')
  await one.ask('/read notes.txt\n/replace notes.txt red => green')
  const edited = /notes\.txt: it has 2 lines\.\nEditing notes\.txt: it is changed\./
  assert.match(await one.ends(/tokens/), edited)
  assert.match(await one.text(), /Apples are green\./)
  for (const path of ['../secret.txt', 'link.txt', join(scratch, 'secret.txt')]) {
    await one.ask(`/read ${path}`)
    const answer = await one.ends(/tokens/)
    assert.match(answer, /there is no file ".*" in the workspace/)
    assert.doesNotMatch(answer, /confidential/)
  }

  begin('a completion is offered, and the next keystroke cancels it')
  await two.type('value = ')
  await two.completes()
  const before = await usage(two)
  // Some keys come when the editor has asked for the one before, and before that is computed.
  await until('the backend was told to compute no further', async () => {
    await two.type('x'.repeat(40), { delay: 60 })
    return (await usage(two)).cancelled > before.cancelled
  })

  begin('a backend that is killed in the middle of a chat is started again, and the chat goes on')
  await two.openChat()
  await two.ask(QUESTION)
  const begun = await two.says(10)
  process.kill(first.pid, 'SIGKILL')
  assert.equal(await two.ends(/^\d+ tokens$/), whole)
  assert.ok(whole.startsWith(begun))
  for (const window of windows) await window.shows(READY)
  const second = await usage(two)
  assert.notEqual(second.pid, first.pid)
  await until('all windows are back', async () => (await usage(two)).windows === 3)

  begin('an upgrade loses no request')
  editor.configure({ 'aiBackend.arguments': [...ARGUMENTS, '--as', '2.0.0'] })
  await three.openChat()
  await three.ask(QUESTION)
  await three.says(1)
  await one.command('Upgrade')
  await one.notifies(/The backend is 2\.0\.0 now, and was (?<before>\d+\.\d+\.\d+)\./)
  assert.equal(await three.ends(/^\d+ tokens$/), whole)
  for (const window of windows) await window.shows(UPGRADED)

  begin('a backend is restarted, also one that hangs')
  const third = await usage(one)
  await one.command('Restart')
  const isAnother = ({ pid }, than) => pid !== than.pid
  await until('there is another', async () => isAnother(await usage(one), third))
  const hanging = await usage(one)
  process.kill(hanging.pid, 'SIGSTOP')
  await one.shows(/AI: hangs/)
  await one.command('Restart')
  for (const window of windows) await window.shows(UPGRADED)
  assert.ok(isAnother(await usage(one), hanging))

  begin('a reloaded window closes its connection in good order, and connects again')
  const fourth = await usage(one)
  await three.reload()
  await logged('disconnected', ({ pid, code }) => pid === fourth.pid && code === null)
  await three.shows(UPGRADED)

  begin('a killed extension host is noticed, and the next one connects')
  const { editor: host } = editor
    .backendLog()
    .findLast(({ pid, event }) => pid === fourth.pid && event === 'connected')
  assert.match(readFileSync(`/proc/${host}/cmdline`, 'utf8'), /--type=extensionHost/)
  process.kill(host, 'SIGKILL')
  await logged('disconnected', ({ pid, code }) => pid === fourth.pid && code === 'ERR_PEER_LOST')
  await three.reload()
  await three.shows(UPGRADED)

  begin('with the editor the backend ends, and no file is left behind')
  await editor.close()
  await logged('ended', ({ pid }) => pid === fourth.pid)
  await until('no file is left', () => readdirSync(directory).length === 0)
}

function begin(name) {
  situation = name
  console.log(`- ${name}`)
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
