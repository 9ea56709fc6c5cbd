// Where the backend's program is, which cargo has built.

import { built } from '../built.mjs'

/** The newest build, in whichever profile; or the one that `AI_BACKEND` names. */
export const backendProgram = () => process.env.AI_BACKEND ?? built('ai-backend', 'ai-backend')
