// One module, whichever way it is imported.
import opentelemetry from './dist/ts/opentelemetry.js'

export const { instrument } = opentelemetry
