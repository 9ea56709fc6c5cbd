// Closes a pool that waits for servers that are not there: nothing keeps the process alive then.

import { createPool } from 'ringpost'

const { name } = JSON.parse(process.argv[2]) as { name: string }
const pool = createPool([name, `${name}-other`])
const asked = pool.request('never').catch((error: { code: string }) => error.code)
setImmediate(async () => {
  await pool.close()
  process.send!(await asked)
  process.disconnect()
})
