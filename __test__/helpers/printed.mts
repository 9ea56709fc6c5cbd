// Documents whose programs are extracted and run as printed. A fenced block with a file name is that
// file, one in `diff` changes it; in a console block the lines that start with `$ ` are commands, and
// the others are what they print.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'

/** The longest any command may take, on a machine that is busy with other things. */
const TIMEOUT_MS = 120_000

const ROOT = dirname(createRequire(import.meta.url).resolve('ringpost/package.json'))

const folders: string[] = []
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

export interface Block {
  language: string
  file: string | undefined
  text: string
}

interface Command {
  text: string
  /** What is on the screen once it has printed everything. */
  screen: string
}

export interface Printed {
  /** Where its files are. */
  folder: string
  blocks: Block[]
  sessions: Block[]
}

/** Makes a folder a project with these packages beside ours, and of each session of a document a
 * test that does what stands above it and then runs it. */
export function runsAsPrinted(document: string, packages: string[]): Printed {
  const text = readFileSync(join(ROOT, document), 'utf8')
  const blocks: Block[] = [...text.matchAll(/^```(\S+)(?: (\S+))?\n(.*?)^```$/gms)].map(
    ([, language, file, text]) => ({ language, file, text }),
  )
  const sessions = blocks.filter(({ language }) => language === 'console')
  const folder = mkdtempSync(join(tmpdir(), 'ringpost-printed-'))
  folders.push(folder)
  install(folder, packages)
  let done = 0
  for (const [index, session] of sessions.entries()) {
    const steps = commands(session.text)
    // The last of several ends what the others have started.
    const { text } = steps.at(-2) ?? steps[0]
    test.serial(`${document} runs as printed: ${text} (${index + 1})`, async (t) => {
      for (const end = blocks.indexOf(session); done < end; done++) write(folder, blocks[done])
      const terminal = new Terminal(folder, `session-${index}`)
      t.teardown(() => terminal.close())
      for (const step of steps) await terminal.run(step)
      t.is(terminal.read(), steps.at(-1)!.screen)
    })
  }
  return { folder, blocks, sessions }
}

function install(folder: string, packages: string[]): void {
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '.bin'), { recursive: true })
  symlinkSync(ROOT, join(modules, 'ringpost'))
  for (const name of packages) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  // As npm installs it.
  const command = `#!/bin/sh\nexec '${process.execPath}' '${ROOT}/dist/cli/main.mjs' "$@"\n`
  writeFileSync(join(modules, '.bin', 'ringpost'), command, { mode: 0o755 })
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  symlinkSync(tsc, join(modules, '.bin', 'tsc'))
}

function write(folder: string, { language, file, text }: Block): void {
  if (file === undefined) return
  const path = join(folder, file)
  writeFileSync(path, language === 'diff' ? changed(readFileSync(path, 'utf8'), text) : text)
}

/** Replaces the lines that a diff has with a minus by those that it has with a plus. */
export function changed(text: string, diff: string): string {
  const side = (sign: string) =>
    diff.replaceAll(/^(.)(.*\n)/gm, (_, mark: string, line: string) => (mark === sign ? line : ''))
  const before = side('-')
  if (text.split(before).length !== 2) throw new Error(`this is not there once:\n${before}`)
  return text.replace(before, () => side('+'))
}

function commands(session: string): Command[] {
  let screen = ''
  const parts = session.split(/^\$ /m).slice(1)
  return parts.map((part) => {
    const end = part.indexOf('\n')
    screen += part.slice(end + 1)
    return { text: part.slice(0, end), screen }
  })
}

/** Runs commands as a terminal does: all of them write to one screen, and `&` makes a job. */
class Terminal {
  readonly #folder: string
  readonly #path: string
  readonly #screen: number
  readonly #jobs: ChildProcess[] = []

  constructor(folder: string, name: string) {
    this.#folder = folder
    this.#path = join(folder, `${name}.screen`)
    this.#screen = openSync(this.#path, 'a')
  }

  async run({ text, screen }: Command): Promise<void> {
    const job = /^kill %(\d+)$/.exec(text)
    if (job !== null) {
      await this.#end(this.#jobs[Number(job[1]) - 1], 'SIGTERM')
    } else {
      const child = this.#start(text.replace(/ &$/, ''))
      if (text.endsWith(' &')) this.#jobs.push(child)
      else await this.#succeeds(child, text)
    }
    await this.#shows(screen, text)
  }

  read(): string {
    return readFileSync(this.#path, 'utf8')
  }

  async close(): Promise<void> {
    await Promise.all(this.#jobs.map((job) => this.#end(job, 'SIGKILL')))
    closeSync(this.#screen)
  }

  #start(command: string): ChildProcess {
    return spawn('sh', ['-c', `exec ${command}`], {
      cwd: this.#folder,
      env: { ...process.env, RINGPOST_DIR: join(this.#folder, 'run') },
      stdio: ['ignore', this.#screen, this.#screen],
    })
  }

  async #succeeds(child: ChildProcess, command: string): Promise<void> {
    const late = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
    const [code, signal] = await once(child, 'exit')
    clearTimeout(late)
    if (code !== 0) throw new Error(`"${command}" ended with ${signal ?? code}:\n${this.read()}`)
  }

  /** A job may print after the command that made it do so has ended, `kill` of another included. */
  async #shows(screen: string, command: string): Promise<void> {
    const end = Date.now() + TIMEOUT_MS
    while (this.read().length < screen.length) {
      if (Date.now() > end) throw new Error(`after "${command}" the screen shows:\n${this.read()}`)
      await sleep(10)
    }
  }

  async #end(job: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    if (job.exitCode !== null || job.signalCode !== null) return
    job.kill(signal)
    await once(job, 'exit')
  }
}
