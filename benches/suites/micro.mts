// The pieces one by one, in both languages: see benches/micro/ and
// crates/ipc-core/benches/micro.rs.

import type { Suite } from './suite.mjs'

/** Seconds of one piece in one repeat. */
const SECONDS = 0.5
const SECONDS_QUICK = 0.05

export const micro: Suite = {
  about: 'the pieces, one by one',
  async play(run) {
    // Loads the insides of the package, which no other suite needs.
    const { microCases, microSuite, rustMicroSuite } = await import('../micro/index.mjs')
    const { quick, repeats, only } = run.plan
    const options = {
      ...{ seconds: quick ? SECONDS_QUICK : SECONDS, repeats, only, signal: run.signal },
      step: (what: string) => run.step(what),
      leftOut: (what: string) => run.leaveOut(what),
    }
    run.begin('micro', microCases(only).length * repeats + 1)
    try {
      const before = run.results.measurements.length
      for (const measurement of await microSuite(options)) run.add(measurement)
      for (const measurement of await rustMicroSuite(options)) run.add(measurement)
      const isNone = run.results.measurements.length === before && !run.stopped
      if (isNone && !run.plan.suites.includes('scenarios')) {
        run.leaveOut(`micro: no benchmark is called ${only?.join(' or ')}`)
      }
    } catch (error) {
      run.fail('micro', error)
    }
  },
}
