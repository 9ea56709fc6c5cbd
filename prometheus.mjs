// One module, whichever way it is imported.
import prometheus from './dist/ts/prometheus.js'

export const { instrument } = prometheus
