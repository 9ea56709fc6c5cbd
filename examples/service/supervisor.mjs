// Does for a server what systemd does: makes its socket, hands it over, and starts it anew whenever
// it ends: node examples/service/supervisor.mjs <path of the socket> <program> [arguments]

import { spawnSync } from 'node:child_process'
import { createServer } from 'node:net'

const [path, ...program] = process.argv.slice(2)
const socket = createServer().listen(path)
// Node has no public name for it. The socket is handed over before this process returns to its
// event loop, which would accept clients itself.
const { fd } = socket._handle
// With a pause, so that one that fails at once does not keep the machine busy.
const started = 'sleep 0.1; export LISTEN_PID=$$; exec "$0" "$@"'
for (;;) {
  const { error } = spawnSync('sh', ['-c', started, ...program], {
    stdio: ['inherit', 'inherit', 'inherit', fd],
    env: { ...process.env, LISTEN_FDS: '1', LISTEN_FDNAMES: 'ringpost-example.socket' },
  })
  if (error) throw error
}
