// ringpost inspect: all that one can know of a name from outside.

import { columns, count, size } from './columns.mjs'
import { command } from './command.mjs'
import { changedAgo, list, NOUNS } from './ls.mjs'
import {
  objects,
  watchServer,
  type Counts,
  type Found,
  type PublishedObject,
  type Server,
} from './objects.mjs'
import { say } from './output.mjs'
import { look, sentence, since, sinceDate, type Seen } from './process.mjs'
import { UsageError } from './usage.mjs'

/** What has the name, and of a server what its process does. */
export type Known = Found & { seen: Seen | null }

/** All that is to be known of what has this name. Throws where the directory cannot be read. */
export const known = (name: string): Promise<Known[]> => Promise.all(objects(name).map(seen))

export const inspect = command({
  name: 'inspect',
  summary: 'show what is to be known of a name from outside',
  synopsis: '<name> [options]',
  about: `Shows what is to be known of the server, state frame, topic or map of that name from
outside. No process is connected to or asked: it works as well for one that hangs, was stopped or
has died. Values, messages, keys and payloads are not shown.`,
  completed: ['server'],
  options: { json: { about: 'print JSON' } },
  exits: `0, or 1 if nothing has that name or the directory cannot be read, 2 for a mistake in the
command line, 4 if the program failed`,
  async run({ values, words: [name, second] }) {
    if (name === undefined) throw new UsageError('a name is missing')
    if (second !== undefined) throw new UsageError(`one name is enough, got '${second}' as well`)
    let found: Known[]
    try {
      found = await known(name)
      if (found.length === 0) return missing(name)
    } catch (error) {
      return failed((error as Error).message)
    }
    if (values.json) console.log(JSON.stringify({ format: 'ringpost-inspect/1', objects: found }))
    else console.log(found.map((object) => text(object).join('\n')).join('\n\n'))
    return 0
  },
})

function missing(name: string): number {
  const others = objects()
  const there = others.length === 0 ? 'nor anything else' : `there is\n\n${list(others).join('\n')}`
  return failed(`nothing is named '${name}', ${there}`)
}

function failed(why: string): number {
  say('inspect', why)
  return 1
}

async function seen(found: Found): Promise<Known> {
  const { server, directory, name, alive } = found
  if (server === null) return { ...found, seen: null }
  // What it says at the end counts, so that it fits what was seen of its process.
  let last = server
  const again = () => (last = watchServer(directory, name)?.read() ?? last)
  const looked = await look(alive, server, again)
  return { ...found, server: last, seen: looked }
}

function text(object: Known): string[] {
  const { kind, name, directory, alive, error, server, seen, published } = object
  const lines = [`${NOUNS[kind]} ${name} in ${directory}`]
  if (error) lines.push(`  ${error.code}: ${error.message}`)
  if (server && seen) lines.push(...serverText(server, seen))
  else if (published) lines.push(...publishedText(published, alive))
  else if (kind === 'server') lines.push(`  ${alive ? 'alive' : 'dead'}; it says nothing of itself`)
  return lines
}

function serverText(server: Server, seen: Seen): string[] {
  const { pid, thread, connections, accepted, connectionsMax, refused, rows, totals } = server
  const named = seen.process ? ` (${seen.process.name}, ${seen.process.state})` : ''
  const threads = seen.thread && thread !== pid ? `, thread ${thread} (${seen.thread.state})` : ''
  const lines = [
    ['condition', sentence(seen, server)],
    ['process', `${pid}${named}${threads}`],
    ['started', `${server.startedAt ?? '-'}, engine ${server.version || '-'}`],
    ['turns', count(server.turns)],
    ['connections', `${count(connections)} of ${count(connectionsMax)}, ${count(accepted)} in all`],
    ['refused', `${count(refused)} handshakes`],
    ...countsText(totals),
    ['as of', `${since(server.shownAgoMs)} ago`],
  ]
  const unseen = connections - rows.length
  const more = unseen > 0 && rows.length > 0 ? [`  and ${count(unseen)} more connections`] : []
  return [...facts(lines), ...indent(rowsText(rows)), ...more]
}

function countsText(counts: Counts): string[][] {
  const { sent, received, bytesSent, bytesReceived, dropped, peerDropped } = counts
  const lost = [counts.refused, sum(dropped), sum(peerDropped)].map(count)
  return [
    ['sent', `${count(sent)} messages, ${size(bytesSent)}`],
    ['received', `${count(received)} messages, ${size(bytesReceived)}`],
    ['serving', `${count(counts.serving)} requests; ${count(counts.calls)} of its own in flight`],
    ['failed', `${count(counts.failed)}, ${count(counts.timedOut)} not answered in time`],
    ['late', `${count(counts.lateReplies)} answers, ${count(counts.staleRequests)} requests`],
    ['queued', size(counts.queuedBytes)],
    ['lost', `${lost[0]} refused, ${lost[1]} dropped, ${lost[2]} dropped by peers`],
    ['doorbells', count(counts.doorbells)],
  ]
}

function rowsText(rows: Server['rows']): string[] {
  if (rows.length === 0) return []
  const counted = ['sent', 'received', 'serving', 'calls', 'queued', 'lost']
  const lines = rows.map(({ number, pid, openedAt, counts }) => [
    count(number),
    `${pid}`,
    openedAt === null ? '-' : sinceDate(openedAt),
    count(counts.sent),
    count(counts.received),
    count(counts.serving),
    count(counts.calls),
    size(counts.queuedBytes),
    count(counts.refused + sum(counts.dropped) + sum(counts.peerDropped)),
  ])
  return columns([['#', 'process', 'open for', ...counted], ...lines])
}

function publishedText(published: PublishedObject, alive: boolean): string[] {
  const { pid, codec, layout, generation, bytes, capacity, number, lossless } = published
  const lines = [
    ['writer', `process ${pid}, ${alive ? 'alive' : 'dead'}`],
    ['file', `${size(bytes)}, generation ${count(generation)}`],
    ['format', codec],
  ]
  if (layout !== null) lines.push(['layout', layout])
  if (published.entries !== null) {
    lines.push(
      ['entries', `${count(published.entries)} of ${count(capacity)}`],
      ['keys', `up to ${size(published.keyLenMax!)}, values up to ${size(published.valueLenMax!)}`],
      ['changes', count(published.changes!)],
      ['changed', changedAgo(published)],
    )
    return facts(lines)
  }
  const newest = `${count(number!)}, written ${changedAgo(published)}`
  lines.push(['capacity', size(capacity)], [lossless === null ? 'value' : 'message', newest])
  if (lossless !== null) lines.push(['lossless', losslessText(lossless)])
  return facts(lines)
}

function losslessText(lossless: NonNullable<PublishedObject['lossless']>): string {
  if (lossless.length === 0) return 'no subscribers'
  const behind = lossless.map(({ behind, isCutOff }) => {
    if (isCutOff) return 'cut off'
    return behind === null ? 'not here yet' : `${size(behind)} behind`
  })
  return `${count(lossless.length)} subscribers: ${behind.join(', ')}`
}

const sum = (byLane: Record<string, number>) => Object.values(byLane).reduce((a, b) => a + b, 0)

const indent = (lines: string[]) => lines.map((line) => `  ${line}`)

const facts = (lines: string[][]) => indent(lines.map(([what, is]) => `${what.padEnd(12)} ${is}`))
