// ringpost ls: what there is where processes meet.

import { columns, count, size } from './columns.mjs'
import { command } from './command.mjs'
import { directories, objects, type Found, type PublishedObject } from './objects.mjs'
import { say } from './output.mjs'
import { since, sinceDate } from './process.mjs'
import { UsageError } from './usage.mjs'

export const NOUNS = { server: 'server', stateFrame: 'state frame', topic: 'topic', map: 'map' }

export const ls = command({
  name: 'ls',
  summary: 'list servers and what is published',
  synopsis: '[options]',
  about: `Lists servers, state frames, topics and maps of this user, and what dead processes have
left of them.`,
  options: { json: { about: 'print JSON' } },
  exits: `0, also if there is nothing, 1 if the directory cannot be read, 2 for a mistake in the
command line, 4 if the program failed`,
  async run({ values, words: [more] }) {
    if (more !== undefined) throw new UsageError(`'${more}' is one word too many`)
    let found: Found[]
    try {
      found = objects()
    } catch (error) {
      say('ls', (error as Error).message)
      return 1
    }
    if (values.json) {
      const format = 'ringpost-ls/1'
      console.log(JSON.stringify({ format, directories: directories(), objects: found.map(brief) }))
    } else if (found.length === 0) {
      console.log(`nothing in ${directories().join(' or ')}`)
    } else {
      console.log(list(found).join('\n'))
    }
    return 0
  },
})

/** Without what only `inspect` shows. */
const brief = ({ server, ...others }: Found) => ({
  ...others,
  server: server && { ...server, rows: undefined },
})

/** One line for each. */
export function list(found: Found[]): string[] {
  const lines = found.map((object) => [
    NOUNS[object.kind],
    object.name,
    `${(object.server ?? object.published)?.pid ?? '-'}`,
    object.alive ? 'alive' : 'dead',
    use(object),
    object.published ? size(object.published.bytes) : '-',
    object.published ? changedAgo(object.published) : '-',
    object.directory,
  ])
  const titles = ['kind', 'name', 'process', '', 'in use', 'size', 'written', 'directory']
  return columns([titles, ...lines])
}

function use({ error, server, published }: Found): string {
  if (error) return error.code
  if (server) return `${count(server.connections)} of ${count(server.connectionsMax)} connections`
  if (!published) return '-'
  const { entries, capacity, number, lossless } = published
  if (entries !== null) return `${count(entries)} of ${count(capacity)} entries`
  if (lossless === null) return `value ${count(number!)}`
  return `message ${count(number!)}, ${count(lossless.length)} lossless`
}

/** When something was last written. A map says so by its file alone. */
export function changedAgo({ writtenAgoMs, changes, changedAt }: PublishedObject): string {
  if (writtenAgoMs !== null) return `${since(writtenAgoMs)} ago`
  return changes && changedAt ? `${sinceDate(changedAt)} ago` : '-'
}
