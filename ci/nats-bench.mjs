// What ringpost-nats costs beside the local path.
//
//   node ci/nats-bench.mjs [seconds for each row]

import { findNatsServer } from './nats-server.mjs'
import { become, giveUp } from './step.mjs'
import './setup.mjs'

process.env.NATS_SERVER = findNatsServer() ?? giveUp('This needs the package "nats-server".')
await become('nats/dist/bench/bench.mjs', ...process.argv.slice(2))
