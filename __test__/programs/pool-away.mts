// Has pools whose server is gone, or has never been there, and gives up: nothing keeps it alive then.

import { createPool } from 'ringpost'

const { name } = JSON.parse(process.argv[2]) as { name: string }
const pool = createPool(name, { min: 1 })
createPool(`${name}-other`, { min: 2 })
const pid = await pool.request('pid')
process.send!(pid)
let code: string | undefined
while (code !== 'ERR_TIMEOUT') {
  const asked = pool.request('never', undefined, { timeoutMs: 50 })
  code = pool.stats().size === 0 ? await asked.then(String, (error) => error.code) : undefined
  asked.catch(() => {})
  await new Promise((resolve) => setTimeout(resolve, 5))
}
process.send!(code)
process.disconnect()
