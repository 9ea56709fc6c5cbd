// What the tests of the pipeline have in common: a directory of their own, the two programs, and
// what must be true of every answer.

import assert from 'node:assert/strict'
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Child, until } from '../../testing/processes.mjs'
import { apiInPython, newerProducerProgram, producerProgram } from '../programs.mjs'

/** Whether load is kept up for long, or for seconds. */
export const isLong = process.argv.includes('--long')

const MAIN = fileURLToPath(new URL('../../../dist/examples/perception/api/main.mjs', import.meta.url))
const NAME = 'test'

const root = mkdtempSync(join(tmpdir(), 'perception-test-'))
process.on('exit', () => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))

/** A place for one test: what it starts meets there, and ends with it. */
export class Place {
  directory = mkdtempSync(join(root, 'place-'))
  name = NAME
  statistics = join(this.directory, 'statistics.json')
  #t

  /** @param {import('node:test').TestContext} t */
  constructor(t) {
    this.#t = t
  }

  get environment() {
    return { ...process.env, RINGPOST_DIR: this.directory }
  }

  files = () => readdirSync(this.directory)
  frameFile = (which) => join(this.directory, `${NAME}-${which}.frame`)

  /** A producer, once it publishes. */
  async producer({ seed = 1, in: language = 'rust' } = {}) {
    const args = ['--name', NAME, '--seed', `${seed}`]
    if (language === 'rust') args.push('--statistics', this.statistics)
    return this.#publishing(producerProgram(language), args)
  }

  /** A later version of it, which writes detections without a pause. */
  async newerProducer() {
    return this.#publishing(newerProducerProgram(), [NAME])
  }

  async #publishing(program, args) {
    const stdio = ['ignore', 'pipe', 'inherit']
    const child = new Program(spawn(program, args, { env: this.environment, stdio }))
    this.#t.after(() => child.kill())
    await child.prints(/publishes/)
    return child
  }

  /** The web API, once it listens. */
  async api({ commandTimeoutMs = 30_000, in: language = 'typescript' } = {}) {
    if (language === 'python') return this.#apiInPython()
    const args = ['--name', NAME, '--port', '0', '--statistics', this.statistics]
    const options = { env: this.environment, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] }
    const child = fork(MAIN, [...args, '--command-timeout-ms', `${commandTimeoutMs}`], options)
    const api = new Api(child)
    this.#t.after(() => api.kill())
    const [{ port }] = await once(child, 'message')
    api.port = port
    return api
  }

  async #apiInPython() {
    const { command, args, env } = apiInPython()
    const child = spawn(command, [...args, '--name', NAME, '--port', '0'], {
      env: { ...this.environment, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const api = new Api(child)
    this.#t.after(() => api.kill())
    const line = await api.prints(/listens at http/)
    api.port = Number(/\d+$/.exec(line)[0])
    return api
  }
}

/** Prints the state again and again: what came before a line is of no interest. */
class Program extends Child {
  /** Waits for a line, and takes it and what came before. */
  async prints(pattern) {
    const found = () => this.lines.findIndex((line) => pattern.test(line))
    await until(`it prints ${pattern}`, () => found() !== -1)
    return this.lines.splice(0, found() + 1).at(-1)
  }
}

/** One connection for each client, kept open. */
const agent = new http.Agent({ keepAlive: true })
process.on('exit', () => agent.destroy())

class Api extends Program {
  port

  /** Asks, and resolves to the status and the body. */
  async ask(path, { method = 'GET', headers = {}, body, by = agent } = {}) {
    const options = { host: '127.0.0.1', port: this.port, path, method, headers, agent: by }
    const request = http.request(options)
    request.end(body)
    const [response] = await once(request, 'response')
    const chunks = []
    for await (const chunk of response) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString('utf8')
    assert.equal(response.headers['content-type'], 'application/json; charset=utf-8')
    return { status: response.statusCode, headers: response.headers, body: JSON.parse(text) }
  }

  /** Asks for new timelines; what is no object is sent as it is. */
  refresh(data, { headers = { 'content-type': 'application/json' }, ...more } = {}) {
    const body = typeof data === 'string' ? data : JSON.stringify(data)
    return this.ask('/api/timeline/refresh', { method: 'POST', headers, body, ...more })
  }

  health = () => this.ask('/api/health')

  /** Waits until it says that all is well. */
  healthy() {
    return until('it is healthy', async () => (await this.health()).status === 200)
  }
}

export const PATHS = {
  detections: '/api/perception/detections',
  tracks: '/api/perception/tracks',
  timelines: '/api/timeline/predictions',
}

/** Asserts that an answer is a whole frame; resolves to it. */
export function checked(which, { status, body }) {
  assert.equal(status, 200)
  const { stale, ageMs, number, frame } = body
  assert.equal(typeof stale, 'boolean')
  assert.ok(ageMs >= 0 && number > 0, `${ageMs}, ${number}`)
  checkFrame(which, frame)
  return body
}

const LABELS = new Set(['person', 'bicycle', 'car', 'truck', 'dog'])
const close = (a, b) => Math.abs(a - b) < 1e-3

/** Members that belong together say whether all of it is of one frame. */
export function checkFrame(which, frame) {
  assert.ok(Number(frame.frameId) >= 0 && frame.timestamp > 0)
  if (which === 'timelines') {
    const [first] = frame.snapshots
    assert.equal(frame.snapshots.length, 5)
    for (const [index, { aheadMs, objects }] of frame.snapshots.entries()) {
      assert.ok(Math.abs(aheadMs - first.aheadMs * (index + 1)) < 1)
      assert.deepEqual(objects.map(({ id }) => id), first.objects.map(({ id }) => id))
      checkObjects(objects)
    }
    return
  }
  checkObjects(frame.objects)
  for (const object of frame.objects) {
    if (which === 'detections') {
      assert.equal(object.seenAt, frame.timestamp)
      assert.ok(close(object.distance, Math.hypot(object.x, object.y)))
    } else {
      assert.equal(object.path.length, Math.min(7, Math.floor(object.age / 5)))
      assert.ok(close(object.accelerationX, -object.velocityY * object.turnRate))
    }
  }
}

function checkObjects(objects) {
  assert.ok(objects.length <= 50)
  assert.equal(new Set(objects.map(({ id }) => id)).size, objects.length)
  for (const { label, ...numbers } of objects) {
    assert.ok(LABELS.has(label), label)
    for (const [member, value] of Object.entries(numbers)) {
      const isNumber = typeof value === 'number' && Number.isFinite(value)
      assert.ok(isNumber || member === 'state' || member === 'path', `${member}: ${value}`)
    }
  }
}

/** The value below which so much of the others is. */
export function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

export const readStatistics = ({ statistics }) => JSON.parse(readFileSync(statistics, 'utf8'))
