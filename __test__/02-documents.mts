// The documents: every link between them leads to a file, and every anchor to a heading.

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import test from 'ava'

const ROOT = dirname(createRequire(import.meta.url).resolve('ringpost/package.json'))
const FOLDERS = ['.', 'docs', 'examples', 'benches', 'crates', 'nats', 'python']

const documents = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: folder !== '.', encoding: 'utf8' })
    .filter((path) => path.endsWith('.md') && !/node_modules|target\//.test(path))
    .map((path) => join(folder, path)),
)

/** The anchors of a document, as GitHub makes them of its headings; or of declarations, for which the
 * site has a page each: `Name` and `Name.member`. */
function anchors(path: string): Set<string> {
  if (path.endsWith('.d.ts')) return declarations(readFileSync(path, 'utf8'))
  const text = readFileSync(path, 'utf8').replaceAll(/^```.*?^```$/gms, '')
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading)
  return new Set(
    headings.map((heading) =>
      heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-'),
    ),
  )
}

function declarations(text: string): Set<string> {
  const found = new Set<string>()
  const parts = text.split(/^export (?:declare )?(?:class|const|function|interface|type) /m)
  for (const part of parts.slice(1)) {
    const [name] = /^\w+/.exec(part)!
    found.add(name)
    for (const [, member] of part.matchAll(/^  (?:readonly )?'?([\w:]+)'?\??[:<(]/gm)) {
      found.add(`${name}.${member}`)
    }
  }
  return found
}

/** The links of a document that lead nowhere. */
function broken(document: string): string[] {
  const text = readFileSync(join(ROOT, document), 'utf8').replaceAll(/^```.*?^```$/gms, '')
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link)
  return links.filter((link) => {
    if (/^https?:/.test(link)) return false
    const [file, anchor] = link.split('#')
    const path = file === '' ? join(ROOT, document) : join(ROOT, dirname(document), file)
    return !existsSync(path) || (anchor !== undefined && !anchors(path).has(anchor))
  })
}

for (const document of documents) {
  test(`the links of ${document} resolve`, (t) => {
    t.deepEqual(broken(document), [])
  })
}

test('there are documents to check', (t) => {
  for (const path of ['README.md', 'ARCHITECTURE.md', 'PROTOCOL.md', 'docs/measuring.md']) {
    t.true(documents.includes(path), path)
  }
})
