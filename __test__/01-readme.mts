// The README's programs, extracted and run as printed. A fenced block with a file name is that file; in
// a console block the lines that start with `$ ` are commands, and the others are what they print.

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
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')

interface Block {
  language: string
  file: string | undefined
  text: string
}

interface Command {
  text: string
  /** What is on the screen once it has printed everything. */
  screen: string
}

const blocks: Block[] = [...README.matchAll(/^```(\S+)(?: (\S+))?\n(.*?)^```$/gms)].map(
  ([, language, file, text]) => ({ language, file, text }),
)
const sessions = blocks.filter(({ language }) => language === 'console')

const folder = mkdtempSync(join(tmpdir(), 'ringpost-readme-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
install()

/** Makes the folder a project in which the README has been followed up to its first program. */
function install(): void {
  for (const { file, text } of blocks) {
    if (file !== undefined) writeFileSync(join(folder, file), text)
  }
  mkdirSync(join(folder, 'node_modules', '.bin'), { recursive: true })
  symlinkSync(ROOT, join(folder, 'node_modules', 'ringpost'))
  for (const name of ['@opentelemetry', '@types', 'typescript']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
  }
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  symlinkSync(tsc, join(folder, 'node_modules', '.bin', 'tsc'))
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
  readonly #path: string
  readonly #screen: number
  readonly #jobs: ChildProcess[] = []

  constructor(name: string) {
    this.#path = join(folder, `${name}.screen`)
    this.#screen = openSync(this.#path, 'a')
  }

  async run({ text, screen }: Command): Promise<void> {
    const job = /^kill %(\d+)$/.exec(text)
    if (job !== null) return this.#end(this.#jobs[Number(job[1]) - 1], 'SIGTERM')
    const child = this.#start(text.replace(/ &$/, ''))
    if (text.endsWith(' &')) this.#jobs.push(child)
    else await this.#succeeds(child, text)
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
      cwd: folder,
      env: { ...process.env, RINGPOST_DIR: join(folder, 'run') },
      stdio: ['ignore', this.#screen, this.#screen],
    })
  }

  async #succeeds(child: ChildProcess, command: string): Promise<void> {
    const late = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
    const [code, signal] = await once(child, 'exit')
    clearTimeout(late)
    if (code !== 0) throw new Error(`"${command}" ended with ${signal ?? code}:\n${this.read()}`)
  }

  /** A job may print after the command that made it do so has ended. */
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

for (const [index, session] of sessions.entries()) {
  const steps = commands(session.text)
  // The last of several ends what the others have started.
  const { text } = steps.at(-2) ?? steps[0]
  test.serial(`runs as printed: ${text}`, async (t) => {
    const terminal = new Terminal(`session-${index}`)
    t.teardown(() => terminal.close())
    for (const step of steps) await terminal.run(step)
    t.is(terminal.read(), steps.at(-1)!.screen)
  })
}

test('each program of the README is run by one of its sessions', (t) => {
  const typed = sessions.map(({ text }) => text).join('')
  for (const { file } of blocks) {
    if (file === undefined || file.startsWith('contract')) continue
    t.true(typed.includes(`$ node ${file.replace('.mts', '.mjs')}`), file)
  }
  t.true(sessions.length >= 2)
})
