// Leads editors from index.d.ts, which is written by hand, to the sources: "go to definition" of
// `connect` or of a method of a connection opens ts/. Writes dist/ts/index.d.ts.map; a name without a source
// of its own, as that of an option, is marked as such, or it would lead to its neighbor.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { ROOT } from './step.mjs'

/** Where functions and values are, and the classes whose members implement those of interfaces. */
const VALUES = {
  'ts/api/adapters.ts': ['toDuplex', 'toReadableStream'],
  'ts/api/connect.ts': ['connect'],
  'ts/api/pool.ts': ['createPool'],
  'ts/api/configure.ts': ['configure'],
  'ts/api/server.ts': ['createServer'],
  'ts/values/codec.ts': ['bytes', 'json', 'messagePack'],
  'ts/values/contract.ts': ['event', 'method', 'stream'],
  'ts/values/errors.ts': ['IpcError'],
  'ts/values/layout.ts': ['layout', 'list', 'text'],
}
const CLASSES = {
  'ts/api/server.ts': { Server: ['Server'] },
  'ts/connection/client-stream.ts': { ClientStream: ['ClientStream'] },
  'ts/connection/connection.ts': { Connection: ['Connection', 'Requester'] },
  'ts/connection/context.ts': { Context: ['Context'] },
  'ts/connection/endpoint.ts': { Endpoint: ['EventTaker'] },
  'ts/connection/flow.ts': { ItemReader: ['ItemReader'], ItemWriter: ['ItemWriter'] },
  'ts/connection/server-stream.ts': { ServerStream: ['ServerStream'] },
  'ts/values/errors.ts': { IpcError: ['IpcError'] },
}

const files = [...new Set([...Object.keys(VALUES), ...Object.keys(CLASSES)])].sort()
/** `connect` or `Connection.request`, and where that is. */
const sources = new Map(files.flatMap((file, index) => [...declared(file, index)]))
const missing = Object.values(VALUES).flat().filter((name) => !sources.has(name))
if (missing.length > 0) throw new Error(`not found in ts/: ${missing}`)

const map = {
  version: 3,
  file: '../../index.d.ts',
  sourceRoot: '',
  sources: files.map((file) => `../../${file}`),
  names: [],
  mappings: encode([...segments()]),
}
mkdirSync(join(ROOT, 'dist/ts'), { recursive: true })
writeFileSync(join(ROOT, 'dist/ts/index.d.ts.map'), JSON.stringify(map))

function parse(file) {
  const text = readFileSync(join(ROOT, file), 'utf8')
  return ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
}

/** What a source declares, by its name in index.d.ts. */
function* declared(file, index) {
  const source = parse(file)
  const place = (node) => ({ index, ...source.getLineAndCharacterOfPosition(node.getStart()) })
  for (const statement of source.statements) {
    const values = ts.isVariableStatement(statement)
      ? statement.declarationList.declarations
      : [statement]
    for (const { name } of values) {
      if (name && VALUES[file]?.includes(name.getText())) yield [name.getText(), place(name)]
    }
    if (!ts.isClassDeclaration(statement)) continue
    for (const of of CLASSES[file]?.[statement.name.getText()] ?? []) {
      yield [of, place(statement.name)]
      for (const { name } of statement.members) {
        if (name) yield [`${of}.${name.getText()}`, place(name)]
      }
    }
  }
}

/** Every name that index.d.ts declares, in order: `[line, column, source]`. */
function* segments() {
  const source = parse('index.d.ts')
  const found = []
  const visit = (node, within) => {
    const { name } = node
    if (name !== undefined) {
      const { line, character } = source.getLineAndCharacterOfPosition(name.getStart())
      found.push([line, character, sources.get(`${within}${name.getText()}`)])
    }
    const isOuter = ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node)
    ts.forEachChild(node, (child) => visit(child, isOuter ? `${name.getText()}.` : within))
  }
  ts.forEachChild(source, (node) => visit(node, ''))
  yield* found.sort(([line, column], [otherLine, other]) => line - otherLine || column - other)
}

function encode(segments) {
  let [mappings, line, column] = ['', 0, 0]
  let last = { index: 0, line: 0, character: 0 }
  for (const [ownLine, ownColumn, source] of segments) {
    if (ownLine > line) {
      mappings += ';'.repeat(ownLine - line)
      column = 0
    } else if (mappings !== '' && !mappings.endsWith(';')) mappings += ','
    mappings += vlq(ownColumn - column)
    if (source !== undefined) {
      mappings += vlq(source.index - last.index)
      mappings += vlq(source.line - last.line) + vlq(source.character - last.character)
      last = source
    }
    ;[line, column] = [ownLine, ownColumn]
  }
  return mappings
}

/** A number as source maps have it: five bits at a time, the sign in the lowest. */
function vlq(number) {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  let rest = number < 0 ? (-number << 1) | 1 : number << 1
  let text = ''
  do {
    const digit = rest & 31
    rest >>>= 5
    text += digits[rest > 0 ? digit | 32 : digit]
  } while (rest > 0)
  return text
}
