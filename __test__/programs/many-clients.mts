// Clients that ask while their server is killed, or all are stopped. They ask when they are told to
// `go on`, and when they are told to `rest` they report what came of it and what the process has.

import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { connect, method, type Client } from 'ringpost'

const { name, count } = JSON.parse(process.argv[2]) as { name: string; count: number }
const Once = method<string, { replayed: boolean }>('once', { idempotent: true })

/** What a process reports; `failed` by the request and its code. */
export interface Rest {
  asked: number
  answered: number
  wrong: number
  failed: Record<string, number>
  reconnects: number
  descriptors: number
  rssBytes: number
}

const clients = await Promise.all(Array.from({ length: count }, () => connect(name)))
const tally = { asked: 0, answered: 0, wrong: 0 }
const failed: Record<string, number> = {}
let isResting = true
let work: Promise<unknown> = Promise.resolve()

async function ask(what: string, isRight: (answer: any) => boolean, answer: Promise<unknown>) {
  tally.asked++
  try {
    if (isRight(await answer)) tally.answered++
    else tally.wrong++
  } catch (error) {
    const how = `${what} ${(error as { code?: string }).code}`
    failed[how] = (failed[how] ?? 0) + 1
  }
}

async function goOn(client: Client): Promise<void> {
  for (let round = 0; !isResting; round++) {
    const echoes = Array.from({ length: 20 }, (_, at) => {
      const value = `${round}.${at}`
      return ask('echo', (answer) => answer === value, client.request('echo', value))
    })
    const never = client.request('never', null, { timeoutMs: 100 })
    const once = client.request(Once, '', { timeoutMs: 100 })
    const hasNoAnswer = ask('never', () => false, never)
    await Promise.all([...echoes, hasNoAnswer, ask('once', ({ replayed }) => replayed, once)])
  }
}

async function rest(): Promise<Rest> {
  isResting = true
  await work
  while (clients.some((client) => client.state !== 'open')) await setTimeout(1)
  // What awaits a server is over then, and what it was done with is collected.
  await Promise.all(clients.map((client) => client.ping()))
  globalThis.gc!()
  const descriptors = readdirSync('/proc/self/fd').length
  const rss = /^VmRSS:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))!
  const rssBytes = Number(rss[1]) * 1024
  const reconnects = clients.reduce((sum, client) => sum + client.stats().reconnects, 0)
  return { ...tally, failed, reconnects, descriptors, rssBytes }
}

process.on('message', async (message) => {
  if (message === 'rest') return void process.send!(await rest())
  isResting = false
  work = Promise.all(clients.map(goOn))
})
process.on('disconnect', () => process.exit())
process.send!('connected')
