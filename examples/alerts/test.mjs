// The tests of the alert center: node examples/alerts/test.mjs [--long]
//
// `--long` plays the scenario in its full length, two minutes, rather than in seconds.

import './test/parts.mjs'
import './test/control.mjs'
import './test/delivery.mjs'
import './test/state.mjs'
import './test/program.mjs'
