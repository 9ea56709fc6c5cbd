// Connecting, until the first answer is there.

import { comparison, P50, timed, type Case } from './suite.mjs'

const TIMES = 100
const TIMES_QUICK = 20

export const connect = comparison(
  'connect',
  'connecting, until the first answer',
  ({ quick }): Case[] => {
    const times = quick ? TIMES_QUICK : TIMES
    return [
      {
        suite: 'connect',
        id: 'connect.first-answer',
        name: 'connect, one round trip of 64 B, close',
        metric: P50,
        settings: { times },
        command: 'reconnect',
        warmUp: (pair) => pair.reconnect(TIMES_QUICK),
        play: async (pair) => timed(await pair.reconnect(times)),
      },
    ]
  },
)
