// Copies of this build, with something planted in them that one gated row has to notice: a delay in
// the code that the row runs for every message, or memory that is never freed.

import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ROOT, giveUp } from './step.mjs'
import { buildWorker } from './worker.mjs'

const WORKER = 'target/release/bench-worker'
const BUILD = ['package.json', 'index.mjs', 'dist/ts', 'native', WORKER]
/** All of TypeScript, in one file. */
const LIBRARY = 'dist/ts/library.js'
/** What the Rust half of the runner is built from. */
const SOURCES = ['Cargo.toml', 'Cargo.lock', 'crates', 'benches/rust']

/** Of so many requests one is late: more than the 100th that the tail begins with. */
const TAIL = 50

/** Where all messages of a process pass before they are sent. */
const sent = (kind, size, every = 1) => ({
  file: LIBRARY,
  at: /^ {4}append\(payload, length, trace\) \{$/m,
  line: `if (this.kind === plantedKind && length === ${size}) spin(${every});`,
  rest: `const plantedKind = native.${kind};\n`,
})

/** By row: in which file, behind what, which line, and what it needs at the file's end. */
const PLANTS = {
  'latency.64.p50': sent('KIND_REQUEST', 64),
  'latency.64.p99': sent('KIND_REQUEST', 64, TAIL),
  'latency.65536.p50': sent('KIND_REQUEST', 65_536),
  'pipelined.64': sent('KIND_REQUEST', 64),
  'one-way.64': sent('KIND_ONE_WAY', 64),
  'stream.64': sent('KIND_REPLY_ITEM', 64),
  'sync.64.p50': {
    file: LIBRARY,
    at: /^ {4}request\(link, slot, generation\) \{$/m,
    line: 'spin(1);',
  },
  'connect.p50': {
    file: LIBRARY,
    at: /^async function connect\(name, options\) \{$/m,
    line: 'spin(1);',
  },
  'memory.node': {
    file: LIBRARY,
    at: /^'use strict';$/m,
    line: 'globalThis.planted = Buffer.alloc(AMOUNT, 1);',
  },
  'rust.one-way.64': {
    file: 'crates/ringpost/src/blocking/batch.rs',
    at: /^ {4}pub fn notify\(.*\{$/m,
    line: 'spin();',
  },
}

const SPIN = `
let sink = 1;
let calls = 0;
function spin(every) {
  if (++calls % every !== 0) return;
  let own = sink;
  for (let turn = 0; turn < AMOUNT; turn++) own = (Math.imul(own, 1103515245) + 12345) | 0;
  sink = own;
}
`
/** As long as the loop above, but none that the compiler can make one step of. Each call begins with
 * what the one before left, so that the processor cannot overlap them. */
const SPIN_RUST = `
static SINK: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);

fn spin() {
    let mut own = SINK.load(std::sync::atomic::Ordering::Relaxed);
    for _ in 0..AMOUNT {
        own = own.wrapping_mul(1_103_515_245) ^ (own >> 7);
    }
    SINK.store(own, std::sync::atomic::Ordering::Relaxed);
}
`

/** How much to plant so that a row loses this share: turns of a loop, or bytes. */
export function amountOf({ id, unit, better }, figure, share, spinNs) {
  if (unit === 'MiB') return Math.round(figure * share * 2 ** 20)
  const ns = better === 'less' ? figure : 1e9 / figure
  // A message of the tail is late by all that it takes.
  const late = id.endsWith('.p99') ? 1 + share : share
  return Math.max(1, Math.round((ns * late) / spinNs))
}

/** An unchanged copy of this build. */
export function copy(folder) {
  copyParts(folder, BUILD)
  return folder
}

/** A copy with so much planted for a row. Rust is built for the first copy and kept in `kept`. */
export async function plantedCopy(folder, row, amount, kept) {
  copy(folder)
  if (PLANTS[row].file.endsWith('.rs')) {
    if (!existsSync(join(kept, WORKER))) {
      copyParts(kept, SOURCES)
      plant(kept, row, amount)
      await buildWorker(kept)
    }
    cpSync(join(kept, WORKER), join(folder, WORKER))
  } else {
    plant(folder, row, amount)
  }
  return folder
}

/** Refuses a row without a place for what is planted. */
export function checkPlaces(folder, rows) {
  copyParts(folder, [...BUILD, ...SOURCES])
  for (const row of rows) {
    if (PLANTS[row] === undefined) giveUp(`There is nothing to plant for ${row}.`)
    const { file } = PLANTS[row]
    const code = readFileSync(join(folder, file))
    plant(folder, row, 1)
    writeFileSync(join(folder, file), code)
  }
}

function plant(folder, row, amount) {
  const { file, at, line, rest = '' } = PLANTS[row]
  const code = readFileSync(join(folder, file), 'utf8')
  if (!at.test(code)) giveUp(`${file} has no place to plant anything in for ${row}.`)
  const spin = file.endsWith('.rs') ? SPIN_RUST : SPIN
  const planted = `${code.replace(at, `$& ${line}`)}\n${rest}${spin}`
  writeFileSync(join(folder, file), planted.replaceAll('AMOUNT', String(amount)))
}

function copyParts(folder, parts) {
  for (const part of parts.filter((part) => existsSync(join(ROOT, part)))) {
    mkdirSync(dirname(join(folder, part)), { recursive: true })
    const isOutput = (path) => path.endsWith('/target') || path.endsWith('/node_modules')
    const filter = (path) => part === WORKER || !isOutput(path)
    cpSync(join(ROOT, part), join(folder, part), { recursive: true, filter })
  }
}
