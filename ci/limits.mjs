// The limits of CONTRIBUTING.md: a file of product code has at most 500 lines, a function at most
// 70, and a line at most 100 columns. Lines of TypeScript files and functions are counted by eslint
// (eslint.config.mjs), which knows the syntax; this counts the Rust, and the width of both.
//
// Not product code, and so not counted: tests, models and the doors for tests. index.d.ts is the
// documentation of the public API in one place, and only its width counts.

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './step.mjs'

const FILE_MAX = 500
const FUNCTION_MAX = 70
const WIDTH_MAX = 100

/** Folders of product code, by language. */
const RUST = readdirSync(join(ROOT, 'crates')).map((crate) => `crates/${crate}/src`)
const TYPESCRIPT = ['ts', 'cli', 'conformance', 'nats/src']
const TESTS = /(^|\/)(tests|model|simulation|violations|seeds|golden|testing|heap)(\.rs|\/)/

const faults = [...rust(), ...widths()]
for (const fault of faults) console.error(fault)
if (faults.length > 0) process.exit(1)
console.log(`no file above ${FILE_MAX} lines, no function above ${FUNCTION_MAX}`)

function* rust() {
  for (const path of RUST.flatMap((folder) => files(folder, /\.rs$/))) {
    if (TESTS.test(path)) continue
    const code = blanked(read(path))
    // Tests inside of a file stand at its end.
    const [product] = code.split(/^#\[cfg\(.*\btest\b.*\)\]\nmod \w+ \{/m)
    const lines = product.trimEnd().split('\n').length
    if (lines > FILE_MAX) yield `${path}: ${lines} lines, limit ${FILE_MAX}`
    for (const { name, line, length } of functions(product)) {
      if (length <= FUNCTION_MAX) continue
      yield `${path}:${line}: ${name} has ${length} lines, limit ${FUNCTION_MAX}`
    }
  }
}

function* widths() {
  const folders = [...RUST, ...TYPESCRIPT]
  const paths = [...folders.flatMap((folder) => files(folder, /\.(rs|m?ts)$/)), 'index.d.ts']
  for (const path of paths) {
    for (const [at, line] of read(path).split('\n').entries()) {
      const width = [...line].length
      if (width > WIDTH_MAX) yield `${path}:${at + 1}: ${width} columns, limit ${WIDTH_MAX}`
    }
  }
}

/** The functions of Rust code, from `fn` to the closing brace. */
function* functions(code) {
  for (const found of code.matchAll(/\bfn (\w+)/g)) {
    const start = found.index
    const open = bodyOf(code, start)
    if (open === undefined) continue
    const end = closing(code, open)
    const line = code.slice(0, start).split('\n').length
    yield { name: found[1], line, length: code.slice(start, end).split('\n').length }
  }
}

/** Where the body of a function begins, unless it has none. */
function bodyOf(code, start) {
  let depth = 0
  for (let at = start; at < code.length; at++) {
    const char = code[at]
    if ('(['.includes(char)) depth++
    else if (')]'.includes(char)) depth--
    else if (depth === 0 && char === ';') return undefined
    else if (depth === 0 && char === '{') return at
  }
  return undefined
}

function closing(code, open) {
  let depth = 0
  for (let at = open; at < code.length; at++) {
    if (code[at] === '{') depth++
    else if (code[at] === '}' && --depth === 0) return at
  }
  throw new Error('unbalanced braces')
}

/** Rust code with comments and literals replaced by spaces, line by line, so that every brace
 * counts. */
function blanked(code) {
  const parts = [
    /\/\/[^\n]*/,
    /\/\*[^]*?\*\//,
    /\bb?r(#*)"[^]*?"\1/,
    /"(?:\\[^]|[^"\\])*"/,
    /'(?:\\[^\n']+|\\'|[^'\\\n])'/,
  ]
  const any = new RegExp(parts.map(({ source }) => source).join('|'), 'g')
  return code.replaceAll(any, (text) => text.replaceAll(/[^\n]/g, ' '))
}

function files(folder, wanted) {
  const entries = readdirSync(join(ROOT, folder), { recursive: true })
  return entries.filter((entry) => wanted.test(entry)).map((entry) => `${folder}/${entry}`)
}

function read(path) {
  return readFileSync(join(ROOT, path), 'utf8')
}
