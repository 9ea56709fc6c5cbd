// Proves that the models prove something: plants faults in a copy of the core, one at a time, and sees
// that each is caught by the loom models or else by the tests of the ring.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT, giveUp } from './step.mjs'

const MUTATIONS = [
  {
    what: 'positions are stored without Release',
    file: 'sync.rs',
    from: 'PUBLISH: Ordering = Ordering::Release',
    to: 'PUBLISH: Ordering = Ordering::Relaxed',
  },
  {
    what: 'positions are loaded without Acquire',
    file: 'sync.rs',
    from: 'OBSERVE: Ordering = Ordering::Acquire',
    to: 'OBSERVE: Ordering = Ordering::Relaxed',
  },
  {
    what: 'no fence between publish and the look at the arming',
    file: 'doorbell.rs',
    from: 'fence(SeqCst);\n        let armed',
    to: 'let armed',
  },
  {
    what: 'no fence between arming and the last look',
    file: 'doorbell.rs',
    from: '| interest.0);\n        fence(SeqCst);',
    to: '| interest.0);',
  },
  {
    what: 'every arming has the same number',
    file: 'doorbell.rs',
    from: 'wrapping_add(1 << Interest::BITS)',
    to: 'wrapping_add(0) | 4',
  },
  {
    what: 'a release rings nobody',
    file: 'lanes/mod.rs',
    from: '(false, true) => Interest::SPACE',
    to: '(false, true) => return false',
  },
  {
    what: 'who waits for data is not rung when space comes with it',
    file: 'lanes/mod.rs',
    from: 'Interest::DATA.and(Interest::SPACE),',
    to: 'Interest::SPACE,',
  },
  {
    what: 'only the first of two lanes is published',
    file: 'lanes/mod.rs',
    from: 'self.dirty & 1 << index != 0',
    to: 'self.dirty.trailing_zeros() as usize == index',
  },
  {
    what: 'only the first of two lanes gives space back',
    file: 'lanes/mod.rs',
    from: 'ring.release() | any',
    to: 'any || ring.release()',
  },
  {
    what: 'the published word is looked at after the positions',
    file: 'lanes/mod.rs',
    from: 'self.seen = published;',
    to: '',
  },
  {
    what: 'a frame is shown before it is written',
    file: 'ring/producer.rs',
    from: 'let Some(offset) = self.reserve(len)? else { return Ok(false) };\n',
    to: 'let Some(offset) = self.reserve(len)? else { return Ok(false) };\n        self.region.store_write(self.write.wrapping_add(frame_len(len) as u64));\n',
  },
  {
    what: 'room is taken for a frame alone, not for its pad',
    file: 'ring/producer.rs',
    from: 'self.has_room(need + padding)?',
    to: 'self.has_room(need)?',
  },
  {
    what: 'space is never given back',
    file: 'ring/consumer.rs',
    from: 'self.region.store_read(self.read);',
    to: '',
  },
  {
    what: 'space is given back before it was read',
    file: 'ring/consumer.rs',
    from: 'self.region.store_read(self.read);',
    to: 'self.region.store_read(self.write_seen);',
  },
]

const copy = mkdtempSync(join(tmpdir(), 'ringpost-mutations-'))
process.once('exit', () => rmSync(copy, { recursive: true, force: true }))
for (const name of ['Cargo.toml', 'Cargo.lock', 'crates', 'PROTOCOL.md']) {
  const filter = (path) => !/\/(target|corpus|artifacts)$/.test(path)
  cpSync(join(ROOT, name), join(copy, name), { recursive: true, filter })
}
if (caught() !== undefined) giveUp('The tests fail without any fault planted.')
let missed = 0
for (const { what, file, from, to } of MUTATIONS) {
  const path = join(copy, 'crates/ipc-core/src', file)
  const source = readFileSync(path, 'utf8')
  if (source.split(from).length !== 2) giveUp(`${file} does not have "${from}" once: ${what}`)
  writeFileSync(path, source.replace(from, () => to))
  const by = caught()
  writeFileSync(path, source)
  if (by === undefined) missed++
  console.log(`${what.padEnd(56)} ${by ?? 'NOT CAUGHT'}`)
}
console.log(`\n${MUTATIONS.length} faults, ${missed} not caught`)
process.exitCode = missed === 0 ? 0 : 1

/** What catches the fault that is planted; `undefined` if nothing does. */
function caught() {
  if (!passes('model', { RUSTFLAGS: '--cfg loom', LOOM_MAX_PREEMPTIONS: '3' })) return 'the models'
  return passes('ring::tests', {}) ? undefined : 'the tests of the ring'
}

function passes(filter, env) {
  const target = join(ROOT, 'target', `mutations-${filter === 'model' ? 'loom' : 'ring'}`)
  const args = ['test', '--profile', 'ci', '--package', 'ipc-core', '--lib', '--target-dir', target]
  const limits = { timeout: 180_000, killSignal: 'SIGKILL' }
  const run = (more) =>
    spawnSync('cargo', [...args, ...more], { cwd: copy, env: { ...process.env, ...env }, ...limits })
  const built = run(['--no-run'])
  if (built.status !== 0) giveUp(`A planted fault does not compile:\n${built.stderr}`)
  // A fault may also show as a test without an end.
  return run([filter]).status === 0
}
