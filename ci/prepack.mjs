// Runs before `npm pack` and `npm publish`, which would make a package without any addon.

import { giveUp } from './step.mjs'

giveUp(
  'ringpost is packed by `npm run pack:all -- <folder>`, with the packages of all platforms that have ' +
    'its addon; without those it could not be used',
)
