// ringpost top: what servers do, once a second.

import { setTimeout as pause } from 'node:timers/promises'
import { command, oneOf, whole } from './command.mjs'
import { frame, SORTS, type Style, type View } from './frame.mjs'
import { say } from './output.mjs'
import { Screen } from './screen.mjs'
import { UsageError } from './usage.mjs'
import { Watch } from './watch.mjs'

/** What does not depend on how large the terminal is. */
type Wish = Omit<View, 'width' | 'height' | 'paint'>

export const top = command({
  name: 'top',
  summary: 'watch what servers and their connections do',
  synopsis: '[name ...] [options]',
  about: `Watches the servers of these names, or all of this user, and their connections: what they
do, and how much of it in a second. No process is connected to or asked.

A server is idle, busy, hangs (it is awake and does not get on), is stopped or dead. Messages and
bytes in a second are those since the last look, as the server counts them; in flight are requests
of the server, serving those of its peers. p50 and p95 are of all requests of the server that the
peer has answered; lost is what was refused or dropped at either end, of a connection since it was
opened. What does not fit on a line or on the screen is left out.

On a terminal it is a picture that is renewed; otherwise, and with --once or --count, one block of
lines after the other, the first after an interval.

keys
  q, Ctrl-C  quit
  s, arrows  sort by the next or the previous column
  r          reverse the order
  c          show connections or only servers
  h, ?       list the keys`,
  completed: ['server'],
  options: {
    interval: { value: 'SECONDS', about: 'how long from look to look, 0.1 to 3,600 (default: 1)' },
    count: { value: 'N', about: 'print that many blocks, then end' },
    once: { about: 'the same as --count 1' },
    sort: {
      value: 'COLUMN',
      completed: SORTS,
      about: `${SORTS.slice(0, 8).join(', ')},\n${SORTS.slice(8).join(', ')} (default: bytes)`,
    },
  },
  exits: `0, also when the output is no longer read, 1 if the directory cannot be read, 2 for a
mistake in the command line, 4 if the program failed`,
  async run({ values, words: names }) {
    const interval = intervalOf(values.interval ?? '1')
    const blocks = blocksOf(values)
    const sort = oneOf('sort', SORTS, values.sort ?? 'bytes')
    const wish: Wish = { sort, reversed: false, connections: true, help: false }
    const watch = new Watch(names)
    const isLive = process.stdout.isTTY && process.env.TERM !== 'dumb' && blocks === undefined
    try {
      if (isLive) await live(watch, wish, interval)
      else await print(watch, wish, interval, blocks)
      return 0
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'EPIPE') return 0
      // What the library says of the directory; anything else is a failure of the program.
      if (!code?.startsWith('ERR_')) throw error
      say('top', message)
      return 1
    }
  },
})

/** One block after the other. */
async function print(watch: Watch, wish: Wish, interval: number, blocks = Infinity) {
  const paint = (_style: Style, text: string) => text
  // Each write says itself how it ends.
  process.stdout.on('error', () => {})
  watch.read()
  for (let block = 0; block < blocks; block++) {
    await pause(interval)
    const width = process.stdout.columns ?? Infinity
    const lines = frame(watch.read(), clock(), { ...wish, width, height: Infinity, paint })
    const gap = block > 0 ? '\n' : ''
    const text = `${gap}${lines.map((line) => line.trimEnd()).join('\n')}\n`
    await new Promise<void>((done, failed) => {
      process.stdout.write(text, (error) => (error ? failed(error) : done()))
    })
  }
}

/** A picture that is renewed, until somebody has seen enough. */
async function live(watch: Watch, wish: Wish, interval: number) {
  const paint = process.stdout.hasColors() ? painted : (_style: Style, text: string) => text
  let rows = watch.read()
  const screen = new Screen()
  const ticks = setInterval(() => screen.emit('tick'), interval)
  const draw = () => {
    const { width, height } = screen
    screen.draw(frame(rows, clock(), { ...wish, width, height, paint }))
  }
  try {
    draw()
    for await (const event of screen.events()) {
      if (['q', 'ctrl-c', 'gone'].includes(event)) break
      if (event === 'tick') rows = watch.read()
      else if (event === 'ctrl-z') await screen.suspend()
      else wish = pressed(event, wish)
      draw()
    }
  } finally {
    clearInterval(ticks)
    screen.close()
  }
}

/** What is wished for after a key. */
export function pressed<W extends Wish>(key: string, wish: W): W {
  const next = (by: number) => SORTS.at((SORTS.indexOf(wish.sort) + by) % SORTS.length)!
  switch (key) {
    case 's':
    case 'right':
    case 'down':
      return { ...wish, sort: next(1) }
    case 'left':
    case 'up':
      return { ...wish, sort: next(-1) }
    case 'r':
      return { ...wish, reversed: !wish.reversed }
    case 'c':
      return { ...wish, connections: !wish.connections }
    case 'h':
    case '?':
      return { ...wish, help: !wish.help }
    default:
      return wish
  }
}

const SGR: Record<Style, number> = { title: 1, red: 31, green: 32, yellow: 33 }

const painted = (style: Style, text: string) => `\x1b[${SGR[style]}m${text}\x1b[0m`

const clock = () => new Date().toTimeString().slice(0, 8)

/** In milliseconds. */
function intervalOf(word: string): number {
  const seconds = numberOf(word)
  if (seconds >= 0.1 && seconds <= 3600) return seconds * 1000
  throw new UsageError(`--interval must be 0.1 to 3,600 seconds, got '${word}'`)
}

function blocksOf({ once, count }: { once: boolean; count: string | undefined }) {
  if (!once) return whole('count', count)
  if (count !== undefined) throw new UsageError('--once and --count exclude each other')
  return 1
}

/** NaN for anything but digits with a point among them. */
const numberOf = (word: string) => (/^(\d+\.?\d*|\.\d+)$/.test(word) ? Number(word) : NaN)
