// The audio process and the whole as they are started and ended.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sandboxedProgram } from '../programs.mjs'
import { hasStarted, started } from '../../testing/processes.mjs'
import { Place } from './helpers.mjs'
import { readWav } from './render.mjs'

const RUN = fileURLToPath(new URL('../run.mjs', import.meta.url))

// They wait for processes most of the time.
describe('programs', { concurrency: 3 }, () => {
  test('the sandbox of these tests notices memory that is taken, and a system call', async (t) => {
    const place = new Place(t)
    const wrong = (what) => {
      const args = ['--record', join(place.files, `${what}.wav`), '--name', what]
      return place.child(sandboxedProgram(), args, { AUDIO_WRONG: what })
    }
    const allocating = wrong('allocation')
    await allocating.prints(/the audio thread has allocated or freed memory/)
    assert.equal(await allocating.ended, 76)
    assert.equal(await wrong('call').ended, 'SIGSYS')
  })

  test('it has real-time priority where that is permitted, and says so where it is not', async (t) => {
    const place = new Place(t)
    const isPermitted = spawnSync('chrt', ['-f', '20', 'true']).status === 0
    const { how } = await place.synth()
    assert.match(how, isPermitted ? /^at real-time priority 20$/ : /not permitted here \(.+; RLIMIT_RTPRIO is \d+\)$/)
    const ordinary = await new Place(t).synth({ args: ['--ordinary'] })
    assert.equal(ordinary.how, 'without real-time priority, as was asked for')
  })

  test('it ends with a signal, or with what has started it, and leaves its file alone', async (t) => {
    const place = new Place(t)
    const first = await place.synth()
    const second = place.child(sandboxedProgram(), ['--name', place.name, '--record', join(place.files, 'second.wav')])
    await second.prints(/an audio process named "test" is running already/)
    assert.equal(await second.ended, 1)
    assert.equal(await first.end(), 0)
    const attached = await place.synth({ args: ['--attached'] })
    attached.detach()
    assert.equal(await attached.ended, 0)
    assert.ok(readWav(attached.wav).length > 0)
    assert.deepEqual(place.left(), [])
  })

  test('arguments that it does not know are named', (t) => {
    const place = new Place(t)
    for (const [args, message] of [
      [['--nam', 'one'], 'there is no option --nam'],
      [['--record'], '--record needs a value'],
      [[], '--record <file> is needed'],
      [['--workers', '65'], '--workers must be 0 to 64, got 65'],
      [['--record', join(place.files, 'no/such.wav')], 'such.wav cannot be written'],
    ]) {
      const { status, stderr } = spawnSync(sandboxedProgram(), args, { env: place.environment, encoding: 'utf8' })
      assert.equal(status, 1)
      assert.ok(stderr.includes(message), stderr)
    }
  })

  test('the whole starts a killed audio process again, and ends on Ctrl-C', async (t) => {
    const place = new Place(t)
    const program = started(t, RUN, place.environment, '--folder', place.files)
    const pid = await program.prints(/synth: process (\d+) plays/)
    await program.prints(/control: plays 4 bars/)
    process.kill(Number(pid), 'SIGKILL')
    await program.prints(/The audio process was ended by SIGKILL; another is started/)
    await program.prints(/the audio process is back \(\d+\) after/)
    program.signalAll('SIGINT')
    assert.equal(await program.ended, 0)
    await program.prints(/All have ended/)
    assert.deepEqual(readdirSync(place.files).sort(), ['take-1.wav', 'take-2.wav'])
    assert.deepEqual(place.left(), [])
  })

  test('if the program itself is killed, all processes end without a trace', async (t) => {
    const place = new Place(t)
    const program = started(t, RUN, place.environment, '--folder', place.files)
    await program.prints(/control: plays 4 bars/)
    program.child.kill('SIGKILL')
    // It is only closed when the others have closed their output as well.
    assert.equal(await program.ended, 'SIGKILL')
    assert.deepEqual(place.left(), [])
  })

  test('so do processes that the program has only just started', async (t) => {
    const place = new Place(t)
    const program = started(t, RUN, place.environment, '--folder', place.files)
    await hasStarted(program.child.pid, 3)
    program.child.kill('SIGKILL')
    assert.equal(await program.ended, 'SIGKILL')
  })

  test('it measures its commands, and prints that beside what they are held to', async (t) => {
    const place = new Place(t)
    await place.synth({ args: ['--workers', '2'] })
    const main = place.main('--bars', '1', '--rounds', '20')
    await main.prints(/µs +p50 +p95 +p99 +max +jitter/)
    await main.prints(/half a round trip( +[\d.]+ [✓✗]){3} +[\d.]+ +[\d.]+ [✓✗]/)
    await main.prints(/held to +100\.0 +250\.0 +500\.0 +100\.0/)
    await main.prints(/20 commands that nothing answers: \d+ were read within a period .* 0 were lost/)
    assert.equal(await main.ended, 0)
  })

  test('a measurement that cannot go on says why', async (t) => {
    const place = new Place(t)
    const synth = await place.synth()
    const main = place.main('--bars', '1')
    await main.prints(/measures 1000 commands of each kind/)
    await synth.kill()
    await main.prints(/control: the audio process is gone, and commands are not sent/)
    await main.prints(/control: the measurement has ended early: .+/)
    assert.equal(await main.ended, 1)
  })

  test('counts that a control process does not know are named', async (t) => {
    const main = new Place(t).main('--rounds', '0')
    await main.prints(/--rounds must be a whole number from 1 on, got 0/)
    assert.equal(await main.ended, 1)
  })
})
