// Sets everything up, shows a tour, and measures against Unix sockets in the same run.

import './setup.mjs'
import { MISSED, become, step } from './step.mjs'

await step('the tour', process.execPath, ['examples/tour/run.mjs'], { loud: true })
const code = await become(
  ...['dist/benches/cli/main.mjs', 'bench', 'engine'],
  ...['--quick', '--repeats', '5', '--duration', '250ms'],
  ...process.argv.slice(2),
)
// Which figures missed their bars is printed; the machine may be busy, and the set-up is not wrong.
if (code === MISSED) process.exitCode = 0
