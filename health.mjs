// One module, whichever way it is imported.
import health from './dist/ts/health.js'

export const { serveHealth } = health
