// What there is to see: a tour of what Ringpost does, and what it gives, beside what one would use
// else.

import './setup.mjs'
import { become, step } from './step.mjs'

await step('the tour', process.execPath, ['examples/tour/run.mjs'], { loud: true })
await become(
  ...['dist/benches/cli/main.mjs', 'bench', 'engine', '--quick', '--repeats', '5', '--duration', '250ms'],
  ...process.argv.slice(2),
)
