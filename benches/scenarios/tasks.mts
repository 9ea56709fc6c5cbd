// Tasks that share one client, and all ask at once.

import { setImmediate } from 'node:timers/promises'
import { method } from 'ringpost'
import { median } from '../compare.mjs'
import { common, theSenders, theServer } from './peers.mjs'
import { amount, atLeast, withCrew, type Scenario } from './scenario.mjs'

const TASKS = 20
const STEPS = 50

interface Question {
  task: number
  step: number
  text: string
}
interface Answer extends Question {
  product: number
}
const Work = method<Question, Answer>('work')

/** What came of a round: how long it took, and what was wrong. */
interface Round {
  ms: number
  faults: string[]
}

export const scenario: Scenario = {
  name: 'tasks',
  title: '20 tasks ask 50 times each, at once, through one client',
  metric: { name: 'answers a second', unit: '/s', better: 'more' },

  run: (form) =>
    withCrew(form, 'tasks', 60, async (crew) => {
      const rounds = amount(form, 300, 100)
      const server = await crew.serve()
      await server.play('work')
      const client = await crew.join({ places: [server.place], connections: 1 })
      const repeats = []
      const faults: string[] = []
      for (let round = 0; round < rounds && faults.length === 0; round++) {
        form.progress(round / rounds, 'asking')
        const inTurn = await client.play<Round>('ask-all', { inTurn: true })
        const atOnce = await client.play<Round>('ask-all', { inTurn: false })
        faults.push(...inTurn.faults, ...atOnce.faults)
        const rate = ({ ms }: Round) => ((TASKS * STEPS) / ms) * 1e3
        const details = { 'all questions at once, a second': rate(atOnce) }
        repeats.push({ value: rate(inTurn), perSecond: rate(inTurn), details })
      }
      const settings = { tasks: TASKS, steps: STEPS, rounds }
      const usual = median(repeats.map(({ value }) => value))
      const checks = [atLeast('answers a second, in the median of rounds', '/s', 100_000, usual)]
      return { settings, repeats, checks, failed: faults.join('; ') || null }
    }),
}

export const roles = {
  ...common,

  /** Answers; every third question a turn later, so that answers overtake each other. */
  work(): void {
    const answer = (asked: Question): Answer => ({ ...asked, product: asked.task * asked.step })
    theServer().handle(Work, (asked) => {
      if (asked.step % 3 > 0) return answer(asked)
      return setImmediate().then(() => answer(asked))
    })
  },

  /** All tasks, each with one question after the other or with all at the same time. */
  async 'ask-all'({ inTurn }: { inTurn: boolean }): Promise<Round> {
    const [{ client }] = theSenders()
    const faults: string[] = []
    const ask = async (task: number, step: number) => {
      const text = `task ${task}, step ${step}`
      const answer = await client.request(Work, { task, step, text })
      const right =
        answer.task === task &&
        answer.step === step &&
        answer.text === text &&
        answer.product === task * step
      if (!right) faults.push(`${text} was answered ${JSON.stringify(answer)}`)
    }
    const steps = Array.from({ length: STEPS }, (_, step) => step)
    const start = performance.now()
    await Promise.all(
      Array.from({ length: TASKS }, async (_, task) => {
        if (!inTurn) await Promise.all(steps.map((step) => ask(task, step)))
        else for (const step of steps) await ask(task, step)
      }),
    )
    return { ms: performance.now() - start, faults: faults.slice(0, 3) }
  },
}
