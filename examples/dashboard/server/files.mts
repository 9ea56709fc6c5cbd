// The files of the page, by their paths.

import { readdirSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'

/** From where this is built to. */
const FOLDER = new URL('../../../../examples/dashboard/page/', import.meta.url)

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

export interface File {
  type: string
  body: Buffer
}

/** All of them, read once: no path of a request ever leads to the file system. */
export function pageFiles(): Map<string, File> {
  const files = readdirSync(FOLDER).map((name): [string, File] => {
    const file = { type: TYPES[extname(name)], body: readFileSync(new URL(name, FOLDER)) }
    return [name === 'index.html' ? '/' : `/${name}`, file]
  })
  return new Map(files)
}
