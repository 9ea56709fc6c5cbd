// The rows the engine is held to: each a figure of ours beside the reference of the same run, a
// Unix socket as an expert writes it, and beside a plain one.

import { existsSync } from 'node:fs'
import type { Row } from '../../compare.mjs'
import { Pair, type PairOptions } from '../../pair.mjs'
import type { Run } from '../../run.mjs'
import { RUST_PROGRAMS } from '../../transports.mjs'
import type { Suite } from '../suite.mjs'
import * as calls from './calls.mjs'
import * as messages from './messages.mjs'
import { bystanders, contended } from './neighbours.mjs'
import { firstAnswer, idleCpu, memoryInNode, nativeServer } from './process.mjs'
import { rustRows } from './rust.mjs'
import type { Effort, Sides } from './sides.mjs'

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
const STEPS = { brief: 17, rust: 8, all: 71 }

async function play(run: Run, effort: Effort): Promise<void> {
  const add = (rows: Row[]) => {
    for (const row of rows) {
      run.step(row.name)
      run.addRow(row)
    }
  }
  await withPairs(run, ['expert', 'uds'], async (sides) => {
    await warmUp(sides, effort)
    for (const size of calls.sizes(effort)) add(await calls.latency(effort, sides, size))
    add(await calls.synchronous(effort, sides))
    add(await calls.inFlight(effort, sides, 64, 256))
    add(await messages.oneWay(effort, sides, 64))
    if (effort.brief) return
    await beyondTheBrief(effort, sides, run.directory, add)
  })
  await withPairs(run, ['uds-busy'], async (sides) => {
    await warmUp(sides, effort)
    add(await calls.besideBusy(effort, sides))
  })
  if (effort.brief) return
  await withPairs(
    run,
    ['expert', 'uds'],
    async (sides) => {
      await warmUp(sides, effort)
      add(overSocket(await calls.latency(effort, sides, 64)))
      add(overSocket(await messages.oneWay(effort, sides, 64)))
    },
    { ours: 'ringpost-socket' },
  )
  await withPairs(
    run,
    ['expert', 'uds'],
    async (sides) => add(await messages.objects(effort, sides)),
    { settings: { items: true } },
  )
  const cores = { server: '0', client: '0' }
  await withPairs(run, ['expert', 'uds'], async (sides) => {
    await warmUp(sides, effort)
    add(await calls.oneCore(effort, sides))
  }, { cores })
  add([await firstAnswer(effort, run.directory)])
  add([await memoryInNode(run.directory)])
  if (!effort.rust) return
  add(await rustRows(effort, run.directory))
  add(await nativeServer(run.directory))
}

async function beyondTheBrief(
  effort: Effort,
  sides: Sides,
  directory: string,
  add: (rows: Row[]) => void,
): Promise<void> {
  add(await calls.inFlight(effort, sides, 1024, 64))
  add(await calls.inFlight(effort, sides, 1 << 20, 16))
  for (const size of [1024, 65_536, 1 << 20]) add(await messages.oneWay(effort, sides, size))
  add(await messages.stream(effort, sides, 64))
  add(await messages.stream(effort, sides, 64, { iterated: true }))
  add(await messages.stream(effort, sides, 65_536))
  add(await calls.asleep(effort, sides))
  for (const rate of [200, 2000, 20_000]) add(await calls.openLoop(effort, sides, rate))
  add(await calls.connecting(effort, sides))
  add(await contended(effort, sides))
  add(await bystanders(effort, sides.ours, directory))
  add([await idleCpu(sides.ours)])
}

/** Rows of a Ringpost that shares no memory. */
const overSocket = (rows: Row[]): Row[] =>
  rows.map((row) => ({ ...row, id: `socket.${row.id}`, name: `transport socket: ${row.name}` }))

/** Opens ours beside a reference and a plain socket, if named, and closes all. */
async function withPairs(
  run: Run,
  [reference, plain]: [reference: string, plain?: string],
  work: (sides: Sides) => Promise<void>,
  { ours = 'ringpost', cores, settings }: Partial<PairOptions> & { ours?: string } = {},
): Promise<void> {
  run.signal.throwIfAborted()
  const pairs: Pair[] = []
  const kill = () => pairs.forEach((pair) => pair.kill())
  run.signal.addEventListener('abort', kill)
  const open = async (name: string) => {
    const { directory } = run
    const pair = await Pair.open(name, { settings: { directory, ...settings }, cores })
    pairs.push(pair)
    return pair
  }
  try {
    await work({
      ours: await open(ours),
      reference: await open(reference),
      plain: plain === undefined ? undefined : await open(plain),
    })
    for (const pair of pairs) await pair.close()
  } finally {
    run.signal.removeEventListener('abort', kill)
    kill()
  }
}

async function warmUp({ ours, reference, plain }: Sides, { ms }: Effort): Promise<void> {
  for (const pair of [ours, reference, plain]) {
    if (pair === undefined) continue
    for (const size of [64, 65_536]) await pair.latency({ size, ms })
    await pair.pipelined({ size: 64, ms, inFlight: 256 })
    await pair.oneWay({ size: 64, ms })
  }
}
