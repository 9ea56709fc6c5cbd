// Runs a command as a named step: prints how long it took, and its output only if it failed.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The folder of the project. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** How a benchmark run ends that has measured everything, with a figure that misses what it is held
 * to: see benches/cli/bench.mts. */
export const MISSED = 5

/** Prints a message and exits with code 1. */
export function giveUp(sentence) {
  console.error(sentence)
  process.exit(1)
}

/** Like {@link attempt}, but exits if the command fails. */
export async function step(name, command, args, options) {
  if (!(await attempt(name, command, args, options))) {
    giveUp(`\n${name} failed: ${command} ${args.join(' ')}`)
  }
}

/**
 * Runs a command in the project's folder, and kills it with everything it has started after
 * `minutes`, if given. Output is shown as it arrives with `loud`, otherwise only on failure. Exit
 * codes in `accepted` are a success too. Returns whether the command succeeded.
 */
export async function attempt(name, command, args, options = {}) {
  const { env = {}, cwd = ROOT, loud = false, minutes = 0, accepted = [] } = options
  const start = Date.now()
  process.stdout.write(loud ? `\n=== ${name}\n` : `${name} ... `)
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: loud ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    // Its own process group, so that all of it can be killed.
    detached: minutes > 0,
  })
  const output = []
  child.stdout?.on('data', (data) => output.push(data))
  child.stderr?.on('data', (data) => output.push(data))
  const code = await new Promise((done) => {
    const timer = minutes > 0 ? endAfter(minutes, child, done) : undefined
    child.once('error', (error) => {
      output.push(Buffer.from(String(error)))
      done(127)
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      done(code ?? signal)
    })
  })
  const seconds = ((Date.now() - start) / 1000).toFixed(1)
  if (code === 0 || accepted.includes(code)) {
    const word = code === 0 ? '' : `, and ended with ${code}, which is accepted here`
    console.log(`${loud ? `=== ${name}: ` : ''}${seconds} s${word}`)
    return true
  }
  console.log(`${loud ? `=== ${name}: ` : ''}failed after ${seconds} s (${code})`)
  process.stdout.write(Buffer.concat(output))
  return false
}

/** Kills a process group on timeout, or when this process is interrupted. */
function endAfter(minutes, child, done) {
  const end = () => {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has exited already.
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM']) {
    const ended = () => {
      end()
      process.exit(1)
    }
    process.once(signal, ended)
    child.once('close', () => process.off(signal, ended))
  }
  const timeout = () => {
    end()
    done(`timed out after ${minutes} minutes`)
  }
  return setTimeout(timeout, minutes * 60_000)
}

/**
 * Runs one of our own programs in place of this one, with the same output and exit code.
 * Interruptions are left to it. Returns the exit code.
 */
export async function become(...args) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {})
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  process.exitCode = code ?? 1
  return process.exitCode
}
