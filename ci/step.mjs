// Running one command as a named step, with its time, and what it printed only if it failed.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The folder of the project. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Says one clear sentence and ends. */
export function giveUp(sentence) {
  console.error(sentence)
  process.exit(1)
}

/**
 * Runs a command in the project's folder. Its output is shown as it comes with `loud`, else only
 * when it fails.
 */
export async function step(name, command, args, { env = {}, cwd = ROOT, loud = false } = {}) {
  const start = Date.now()
  process.stdout.write(loud ? `\n=== ${name}\n` : `${name} ... `)
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: loud ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  })
  const output = []
  child.stdout?.on('data', (data) => output.push(data))
  child.stderr?.on('data', (data) => output.push(data))
  const code = await new Promise((done) => {
    child.once('error', (error) => {
      output.push(Buffer.from(String(error)))
      done(127)
    })
    child.once('close', (code, signal) => done(code ?? signal))
  })
  const seconds = ((Date.now() - start) / 1000).toFixed(1)
  if (code === 0) {
    console.log(loud ? `=== ${name}: ${seconds} s` : `${seconds} s`)
    return
  }
  console.log(`failed after ${seconds} s`)
  process.stdout.write(Buffer.concat(output))
  giveUp(`\n${name} failed: ${command} ${args.join(' ')}`)
}

/**
 * Hands over to one of our own programs: what it prints and how it ends is what this prints and how
 * this ends. An interruption is for it to deal with.
 */
export async function become(...args) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {})
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  process.exitCode = code ?? 1
}
