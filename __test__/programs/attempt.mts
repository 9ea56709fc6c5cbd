// Tries to serve, to connect, or both, in the environment it is started in, and prints the result
// as one line of JSON.

import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { connect, createMap, createServer, createStateFrame, createTopic } from 'ringpost'
import { IpcError, openMap, openStateFrame, sharedMap, stateFrame, subscribe, topic } from 'ringpost'
import type { ClientOptions, ServerOptions } from 'ringpost'
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

async function ask(asking: ClientOptions | undefined = options) {
  const client = await connect(name, asking)
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

  /** Waits for a server whose directory is made for a login while it is looked for. */
  async 'before a login'() {
    const answer = ask({ connectTimeoutMs: 30_000 })
    await setImmediate()
    const made = `/run/user/${process.getuid!()}`
    mkdirSync(dirname(made))
    mkdirSync(made, { mode: 0o700 })
    const server = await serve()
    const found = readdirSync(made)
    return answer.then((answered) => ({ ...answered, found })).finally(() => server.close())
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

  /** Serves and publishes until the standard input ends. */
  async 'serve and publish'() {
    const server = await serve()
    const closing = [
      createStateFrame(stateFrame<string>(name), options),
      createTopic(topic<string>(name), options),
      createMap(sharedMap<string>(name), options),
    ] as const
    const [frame, publisher, map] = closing
    frame.write('frame')
    void publisher.publish('topic')
    map.set('key', 'map')
    print({ pid: process.pid })
    process.stdin.resume()
    await once(process.stdin, 'end')
    for (const published of closing) published.close()
    await server.close()
    return { closed: true }
  },

  /** Asks, and reads what the server publishes. */
  async 'ask and read'() {
    using frame = openStateFrame(stateFrame<string>(name), options)
    using map = openMap(sharedMap<string>(name), options)
    const subscription = subscribe(topic<string>(name), { ...options, from: 'oldest' })
    const { value: message } = await subscription.next()
    subscription.close()
    const read = [frame.read().value, message!.value, map.get('key')]
    return { ...(await ask()), read, uid: process.getuid!() }
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

  /** Waits for what is published while the kernel has no room for watches, and begins to while it
   * has some, but not for the files that come. */
  async 'without watches'() {
    const allow = (count: number) => writeFileSync('/proc/sys/user/max_inotify_watches', `${count}`)
    const Frame = stateFrame<string>(name)
    const Topic = topic<string>(name, { capacity: 4096 })
    const Map = sharedMap<string>(name)
    const reader = openStateFrame(Frame, options)
    const subscription = subscribe(Topic, options)
    const map = openMap(Map, options)
    allow(0)
    const refused = [
      await code(() => reader.changes()),
      await code(() => reader.onChange(() => {})),
      await code(() => subscription.next()),
      await code(() => subscription.batches(() => {})),
      await code(() => map.watch('key')),
    ]
    // Enough for the directory alone.
    allow(1)
    const frames = reader.changes()
    const [frame, message] = [frames.next(), subscription.next()]
    const keys = map.watch('key')
    const missing = await keys.next()
    const key = keys.next()
    using frameWriter = createStateFrame(Frame, options)
    using publisher = createTopic(Topic, options)
    using owner = createMap(Map, options)
    frameWriter.write('frame')
    void publisher.publish('topic')
    owner.set('key', 'map')
    const found = [(await frame).value!.value, (await message).value!.value, (await key).value]
    for (const opened of [reader, subscription, map]) opened.close()
    return { refused, missing, found }
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

/** The code of the error that this ends with. */
async function code(call: () => unknown): Promise<string | undefined> {
  try {
    await call()
  } catch (error) {
    return (error as IpcError).code
  }
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

print(await verbs[attempt.verb]().catch(describe))
