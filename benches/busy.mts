// Other processes that compute, as neighbours have it on a machine that is not only ours.

import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Says when it begins, and ends by itself if nothing ends it. */
const COMPUTES =
  "process.stdout.write('.'); const end = Date.now() + 120_000; while (Date.now() < end);"

/** Does some work while so many other processes compute. */
export async function amongBusy<T>(count: number, work: () => Promise<T>): Promise<T> {
  const computing = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', COMPUTES], { stdio: ['ignore', 'pipe', 'inherit'] }),
  )
  try {
    await Promise.all(computing.map(({ stdout }) => once(stdout, 'data')))
    return await work()
  } finally {
    for (const child of computing) child.kill('SIGKILL')
  }
}
