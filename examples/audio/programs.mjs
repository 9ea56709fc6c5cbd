// Where the audio process's program is, which cargo has built.

import { built } from '../built.mjs'

/** The newest build, in whichever profile; or the one that `AUDIO_SYNTH` names. */
export const synthProgram = () => process.env.AUDIO_SYNTH ?? built('audio-synth', 'audio-synth')

/** The one for tests, whose audio thread is in a sandbox. */
export const sandboxedProgram = () =>
  process.env.AUDIO_SANDBOXED ?? built('audio-synth', 'examples/sandboxed')
