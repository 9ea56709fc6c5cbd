// What one run of the gate measures, with real processes and for as short as it can be.

import test from 'ava'
import { gatedRows } from '../gate/rows.mjs'
import { measureRun } from '../gate/run.mjs'
import { directory } from '../../__test__/helpers/directory.mjs'

const signal = new AbortController().signal
const SHORT = { ms: 20, number: 1, directory, signal }

test('beside another build no reference is measured, and without one it is', async (t) => {
  const rows = gatedRows(['latency.64.p50'])
  const sides = async (builds: { candidate: string; base?: string }) => {
    const { measurements } = await measureRun({ ...SHORT, builds, rows })
    return Object.keys(measurements.get('latency.64.p50')!).sort()
  }
  t.deepEqual(await sides({ candidate: 'ringpost', base: 'ringpost' }), ['base', 'candidate'])
  t.deepEqual(await sides({ candidate: 'ringpost' }), ['candidate', 'reference'])
})
