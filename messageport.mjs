// One module, whichever way it is imported.
import messageport from './dist/ts/messageport.js'

export const { connectPort, onPort, openPort, servePorts } = messageport
