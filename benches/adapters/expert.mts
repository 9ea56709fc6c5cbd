// The reference: a Unix socket as an expert writes it. See peers/README.md.

import { socket } from './socket.mjs'

export default await socket('expert.mjs')
