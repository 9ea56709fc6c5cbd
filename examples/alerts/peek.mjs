// Says how it is, from the shared state alone: node peek.mjs [name]

import { State } from './state.mjs'
import { stateLines } from './words.mjs'

const [name = 'alerts'] = process.argv.slice(2)
const state = new State(name)
for (const line of stateLines(state)) console.log(line)
state.close()
