// Where the producer's program is, which cargo has built.

import { built } from '../built.mjs'

/** The newest build, in whichever profile; or the one that `DASHBOARD_PRODUCER` names. */
export const producerProgram = () =>
  process.env.DASHBOARD_PRODUCER ?? built('dashboard-producer', 'dashboard-producer')
