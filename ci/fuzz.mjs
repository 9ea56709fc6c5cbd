// Fuzzes what a peer's bytes reach first: node ci/fuzz.mjs [seconds per target]
//
// libFuzzer with the address sanitizer, on the stable compiler. What it finds worth keeping stays in
// crates/ipc-core/fuzz/corpus, what crashes in artifacts beside it.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, giveUp, step } from './step.mjs'

const TARGETS = ['header', 'handshake', 'ring', 'link']
const PLATFORM = 'x86_64-unknown-linux-gnu'

const seconds = Number(process.argv[2] ?? 60)
if (!(seconds > 0)) giveUp('How long? node ci/fuzz.mjs <seconds per target>')
const folder = join(ROOT, 'crates/ipc-core/fuzz')

const coverage = ['level=4', 'inline-8bit-counters', 'pc-table', 'trace-compares']
const flags = [
  ...['-Zsanitizer=address', '-Cpasses=sancov-module', '--cfg', 'fuzzing'],
  ...coverage.map((what) => `-Cllvm-args=-sanitizer-coverage-${what}`),
  // The linker would drop the counters' sections otherwise.
  '-Clink-dead-code',
]
await step('building the fuzz targets', 'cargo', ['build', '--release', '--target', PLATFORM], {
  cwd: folder,
  env: { RUSTC_BOOTSTRAP: '1', RUSTFLAGS: flags.join(' ') },
})
// The directories in which the targets meet themselves lie in this one, and go with it.
const scratch = mkdtempSync(join(tmpdir(), 'ringpost-fuzzing-'))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
for (const target of TARGETS) {
  const corpus = join(folder, 'corpus', target)
  const artifacts = join(folder, 'artifacts', target)
  for (const needed of [corpus, artifacts]) mkdirSync(needed, { recursive: true })
  await step(`fuzzing ${target} for ${seconds} s`, join(folder, 'target', PLATFORM, 'release', target), [
    ...[`-max_total_time=${seconds}`, '-timeout=10', '-rss_limit_mb=2048', '-print_final_stats=1'],
    ...[`-artifact_prefix=${artifacts}/`, corpus],
  ], { env: { TMPDIR: scratch } })
}
