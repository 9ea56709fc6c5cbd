// Made-up results of a run: reports are tested without measuring anything.

import { row } from '../../compare.mjs'
import { missed } from '../../missed.mjs'
import {
  FORMAT,
  type Check,
  type Languages,
  type Latency,
  type Measurement,
  type Repeat,
  type Results,
  type Soak,
} from '../../results.mjs'
import { TRANSPORTS } from '../../transports.mjs'
import { trends, variation } from '../../trend.mjs'

const TURNS = 5
const SIZES = [64, 1024, 65_536, 1 << 20]
const BURSTS = [1_000, 10_000, 100_000]

/** A median round trip of 64 bytes, and how much is added for each byte, in nanoseconds. */
const SPEEDS: Record<Languages, Record<string, [number, number]>> = {
  'ts-ts': {
    ringpost: [1_450, 0.17],
    expert: [31_000, 0.5],
    uds: [33_500, 0.62],
    'ringpost-asleep': [36_500, 0.18],
    'uds-busy': [11_800, 0.61],
    'child-json': [52_000, 14],
    'child-advanced': [61_000, 2.4],
    'message-port': [21_500, 0.5],
    zeromq: [96_000, 0.9],
    'vscode-jsonrpc': [118_000, 17],
    grpc: [236_000, 3.1],
    nats: [164_000, 4.4],
  },
  'ts-rust': { ringpost: [980, 0.12], expert: [22_400, 0.5], 'ringpost-asleep': [24_100, 0.13] },
  'rust-rust': {
    ringpost: [262, 0.055],
    expert: [11_900, 0.31],
    uds: [12_100, 0.33],
    bare: [118, 0.05],
    'ipc-channel': [19_200, 1.2],
    iceoryx2: [310, 0.05],
    interprocess: [12_400, 0.36],
  },
}

/** Results of all suites, with a rate that was missed and a floor that was not reached. */
export function fixture(): Results {
  const measurements = [...compared(), ...scaled(), ...scenarios(), ...micro()]
  const failed = measurements.filter((one) => one.failed !== null)
  const measured = { measurements, rows: rows(), soak: soak(60) }
  return {
    ...empty(),
    ...measured,
    seconds: 1_934,
    command: ['all', '--json', 'all.json'],
    settings: {
      ...{ suites: ['latency', 'scenarios'], repeats: TURNS, ms: 500, quick: false },
      cores: { client: '0', server: '1' },
    },
    transports: TRANSPORTS.map(({ name, label }) => {
      const took = Object.values(SPEEDS).some((speeds) => name in speeds)
      const missing = took ? null : 'its package could not be loaded'
      return { name, label, version: took ? '1.2.3' : '', missing }
    }),
    failures: failed.map((one) => `${one.name}, ${one.transport} ${one.pair}: ${one.failed}`),
    missed: missed(measured),
  }
}

/** Results of a run that has measured nothing. */
export function empty(): Results {
  return {
    ...{ format: FORMAT, started: '2025-03-14T09:26:53.589Z', seconds: 0, command: [] },
    settings: { suites: ['latency'], repeats: 1, ms: 150 },
    machine: {
      ...{ processor: 'AMD EPYC 7763 64-Core Processor', cores: 2, memoryBytes: 8.3e9 },
      ...{ kernel: '6.1.0-18-amd64', node: 'v20.20.0', commit: '1a2b3c4 and changes' },
    },
    state: { load: 1.42, stolen: 0.003, linePings: [112, 118, 109, 131, 115] },
    ...{ transports: [], measurements: [], rows: [], soak: null, failures: [], missed: [],
    leftOut: [], interrupted: false },
  }
}

/** From -1 to 1, the same every time. */
const noise = (seed: number): number => Math.sin(seed * 12.9898 + 4.1) * Math.cos(seed * 78.233)

/** A tail that differs from one transport to the next. */
function latency(p50: number, seed: number): Latency {
  const tail = 1.6 + 0.5 * noise(seed)
  const after = (steps: number) => Math.round(p50 * tail ** steps)
  return {
    ...{ count: 20_000, mean: p50 * 1.08, stddev: p50 * 0.4, p50, p90: after(0.6) },
    ...{ p99: after(1.7), p999: after(3.2), p9999: after(5.5) },
    max: after(8 + 3 * noise(seed + 1)),
  }
}

type Suite = Measurement['suite']

interface Case {
  suite: Suite
  id: string
  name: string
  settings: Measurement['settings']
  /** From a round trip in nanoseconds to a repeat. */
  repeat: (roundTrip: number, seed: number) => Repeat
}

const timed =
  (factor: number) =>
  (roundTrip: number, seed: number): Repeat => {
    const spans = latency(Math.round(roundTrip * factor), seed)
    const cpu = { client: 0.91 + 0.05 * noise(seed), server: 0.88, others: 0 }
    const cpuEach = (cpu.client + cpu.server) * spans.mean
    return { value: spans.p50, latency: spans, cpu, cpuEach }
  }

const rated =
  (size: number, atOnce: number) =>
  (roundTrip: number, seed: number): Repeat => {
    const perSecond = (1e9 / roundTrip) * atOnce * (1 + 0.1 * noise(seed + 2))
    const cpu = { client: 0.97, server: 0.82 + 0.1 * noise(seed), others: 0 }
    const cpuEach = ((cpu.client + cpu.server) / perSecond) * 1e9
    return { value: perSecond, perSecond, bytesPerSecond: perSecond * size, cpu, cpuEach }
  }

const words = (size: number) =>
  size < 1024 ? `${size} B` : size < 1 << 20 ? `${size / 1024} KiB` : `${size / 2 ** 20} MiB`

function cases(): Case[] {
  const of = (suite: Suite, id: string, name: string, settings: Case['settings']) => ({
    ...{ suite, id: `${suite}.${id}`, name, settings },
  })
  return [
    ...SIZES.map((size) => ({
      ...of('latency', `closed.${size}`, `round trip ${words(size)}, one at a time`, { size }),
      repeat: timed(1),
    })),
    {
      ...of('latency', 'open.64.2000', 'round trip 64 B at 2.00 k/s, from the scheduled send', {
        ...{ size: 64, rate: 2000 },
      }),
      repeat: timed(1.7),
    },
    ...SIZES.map((size) => ({
      ...of('throughput', `one-way.${size}`, `one-way ${words(size)}`, { size }),
      repeat: rated(size, 6),
    })),
    ...SIZES.map((size) => ({
      ...of('throughput', `in-flight.${size}`, `256 requests in flight, ${words(size)}`, { size }),
      repeat: rated(size, 2.5),
    })),
    ...BURSTS.map((count) => ({
      ...of('burst', `${count}.64`, `burst of ${count.toLocaleString('en')} messages of 64 B`, {
        ...{ size: 64, count },
      }),
      repeat: rated(64, 2 + Math.log10(count)),
    })),
    {
      ...of('connect', 'first-answer', 'connect, one round trip of 64 B, close', { times: 100 }),
      repeat: (roundTrip, seed) => timed(1)(roundTrip * 0.6 + 240_000, seed),
    },
  ]
}

function compared(): Measurement[] {
  return cases().flatMap((one, at) =>
    (Object.keys(SPEEDS) as Languages[]).flatMap((pair) =>
      Object.entries(SPEEDS[pair]).map(([transport, [base, each]], index) =>
        measured(one, pair, transport, base + each * (one.settings.size ?? 64), at * 31 + index),
      ),
    ),
  )
}

function measured(
  { repeat, ...one }: Case,
  pair: Languages,
  transport: string,
  roundTrip: number,
  seed: number,
): Measurement {
  const isRate = one.suite === 'throughput' || one.suite === 'burst'
  const missed = one.id.startsWith('latency.open') && transport === 'vscode-jsonrpc'
  const repeats = Array.from({ length: TURNS }, (_, turn) =>
    repeat(roundTrip * (1 + 0.12 * noise(seed + turn * 7)), seed + turn),
  )
  return {
    ...{ ...one, pair, transport, repeats, checks: [] },
    metric: isRate
      ? { name: 'messages', unit: '/s', better: 'more' }
      : { name: 'p50', unit: 'ns', better: 'less' },
    failed: missed ? 'missed its rate: 1.31 k/s of 2.00 k/s' : null,
  }
}

/** Curves that bend where figures have three times their first value, or no longer double. */
function scaled(): Measurement[] {
  const curves: [string, number[], (base: number, at: number, seed: number) => Repeat][] = [
    ['connections', [1, 32, 1_000], (base, at, seed) => timed(1 + at / 200)(base, seed)],
    ['payload', [16, 4_096, 262_144, 4_194_304], (base, at, seed) => {
      const one = timed(1)(base + at * 0.2, seed)
      return { ...one, bytesPerSecond: (at * 1e9) / one.value }
    }],
    ['in-flight', [1, 32, 1_024], (base, at, seed) => rated(64, Math.min(at, 40))(base, seed)],
    ['neighbours', [0, 1, 2], (base, at, seed) => timed(1 + at)(base, seed)],
  ]
  const one = (
    transport: string,
    curve: string,
    at: number,
    repeat: (turn: number) => Repeat,
  ): Measurement => ({
    ...({ suite: 'scale', pair: 'ts-ts', failed: null } as const),
    ...{ transport, checks: [] },
    ...{ id: `scale.${curve}.${at}`, name: `${curve} ${at}`, settings: { curve, at } },
    repeats: Array.from({ length: TURNS }, (_, turn) => repeat(turn)),
    metric:
      curve === 'in-flight'
        ? ({ name: 'messages', unit: '/s', better: 'more' } as const)
        : ({ name: 'p50', unit: 'ns', better: 'less' } as const),
  })
  return curves.flatMap(([curve, points, repeat]) =>
    points.flatMap((at) =>
      ['ringpost', 'expert'].map((transport) => {
        const [base] = SPEEDS['ts-ts'][transport]
        return one(transport, curve, at, (turn) => repeat(base, at, turn))
      }),
    ),
  )
}

function scenarios(): Measurement[] {
  const check = (what: string, unit: Check['unit'], floor: number, seen: number): Check => ({
    ...{ what, unit, floor, atMost: unit === 'ns' || unit === 'B', seen },
    ok: unit === 'ns' || unit === 'B' ? seen <= floor : seen >= floor,
  })
  const of = (name: string, title: string, rest: Partial<Measurement>): Measurement => ({
    ...{ suite: 'scenarios', id: `scenarios.${name}`, name: title, transport: 'ringpost' },
    ...({ pair: 'ts-ts', settings: { form: 'full' }, failed: null } as const),
    ...{ repeats: [], checks: [] },
    metric: { name: 'messages a second', unit: '/s', better: 'more' },
    ...rest,
  })
  const rate = (value: number): Repeat => ({
    ...{ value, perSecond: value, details: { 'slowest client': value / 3 } },
  })
  const timed = (p50: number, turn: number): Repeat => ({ value: p50, latency: latency(p50, turn) })
  return [
    of('mixed', 'messages of many sizes, one after the other', {
      repeats: [183_000, 191_000, 179_000].map(rate),
      checks: [
        check('messages a second', '/s', 86_326, 183_000),
        check('bytes a second', 'B/s', 2.7e9, 5.8e9),
      ],
    }),
    of('audio', 'audio blocks beside other traffic', {
      metric: { name: 'one way, p50', unit: 'ns', better: 'less' },
      repeats: [61_000, 58_000, 66_000].map(timed),
      checks: [
        check('audio, p50', 'ns', 100e3, 61e3),
        check('audio, p50, asked of native code', 'ns', 50e3, 61e3),
      ],
    }),
    of('leak-cycles', 'connections that come and go', {
      metric: { name: 'growth of the server', unit: 'B', better: 'less' },
      repeats: [{ value: -24_576, details: { cycles: 400 } }],
      checks: [check('growth of resident memory', 'B', 1 << 20, -24_576)],
    }),
    of('chaos', 'clients that are killed, frozen, and lie', {
      failed: '3 messages were sent, 2 of 64 bytes received',
    }),
  ]
}

function micro(): Measurement[] {
  const of = (id: string, name: string, ns: number, pair: Languages): Measurement => ({
    ...{ suite: 'micro', id: `micro.${id}`, name, transport: 'ringpost', pair, checks: [] },
    metric: { name: 'per operation', unit: 'ns', better: 'less' },
    ...{ settings: { operations: 64 }, failed: null },
    repeats: Array.from({ length: TURNS }, (_, turn) => ({
      value: ns * (1 + 0.05 * noise(turn)),
      details: { low: ns * 0.9, high: ns * 1.4, samples: 80 },
    })),
  })
  return [
    of('js.codec.encode-64', 'encode 64 B of MessagePack', 412, 'ts-ts'),
    of('js.pending.add-settle', 'a request begun and settled', 71.3, 'ts-ts'),
    of('rust.ring.push-pop-64', 'ring: one frame in and out', 18.4, 'rust-rust'),
    of('rust.crc.64', 'CRC-32C of 64 B', 4.9, 'rust-rust'),
  ]
}

function rows(): Results['rows'] {
  const turns = (ours: number, reference: number, plain: number) =>
    Array.from({ length: TURNS }, (_, turn) => ({
      ours: { value: ours * (1 + 0.06 * noise(turn)), cpu: 1.6 },
      reference: { value: reference * (1 + 0.09 * noise(turn + 9)), cpu: 1.4 },
      plain: { value: plain * (1 + 0.09 * noise(turn + 17)), cpu: 1.5 },
    }))
  const alone = (id: string, name: string, unit: string, value: number) => ({
    ...{ id, name, unit, ours: value, reference: NaN, ratio: value, turns: [] },
    spread: [value, value] as [number, number],
  })
  return [
    row('latency.64.p50', 'round trip 64 B, p50', 'ns', 'less', turns(780, 41_000, 42_000)),
    row('latency.64.p99', 'round trip 64 B, p99', 'ns', 'less', turns(4_100, 60_000, 61_000)),
    row('latency.64.p999', 'round trip 64 B, p99.9', 'ns', 'less', turns(9_800, 95_000, 97_000)),
    row('one-way.64', 'one-way 64 B', '/s', 'more', turns(3.9e6, 4.2e6, 310_000)),
    alone('idle.cpu', 'idle connected pair, both processes', '% of a core', 0),
    alone('memory.node', 'added to a bare Node process', 'MiB', 3.7),
  ]
}

/** A soak whose memory wanders and does not grow. */
export function soak(length: number): Soak {
  const about = (base: number, at: number) => ({
    residentBytes: base + 600_000 * noise(at) + 2e6 * (1 - Math.exp(-at / 4)),
    ...{ descriptors: 34, mappings: 210, loopDelayP99: 1.1e6, cpu: 0.08 },
  })
  const samples = Array.from({ length }, (_, index) => {
    const at = (index + 1) * 60
    return {
      ...{ at, perSecond: 1_000 + noise(at) },
      latency: latency(41_000 * (1 + 0.05 * noise(at)), at),
      ...{ client: about(64e6, index), server: about(58e6, index + 500) },
      ...{ drops: 0, wakeups: 59_800, lostWakeups: 0 },
    }
  })
  return {
    ...{ transport: 'ringpost', pair: 'ts-ts', rate: 1_000, size: 64, samples, failed: null },
    ...{ secondsWanted: length * 60, secondsSeen: length * 60, verdict: 'no leak' },
    trends: trends(samples, [0]),
    throughputVariation: variation(samples.map(({ perSecond }) => perSecond)),
  }
}
