// The suites by name, in the order in which `all` plays them.

import type { SuiteName } from '../run.mjs'
import { burst } from './burst.mjs'
import { connect } from './connect.mjs'
import { engine } from './engine/index.mjs'
import { latency } from './latency.mjs'
import { micro } from './micro.mjs'
import { scale } from './scale.mjs'
import { scenarios } from './scenarios.mjs'
import { soak } from './soak.mjs'
import type { Suite } from './suite.mjs'
import { throughput } from './throughput.mjs'

export const SUITES: Record<SuiteName, Suite> = {
  latency,
  throughput,
  burst,
  connect,
  scale,
  scenarios,
  soak,
  engine,
  micro,
}
