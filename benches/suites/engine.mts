// The rows the engine is held to: each a figure of ours beside the reference of the same run.

import { spawn } from 'node:child_process'
import net from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Settings } from '../adapter.mjs'
import { alternate, row, type Figure, type Row } from '../compare.mjs'
import { Pair, type Cost } from '../pair.mjs'
import { RustPair } from '../rust-pair.mjs'
import { scratch } from '../scratch.mjs'
import { bareNode } from '../bare-node.mjs'

/** How much is measured. */
export interface Effort {
  /** Turns of each comparison. */
  turns: number
  /** Milliseconds of a turn. */
  ms: number
  /** The compiled Rust program; without it there are no Rust rows. */
  rust: string | undefined
  /** Only what is decisive, for a first impression. */
  brief: boolean
}

type Progress = (row: Row) => void

export async function engineRows(effort: Effort, done: Progress): Promise<Row[]> {
  const rows: Row[] = []
  const add = (...added: Row[]) => {
    for (const row of added) {
      rows.push(row)
      done(row)
    }
  }
  const directory = scratch()
  await withPairs({ directory }, {}, {}, async (ours, reference) => {
    await warmUp(ours, reference, effort)
    add(...(await latencies(effort, ours, reference)))
    add(await synchronous(effort, ours, reference))
    add(await pipelined(effort, ours, reference))
    add(...(await oneWay(effort, ours, reference)))
    if (!effort.brief) {
      add(await asleep(effort, ours, reference))
      add(await crowded(effort, ours, reference))
      add(...(await bystanders(effort, ours, directory)))
      add(await idleCpu(ours))
    }
  })
  await withPairs({ directory }, {}, { busy: true }, async (ours, reference) => {
    await warmUp(ours, reference, effort)
    add(await busy(effort, ours, reference))
  })
  if (effort.brief) return rows
  await withPairs({ directory }, {}, { batch: true }, async (ours, reference) => {
    await warmUp(ours, reference, effort)
    add(...(await batched(effort, ours, reference)))
  })
  const cores = { server: '0', client: '0' }
  await withPairs({ directory }, cores, {}, async (ours, reference) => {
    await warmUp(ours, reference, effort)
    add(await oneCore(effort, ours, reference))
  })
  add(await memoryInNode(directory))
  if (effort.rust !== undefined) add(...(await rustRows(effort, effort.rust)))
  return rows
}

async function withPairs(
  settings: Settings,
  cores: { server?: string; client?: string },
  reference: Settings,
  work: (ours: Pair, reference: Pair) => Promise<void>,
): Promise<void> {
  const pairs: Pair[] = []
  try {
    pairs.push(await Pair.open('ringpost', settings, cores))
    pairs.push(await Pair.open('uds', { ...settings, ...reference }, cores))
    await work(pairs[0], pairs[1])
    for (const pair of pairs) await pair.close()
  } finally {
    for (const pair of pairs) pair.kill()
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

async function latencies(effort: Effort, ours: Pair, reference: Pair): Promise<Row[]> {
  const rows: Row[] = []
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
      rows.push(row(`latency.${size}.${percentile}`, name, 'ns', 'less', turns))
    }
  }
  return rows
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

async function oneWay(effort: Effort, ours: Pair, reference: Pair): Promise<Row[]> {
  const rows = [
    await compare(
      effort,
      { id: 'one-way.64', name: 'one-way 64 B', unit: '/s', better: 'more' },
      ({ perSecond }) => perSecond,
      () => ours.oneWay({ size: 64, ms: effort.ms }),
      () => reference.oneWay({ size: 64, ms: effort.ms }),
    ),
  ]
  for (const size of [65_536]) {
    rows.push(
      await compare(
        effort,
        { id: `one-way.${size}`, name: `one-way ${bytes(size)}`, unit: 'B/s', better: 'more' },
        ({ bytesPerSecond }) => bytesPerSecond,
        () => ours.oneWay({ size, ms: effort.ms }),
        () => reference.oneWay({ size, ms: effort.ms }),
      ),
    )
  }
  return rows
}

/** Against the reference with its writes gathered, which it is faster with. */
async function batched(effort: Effort, ours: Pair, reference: Pair): Promise<Row[]> {
  return [
    await compare(
      effort,
      {
        id: 'pipelined.64.batched',
        name: '256 in flight, 64 B; reference gathers its writes',
        unit: '/s',
        better: 'more',
      },
      ({ perSecond }) => perSecond,
      () => ours.pipelined({ size: 64, ms: effort.ms, inFlight: 256 }),
      () => reference.pipelined({ size: 64, ms: effort.ms, inFlight: 256 }),
    ),
    await compare(
      effort,
      {
        id: 'one-way.64.batched',
        name: 'one-way 64 B; reference gathers its writes',
        unit: '/s',
        better: 'more',
      },
      ({ perSecond }) => perSecond,
      () => ours.oneWay({ size: 64, ms: effort.ms }),
      () => reference.oneWay({ size: 64, ms: effort.ms }),
    ),
  ]
}

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

/** A process that computes on every core: who only looks and yields would wait for its slices. */
async function crowded(effort: Effort, ours: Pair, reference: Pair): Promise<Row> {
  const computing = Array.from({ length: availableParallelism() }, () =>
    spawn(process.execPath, ['-e', 'const end = Date.now() + 60_000; while (Date.now() < end);']),
  )
  try {
    return await compare(
      effort,
      {
        id: 'crowded.64.p50',
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

async function rustRows({ turns, ms }: Effort, program: string): Promise<Row[]> {
  const pair = await RustPair.open(program)
  try {
    const server = pair.residentBytes() / 2 ** 20
    const figure = (value: number): Figure => ({ value, cpu: 0 })
    const latency = await alternate(
      turns,
      async () => figure((await pair.latency(64, ms)).p50),
      async () => figure((await pair.bareLatency(64, ms)).p50),
    )
    const oneWay = await alternate(
      turns,
      async () => figure((await pair.oneWay(64, ms)).perSecond),
      async () => figure((await pair.bareOneWay(64, ms)).perSecond),
    )
    const crowd = await pair.crowd(20, 50, 10)
    return [
      row('rust.latency.64.p50', 'Rust round trip 64 B, against a bare ring', 'ns', 'more', latency),
      row('rust.one-way.64', 'Rust one-way 64 B, against a bare ring', '/s', 'more', oneWay),
      single('memory.server', 'native server at rest', 'MiB', server),
      single('crowd.connect', '1,000 connections, until all are open', 's', crowd.connectMs / 1e3),
      single('crowd.memory', 'the same, shared memory touched', 'MB', crowd.touchedBytes / 1e6),
      single('crowd.p99', 'the same, requests in turn on all, p99', 'µs', crowd.p99 / 1e3),
    ]
  } finally {
    pair.close()
  }
}

function bytes(size: number): string {
  if (size < 1024) return `${size} B`
  return size < 1 << 20 ? `${size / 1024} KiB` : `${size / (1 << 20)} MiB`
}

