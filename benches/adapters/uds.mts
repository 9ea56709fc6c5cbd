// A plain Unix socket, as most people have it. See peers/README.md.

import { socket } from './socket.mjs'

export default await socket('uds.mjs')
