// Servers, looked at again and again.

import type { NativeObject } from '../native/binding.js'
import type { Rows } from './frame.mjs'
import { servers } from './objects.mjs'
import { stateOf } from './process.mjs'
import { absent, rows, type Reading } from './rates.mjs'

export class Watch {
  readonly #names: string[]
  #before = new Map<string, Reading>()

  /** Without names: all servers there are. */
  constructor(names: string[]) {
    this.#names = names
  }

  /** What there is to be seen since the last time. Throws where the directory cannot be read. */
  read(): Rows {
    const names = this.#names
    const found = names.length === 0 ? servers() : names.flatMap((name) => servers(name))
    const readings = found.map(readingOf)
    const keyed = readings.map((one) => [`${one.directory}/${one.name}`, one] as const)
    const compared = keyed.map(([key, reading]) => rows(reading, this.#before.get(key)))
    this.#before = new Map(keyed)
    const missing = names.filter((name) => !readings.some((one) => one.name === name)).map(absent)
    return {
      servers: [...compared.map(({ server }) => server), ...missing],
      connections: compared.flatMap(({ connections }) => connections),
    }
  }
}

function readingOf({ name, directory, isAlive, server, error }: NativeObject): Reading {
  const seen = isAlive && server !== null
  return {
    name,
    directory,
    atMs: performance.now(),
    isAlive,
    server,
    error: error?.split('\n')[0] ?? null,
    process: seen ? stateOf(`${server.pid}`) : null,
    thread: seen ? stateOf(`${server.pid}/task/${server.thread}`) : null,
  }
}
