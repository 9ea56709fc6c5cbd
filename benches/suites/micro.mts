// The pieces one by one, in both languages: see benches/micro/ and crates/ipc-core/benches/micro.rs.

import type { Suite } from './suite.mjs'

/** Seconds of one piece in one repeat. */
const SECONDS = 0.5
const SECONDS_QUICK = 0.05

export const micro: Suite = {
  about: 'the pieces, one by one (in the repository)',
  async play(run) {
    // Not in the package, which has none of the sources it looks into.
    const { microCases, microSuite, rustMicroSuite } = await import('../micro/index.mjs')
    const { quick, repeats, only } = run.plan
    const options = {
      ...{ seconds: quick ? SECONDS_QUICK : SECONDS, repeats, only, signal: run.signal },
      step: (what: string) => run.step(what),
      say: (line: string) => run.say(line),
    }
    run.begin('micro', microCases(only).length * repeats + 1)
    try {
      for (const measurement of await microSuite(options)) run.add(measurement)
      for (const measurement of await rustMicroSuite(options)) run.add(measurement)
    } catch (error) {
      run.fail('micro', error)
    }
  },
}
