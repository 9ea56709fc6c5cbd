// Tries to serve, to connect, or both, in the environment it is started in, and prints the result
// as one line of JSON.

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
    print({ up: true })
    process.stdin.resume()
    await once(process.stdin, 'end')
    await server.close()
    return { closed: true }
  },

  /** Creates the directory and its files under restrictive umasks. */
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

  /** Changes the working directory after serving in a relative directory. */
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

  /** Connects without free descriptors, and again with some. */
  async 'without descriptors'() {
    const held: number[] = []
    try {
      for (;;) held.push(openSync('/dev/null', 'r'))
    } catch {
      // All are in use.
    }
    const first = await connect(name).catch(describe)
    for (const fd of held) closeSync(fd)
    return { first, later: await connect(name).catch(describe) }
  },

  /** Serves in worker threads with their own environment variables. */
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

function describe(error: unknown) {
  const { code, message } = error as IpcError
  return { code, message, isOurs: error instanceof IpcError }
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

print(await verbs[attempt.verb]().catch(describe))
