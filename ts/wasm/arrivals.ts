// Servers that are waited for: the folders are watched in which they may appear, so that clients
// find them at once. Where that cannot be done they are found by trying again, as the module does
// by itself.

import { watch, type FSWatcher } from 'node:fs'
import { dirname } from 'node:path'
import { hasPipes } from './platform.js'

/** What the file ends with by which a server is found. */
const ENDING = hasPipes ? '.pipe' : '.sock'

/** How long a folder is watched after a server was last looked for in vain: attempts come more
 * often while it is awaited. */
const WATCH_MS = 20_000

interface Watched {
  readonly watcher: FSWatcher
  timer: NodeJS.Timeout
}

export class Arrivals {
  readonly #appeared: () => void
  readonly #folders = new Map<string, Watched>()

  constructor(appeared: () => void) {
    this.#appeared = appeared
  }

  /** A server was looked for here, and was not there. */
  missed(address: string): void {
    const folder = dirname(address)
    const watched = this.#folders.get(folder) ?? this.#watch(folder)
    watched?.timer.refresh()
  }

  #watch(folder: string): Watched | undefined {
    let watcher: FSWatcher
    try {
      watcher = watch(folder, { persistent: false })
    } catch {
      // The folder is missing, or there is nothing to watch it with.
      return undefined
    }
    const end = () => {
      this.#folders.delete(folder)
      clearTimeout(watched.timer)
      watcher.close()
    }
    const watched = { watcher, timer: setTimeout(end, WATCH_MS).unref() }
    this.#folders.set(folder, watched)
    watcher.on('error', end)
    watcher.on('change', (_, file) => {
      // Whichever it is: no list of names is kept, which could only grow.
      if (String(file).endsWith(ENDING)) this.#appeared()
    })
    return watched
  }
}
