// What one run of the gate measures, with real processes and for as short as it can be.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { gatedRows, measurable } from '../gate/rows.mjs'
import { measureRun, type Builds } from '../gate/run.mjs'
import { RUST_PROGRAMS } from '../transports.mjs'
import { directory } from '../../__test__/helpers/directory.mjs'

const signal = new AbortController().signal
const SHORT = { ms: 20, number: 1, directory, signal }

test('beside another build no reference is measured, and without one it is', async (t) => {
  const rows = gatedRows(['latency.64.p50'])
  const sides = async (builds: Builds) => {
    const { measurements } = await measureRun({ ...SHORT, builds, rows })
    return Object.keys(measurements.get('latency.64.p50')!).sort()
  }
  t.deepEqual(await sides({ candidate: 'ringpost', base: 'ringpost' }), ['base', 'candidate'])
  t.deepEqual(await sides({ candidate: 'ringpost' }), ['candidate', 'reference'])
  const three = { candidate: 'ringpost', base: 'ringpost', anchor: 'ringpost' }
  t.deepEqual(await sides(three), ['anchor', 'base', 'candidate'])
})

test('each gated row is measured, of a build and of the reference', async (t) => {
  const { rows, leftOut } = measurable(gatedRows(), ['ringpost'])
  t.is(leftOut.length, existsSync(RUST_PROGRAMS.worker) ? 0 : 1)
  const { measurements } = await measureRun({ ...SHORT, builds: { candidate: 'ringpost' }, rows })
  t.deepEqual([...measurements.keys()], rows.map(({ id }) => id))
  for (const { id, better } of rows) {
    const { candidate, reference } = measurements.get(id)!
    for (const value of [candidate!, reference!]) {
      const figure = Math.exp(better === 'less' ? -value : value)
      t.true(figure > 0 && Number.isFinite(figure), `${id}: ${figure}`)
    }
  }
  const memory = Math.exp(-measurements.get('memory.node')!.candidate!)
  t.true(memory > 0.5 && memory < 50, `${memory} MiB`)
})

test('a row of Rust is left out if a build has no program for it', (t) => {
  const older = pathToFileURL(join(directory, 'index.mjs')).href
  const all = gatedRows()
  const { rows, leftOut } = measurable(all, ['ringpost', older])
  t.deepEqual(rows, all.filter(({ pair }) => pair !== 'rust'))
  t.is(leftOut.length, 1)
  t.regex(leftOut[0], /^Rust one-way 64 B: there is no .*target\/release\/bench-worker$/)
})
