// Starts the program `inside`.

import type { ExecutionContext } from 'ava'
import { connect, type Client, type ClientOptions } from 'ringpost'
import { Program } from './program.mjs'

let names = 0

/** Starts the program and connects to it. */
export async function inside(
  t: ExecutionContext,
  traced = false,
  options?: ClientOptions,
): Promise<{ name: string; client: Client; program: Program }> {
  const name = `inside-${++names}`
  const program = new Program('inside', { name, traced })
  t.teardown(() => program.kill())
  await program.report()
  const client = await connect(name, { reconnect: false, ...options })
  t.teardown(() => client.close())
  return { name, client, program }
}
