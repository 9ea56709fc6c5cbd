// What comes of an attempt to serve, to connect, or both, in surroundings that were made for it: one
// line of JSON on the standard output.

import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { connect, createServer, IpcError, type ServerOptions } from 'ringpost'
import { Echo } from '../helpers/contracts.mjs'

interface Attempt {
  verb: keyof typeof verbs
  name: string
  options?: Omit<ServerOptions, 'handlers'>
}

const attempt = JSON.parse(process.argv[2]) as Attempt
const { name, options } = attempt

async function serve() {
  const server = await createServer(name, options)
  server.handle(Echo, (value) => value)
  return server
}

async function ask() {
  const client = await connect(name, options)
  const answer = await client.request(Echo, 'answer')
  const { pid, transport } = client.peer
  await client.close()
  return { answer, pid, transport }
}

const modes = (path: string) =>
  ['', ...readdirSync(path)].map((file) => (statSync(join(path, file)).mode & 0o777).toString(8))

const verbs = {
  ask,

  async both() {
    const server = await serve()
    return ask().finally(() => server.close())
  },

  /** Serves until the standard input ends. */
  async serve() {
    const server = await serve()
    say({ up: true })
    process.stdin.resume()
    await once(process.stdin, 'end')
    await server.close()
    return { closed: true }
  },

  /** Makes the directory and all in it, whatever the umask takes away. */
  async umask() {
    const directory = options!.directory!
    const found: unknown[] = []
    for (const mask of [0o022, 0o077, 0o177, 0o277, 0o777]) {
      process.umask(mask)
      const server = await createServer(name, { directory: join(directory, String(mask)) })
      found.push(modes(join(directory, String(mask))))
      await server.close()
    }
    return found
  },

  /** Goes elsewhere after it has said where to meet by a relative path. */
  async moves() {
    const start = process.cwd()
    const server = await serve()
    const before = readdirSync(options!.directory!)
    mkdirSync('elsewhere')
    process.chdir('elsewhere')
    await server.close()
    const after = readdirSync(join(start, options!.directory!))
    return { before, after, here: readdirSync('.') }
  },

  /** The first failure of a thread, and what comes after it. */
  async 'without descriptors'() {
    const held: number[] = []
    try {
      for (;;) held.push(openSync('/dev/null', 'r'))
    } catch {
      // There are no more.
    }
    const first = await connect(name).catch(told)
    for (const fd of held) closeSync(fd)
    return { first, later: await connect(name).catch(told) }
  },

  /** A thread with an environment of its own. */
  async worker() {
    const script = `
      const { createServer } = require('ringpost')
      const { parentPort, workerData } = require('node:worker_threads')
      process.env.RINGPOST_DIR = workerData ?? process.env.RINGPOST_DIR
      createServer('within').then(async (server) => {
        parentPort.postMessage(require('node:fs').readdirSync(process.env.RINGPOST_DIR))
        await server.close()
      })`
    const found: unknown[] = []
    for (const [env, workerData] of [[{ RINGPOST_DIR: options!.directory! }], [{}, name]] as const) {
      const worker = new Worker(script, { eval: true, env, workerData })
      found.push((await once(worker, 'message'))[0])
      await once(worker, 'exit')
    }
    return found
  },
}

function told(error: unknown) {
  const { code, message } = error as IpcError
  return { code, message, isOurs: error instanceof IpcError }
}

function say(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

say(await verbs[attempt.verb]().catch(told))
