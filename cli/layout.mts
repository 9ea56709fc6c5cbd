// ringpost layout: the layouts of a module, for programs in C.

import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Layout } from 'ringpost'
import { isLayout } from '../ts/values/layout.js'
import { header, type NamedLayout } from './c-header.mjs'
import { command } from './command.mjs'
import { UsageError } from './usage.mjs'

export const layout = command({
  name: 'layout',
  summary: 'print layouts of records as a header for C',
  synopsis: '--c <module> [export ...]',
  about: `Prints a C11 header with a struct for each layout that the module exports, or for those
named. The compiler checks all sizes and offsets in it.

  <module>  a file that Node.js can import; it is run`,
  options: { c: { about: 'print a header for C' } },
  exits: `0, or 1 if the module cannot be loaded or has no layout that can be printed, 2 for a
mistake in the command line, 4 if the program failed`,
  async run({ values, words: [file, ...names] }) {
    if (!values.c) throw new UsageError('a language is missing: --c')
    if (file === undefined) throw new UsageError('a module is missing')
    if (!existsSync(file)) throw new UsageError(`there is no file '${file}'`)
    const outcome = await load(file)
    if (typeof outcome === 'string') return failed(outcome)
    for (const name of names) {
      if (!outcome.has(name)) throw new UsageError(`${file} exports no layout '${name}'`)
    }
    const wanted = names.length === 0 ? [...outcome.keys()] : [...new Set(names)]
    if (wanted.length === 0) return failed(`${file} exports no layout`)
    const layouts = wanted.map((name): NamedLayout => {
      return { name, description: outcome.get(name)!.description }
    })
    try {
      console.log(header(basename(file), layouts))
    } catch (error) {
      return failed(`${file}: ${(error as Error).message}`)
    }
    return 0
  },
})

function failed(why: string): number {
  console.error(`ringpost layout: ${why}`)
  return 1
}

/** The layouts that a module exports, or why it has none to give. */
async function load(file: string): Promise<Map<string, Layout<any>> | string> {
  let module: Record<string, unknown>
  try {
    module = (await import(pathToFileURL(resolve(file)).href)) as Record<string, unknown>
  } catch (error) {
    return `${file} cannot be loaded: ${String((error as Error | null)?.message ?? error)}`
  }
  // Of a CommonJS module Node does not find every name by itself; all are in what it calls default.
  const { default: whole, ...named } = module
  const all = { ...(isLayout(whole) ? { default: whole } : (whole as object)), ...named }
  const found = Object.entries(all).filter((entry): entry is [string, Layout<any>] => {
    return isLayout(entry[1])
  })
  return new Map(found)
}
