// The rows the engine is held to: each a figure of ours beside the reference of the same run.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import net from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { bareNode } from '../bare-node.mjs'
import { alternate, row, type Figure, type Row } from '../compare.mjs'
import { connectMany } from '../connections.mjs'
import { Pair, serve, type Cost } from '../pair.mjs'
import { residentBytes, type Process } from '../process.mjs'
import type { Run } from '../run.mjs'
import { RUST_PROGRAMS } from '../transports.mjs'
import { bytes } from '../words.mjs'
import type { Suite } from './suite.mjs'

/** How much is measured. */
export interface Effort {
  /** Turns of each comparison. */
  turns: number
  /** Milliseconds of a turn. */
  ms: number
  /** Whether the Rust program is there; without it there are no Rust rows. */
  rust: boolean
  /** Only what is decisive, for a first impression. */
  brief: boolean
}

/** What the native server is called that all come to. */
const MANY = 'many-connections'

export const engine: Suite = {
  about: 'the rows of benches/budgets.json, beside the reference',
  async play(run) {
    const { repeats, ms, quick } = run.plan
    const rust = existsSync(RUST_PROGRAMS.worker)
    run.begin('engine', quick ? STEPS.brief : rust ? STEPS.all : STEPS.all - STEPS.rust)
    try {
      await play(run, { turns: repeats, ms, brief: quick, rust })
    } catch (error) {
      run.fail('engine', error)
    }
  },
}

/** Rows, for the progress of the run. */
const STEPS = { brief: 17, rust: 7, all: 47 }

async function play(run: Run, effort: Effort): Promise<void> {
  const { directory } = run
  const add = (...rows: Row[]) => {
    for (const row of rows) {
      run.step(row.name)
      run.addRow(row)
    }
  }
  await withPairs(run, {}, 'uds', async (ours, reference) => {
    await warmUp(ours, reference, effort)
    await latencies(effort, ours, reference, add)
    add(await synchronous(effort, ours, reference))
    add(await pipelined(effort, ours, reference))
    add(await oneWay(effort, ours, reference))
    if (effort.brief) return
    add(await oneWayLarge(effort, ours, reference))
    add(...(await streams(effort, ours, reference)))
    add(await asleep(effort, ours, reference))
    add(await contended(effort, ours, reference))
    add(...(await bystanders(effort, ours, directory)))
    add(await idleCpu(ours))
  })
  await withPairs(run, {}, 'uds-busy', async (ours, reference) => {
    await warmUp(ours, reference, effort)
    add(await busy(effort, ours, reference))
  })
  if (effort.brief) return
  await withPairs(run, {}, 'uds-batch', async (ours, reference) => {
    await warmUp(ours, reference, effort)
    add(await pipelinedBatched(effort, ours, reference))
    add(await oneWayBatched(effort, ours, reference))
  })
  await withPairs(run, { server: '0', client: '0' }, 'uds', async (ours, reference) => {
    await warmUp(ours, reference, effort)
    add(await oneCore(effort, ours, reference))
  })
  add(await memoryInNode(directory))
  if (effort.rust) add(...(await rustRows(effort, directory)))
}

async function withPairs(
  run: Run,
  cores: { server?: string; client?: string },
  reference: string,
  work: (ours: Pair, reference: Pair) => Promise<void>,
): Promise<void> {
  run.signal.throwIfAborted()
  const pairs: Pair[] = []
  const kill = () => pairs.forEach((pair) => pair.kill())
  run.signal.addEventListener('abort', kill)
  const options = { settings: { directory: run.directory }, cores }
  try {
    pairs.push(await Pair.open('ringpost', options))
    pairs.push(await Pair.open(reference, options))
    await work(pairs[0], pairs[1])
    for (const pair of pairs) await pair.close()
  } finally {
    run.signal.removeEventListener('abort', kill)
    kill()
  }
}

async function warmUp(ours: Pair, reference: Pair, { ms }: Effort): Promise<void> {
  for (const pair of [ours, reference]) {
    for (const size of [64, 65_536]) await pair.latency({ size, ms })
    await pair.pipelined({ size: 64, ms, inFlight: 256 })
    await pair.oneWay({ size: 64, ms })
  }
}

/** Processor time of both sides, in cores. */
const cpu = ({ clientCpuMs, serverCpuMs, wallMs }: Cost) => (clientCpuMs + serverCpuMs) / wallMs

type Measured<T> = T & Cost

/** A comparison of one figure of what both measure. */
async function compare<T>(
  { turns }: Effort,
  names: { id: string; name: string; unit: string; better: 'less' | 'more' },
  figure: (result: T) => number,
  ours: () => Promise<Measured<T>>,
  reference: () => Promise<Measured<T>>,
): Promise<Row> {
  const measured = async (work: () => Promise<Measured<T>>): Promise<Figure> => {
    const result = await work()
    return { value: figure(result), cpu: cpu(result) }
  }
  const results = await alternate(
    turns,
    () => measured(ours),
    () => measured(reference),
  )
  return row(names.id, names.name, names.unit, names.better, results)
}

async function latencies(
  effort: Effort,
  ours: Pair,
  reference: Pair,
  add: (row: Row) => void,
): Promise<void> {
  const sizes = effort.brief
    ? [64, 1024, 65_536, 1 << 20]
    : [64, 1024, 4096, 16_384, 65_536, 262_144, 1 << 20]
  for (const size of sizes) {
    const results = await alternate(
      effort.turns,
      () => ours.latency({ size, ms: effort.ms }),
      () => reference.latency({ size, ms: effort.ms }),
    )
    for (const percentile of ['p50', 'p99', 'p999'] as const) {
      const figure = (result: Measured<{ p50: number; p99: number; p999: number }>) => ({
        value: result[percentile],
        cpu: cpu(result),
      })
      const turns = results.map((turn) => ({
        ours: figure(turn.ours),
        reference: figure(turn.reference),
      }))
      const name = `round trip ${bytes(size)}, ${percentile.replace('p999', 'p99.9')}`
      add(row(`latency.${size}.${percentile}`, name, 'ns', 'less', turns))
    }
  }
}

const synchronous = (effort: Effort, ours: Pair, reference: Pair) =>
  compare(
    effort,
    { id: 'sync.64.p50', name: 'requestSync 64 B, p50', unit: 'ns', better: 'less' },
    ({ p50 }) => p50,
    () => ours.latency({ size: 64, ms: effort.ms, sync: true }),
    () => reference.latency({ size: 64, ms: effort.ms }),
  )

const pipelined = (effort: Effort, ours: Pair, reference: Pair) =>
  compare(
    effort,
    { id: 'pipelined.64', name: '256 in flight, 64 B', unit: '/s', better: 'more' },
    ({ perSecond }) => perSecond,
    () => ours.pipelined({ size: 64, ms: effort.ms, inFlight: 256 }),
    () => reference.pipelined({ size: 64, ms: effort.ms, inFlight: 256 }),
  )

const oneWay = (effort: Effort, ours: Pair, reference: Pair) =>
  compare(
    effort,
    { id: 'one-way.64', name: 'one-way 64 B', unit: '/s', better: 'more' },
    ({ perSecond }) => perSecond,
    () => ours.oneWay({ size: 64, ms: effort.ms }),
    () => reference.oneWay({ size: 64, ms: effort.ms }),
  )

const oneWayLarge = (effort: Effort, ours: Pair, reference: Pair) =>
  compare(
    effort,
    { id: 'one-way.65536', name: 'one-way 64 KiB', unit: 'B/s', better: 'more' },
    ({ bytesPerSecond }) => bytesPerSecond,
    () => ours.oneWay({ size: 65_536, ms: effort.ms }),
    () => reference.oneWay({ size: 65_536, ms: effort.ms }),
  )

/** A row of many messages beside a reference that gathers its writes, which it is faster with. */
async function besideBatched(row: Promise<Row>): Promise<Row> {
  const { id, name, ...rest } = await row
  return { id: `${id}.batched`, name: `${name}; reference gathers its writes`, ...rest }
}

const pipelinedBatched = (effort: Effort, ours: Pair, reference: Pair) =>
  besideBatched(pipelined(effort, ours, reference))

const oneWayBatched = (effort: Effort, ours: Pair, reference: Pair) =>
  besideBatched(oneWay(effort, ours, reference))

const busy = (effort: Effort, ours: Pair, reference: Pair) =>
  compare(
    effort,
    {
      id: 'latency.64.p50.busy',
      name: 'round trip 64 B, p50; reference keeps its loops turning',
      unit: 'ns',
      better: 'less',
    },
    ({ p50 }) => p50,
    async () => {
      reference.pause()
      try {
        return await ours.latency({ size: 64, ms: effort.ms })
      } finally {
        reference.resume()
      }
    },
    () => reference.latency({ size: 64, ms: effort.ms }),
  )

/** With a process that computes on every core: a side that only polls and yields would wait for its
 * time slices. */
async function contended(effort: Effort, ours: Pair, reference: Pair): Promise<Row> {
  const computing = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'const end = Date.now() + 60_000; while (Date.now() < end);']),
  )
  try {
    return await compare(
      effort,
      {
        id: 'contended.64.p50',
        name: 'others compute on every core, 64 B, p50',
        unit: 'ns',
        better: 'less',
      },
      ({ p50 }) => p50,
      () => ours.latency({ size: 64, ms: effort.ms }),
      () => reference.latency({ size: 64, ms: effort.ms }),
    )
  } finally {
    for (const child of computing) child.kill('SIGKILL')
  }
}

const asleep = (effort: Effort, ours: Pair, reference: Pair) =>
  compare(
    effort,
    {
      id: 'asleep.64.p50',
      name: 'both asleep, a request every 3 ms, p50',
      unit: 'ns',
      better: 'less',
    },
    ({ p50 }) => p50,
    () => ours.latency({ size: 64, ms: effort.ms * 3, pauseMs: 3 }),
    () => reference.latency({ size: 64, ms: effort.ms * 3, pauseMs: 3 }),
  )

const oneCore = (effort: Effort, ours: Pair, reference: Pair) =>
  compare(
    effort,
    {
      id: 'one-core.64.p50',
      name: 'both processes on one core, 64 B, p50',
      unit: 'ns',
      better: 'less',
    },
    ({ p50 }) => p50,
    () => ours.latency({ size: 64, ms: effort.ms }),
    () => reference.latency({ size: 64, ms: effort.ms }),
  )

/** How others in a process fare while its rings are hot, beside the same while they are idle. */
async function bystanders({ turns, ms }: Effort, ours: Pair, directory: string): Promise<Row[]> {
  const socket = join(directory, 'bystander')
  const echo = net.createServer((peer) => peer.on('error', () => {}).pipe(peer))
  await new Promise<void>((done) => echo.listen(socket, done))
  const results = await alternate(
    turns,
    () => ours.bystander({ ms: ms * 3, hot: true, socket }),
    () => ours.bystander({ ms: ms * 3, hot: false, socket }),
  )
  await new Promise((done) => echo.close(done))
  return (['timer', 'socket'] as const).map((what) => {
    const figure = (result: { timerP99: number; socketP99: number }): Figure => ({
      value: what === 'timer' ? result.timerP99 : result.socketP99,
      cpu: 0,
    })
    const names = {
      timer: 'timer of 1 ms, p99, rings hot against idle',
      socket: 'plain socket echo, p99, rings hot against idle',
    }
    return row(
      `bystander.${what}.p99`,
      names[what],
      'ns',
      'more',
      results.map(({ ours, reference }) => ({ ours: figure(ours), reference: figure(reference) })),
    )
  })
}

/** A figure that stands for itself. */
const single = (id: string, name: string, unit: string, value: number): Row => ({
  id,
  name,
  unit,
  ours: value,
  reference: NaN,
  ratio: value,
  spread: [value, value],
  turns: [],
})

async function idleCpu(ours: Pair): Promise<Row> {
  const cost = await ours.idle(3000)
  // The runner's questions and the timer that waits take a little by themselves.
  const percent = Math.round(cpu(cost) * 100)
  return single('idle.cpu', 'idle connected pair, both processes', '% of a core', percent)
}

async function memoryInNode(directory: string): Promise<Row> {
  const [bare, loaded] = await bareNode(directory)
  const mib = (loaded - bare) / 2 ** 20
  return single('memory.node', 'added to a bare Node process', 'MiB', mib)
}

/** The Rust rows stand beside a bare ring: one word that crosses, and nothing else. */
/** Items from the other side, beside messages without answers to it: the reference has no more. */
async function streams(effort: Effort, ours: Pair, reference: Pair): Promise<Row[]> {
  const { ms } = effort
  const rows: Row[] = []
  for (const [size, iterated] of [[64, false], [64, true], [65_536, false]] as const) {
    await ours.stream({ size, ms, iterated })
    const how = iterated ? 'iterated' : 'taken together'
    rows.push(
      await compare(
        effort,
        {
          id: `stream.${size}${iterated ? '.iterated' : ''}`,
          name: `stream of ${bytes(size)} items, ${how}`,
          ...({ unit: '/s', better: 'more' } as const),
        },
        ({ perSecond }) => perSecond,
        () => ours.stream({ size, ms, iterated }),
        () => reference.oneWay({ size, ms }),
      ),
    )
  }
  return rows
}

async function rustRows(effort: Effort, directory: string): Promise<Row[]> {
  const languages = 'rust-rust'
  const options = { settings: { directory }, languages } as const
  const { turns, ms } = effort
  const pairs: Pair[] = []
  let server: Process | undefined
  try {
    server = await serve('ringpost', MANY, options.settings, 'rust')
    pairs.push(await Pair.open('ringpost', options), await Pair.open('bare', options))
    const [ours, bare] = pairs
    const memory = residentBytes(server.pid) / 2 ** 20
    const figure = (value: number): Figure => ({ value, cpu: 0 })
    // The bare ring never sleeps: while it is not measured it would take a core from the other
    // pair.
    bare.pause()
    const alone = async <T,>(measure: () => Promise<T>) => {
      bare.resume()
      const result = await measure()
      bare.pause()
      return result
    }
    const latency = await alternate(
      turns,
      async () => figure((await ours.latency({ size: 64, ms })).p50),
      async () => figure((await alone(() => bare.latency({ size: 64, ms }))).p50),
    )
    const oneWay = await alternate(
      turns,
      async () => figure((await ours.oneWay({ size: 64, ms })).perSecond),
      async () => figure((await alone(() => bare.oneWay({ size: 64, ms }))).perSecond),
    )
    const stream = await alternate(
      turns,
      async () => figure((await ours.stream({ size: 65_536, ms })).bytesPerSecond),
      async () => figure((await ours.memcpy({ size: 65_536, ms })).bytesPerSecond),
    )
    bare.resume()
    for (const pair of pairs) await pair.close()
    const { connectMs, touchedBytes, p99 } = await connectMany(MANY, options.settings)
    return [
      row('rust.latency.64.p50', 'Rust round trip 64 B, against a bare ring', 'ns', 'more', latency),
      row('rust.one-way.64', 'Rust one-way 64 B, against a bare ring', '/s', 'more', oneWay),
      row('rust.stream.65536', 'Rust stream of 64 KiB items, against memcpy', 'B/s', 'more', stream),
      single('memory.server', 'native server at rest', 'MiB', memory),
      single('connections.connect', '1,000 connections, until all are open', 's', connectMs / 1e3),
      single('connections.memory', 'the same, shared memory touched', 'MB', touchedBytes / 1e6),
      single('connections.p99', 'the same, requests in turn on all, p99', 'µs', p99 / 1e3),
    ]
  } finally {
    for (const pair of pairs) pair.kill()
    server?.kill()
  }
}
