// Where the producer's program is, which cargo has built.

import { built } from '../built.mjs'

/** The newest build, in whichever profile; or the one that `PERCEPTION_PRODUCER` names. */
export const producerProgram = () =>
  process.env.PERCEPTION_PRODUCER ?? built('perception-producer', 'perception-producer')

/** The later version of it, for the tests. */
export const newerProducerProgram = () => built('perception-producer', 'examples/newer-producer')
