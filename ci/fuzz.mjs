// Fuzzes the code that parses a peer's bytes: node ci/fuzz.mjs [seconds per target]
//
// libFuzzer with the address sanitizer, on the stable compiler. Interesting inputs are kept in
// crates/ipc-core/fuzz/corpus, crashing ones in artifacts beside it.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, giveUp, step } from './step.mjs'

const TARGETS = ['header', 'handshake', 'ring', 'link', 'records', 'published']
const PLATFORM = 'x86_64-unknown-linux-gnu'

const seconds = Number(process.argv[2] ?? 60)
if (!(seconds > 0)) giveUp('usage: node ci/fuzz.mjs [seconds per target]')
const folder = join(ROOT, 'crates/ipc-core/fuzz')

const coverage = ['level=4', 'inline-8bit-counters', 'pc-table', 'trace-compares']
const flags = [
  ...['-Zsanitizer=address', '-Cpasses=sancov-module', '--cfg', 'fuzzing'],
  ...coverage.map((what) => `-Cllvm-args=-sanitizer-coverage-${what}`),
  // Otherwise the linker drops the sections of the counters.
  '-Clink-dead-code',
]
await step('building the fuzz targets', 'cargo', ['build', '--release', '--target', PLATFORM], {
  cwd: folder,
  env: { RUSTC_BOOTSTRAP: '1', RUSTFLAGS: flags.join(' ') },
})
// Socket directories of the targets are created in this one and removed with it.
const scratch = mkdtempSync(join(tmpdir(), 'ringpost-fuzzing-'))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
for (const target of TARGETS) {
  const corpus = join(folder, 'corpus', target)
  const artifacts = join(folder, 'artifacts', target)
  for (const needed of [corpus, artifacts]) mkdirSync(needed, { recursive: true })
  const program = join(folder, 'target', PLATFORM, 'release', target)
  await step(`fuzzing ${target} for ${seconds} s`, program, [
    ...[`-max_total_time=${seconds}`, '-timeout=10', '-rss_limit_mb=2048', '-print_final_stats=1'],
    ...[`-artifact_prefix=${artifacts}/`, corpus],
  ], { env: { TMPDIR: scratch } })
}
