// The guides of docs/guide/: their programs are run as printed, and there is no code beside those.

import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import test from 'ava'
import { COMMANDS } from '../cli/commands.mjs'
import { runsAsPrinted } from './helpers/printed.mjs'

const ROOT = dirname(createRequire(import.meta.url).resolve('ringpost/package.json'))
const FOLDER = 'docs/guide'
/** Packages of the programs, beside ours. */
const PACKAGES = [
  ...['@opentelemetry', '@types', 'comlink', 'prom-client', 'typescript', 'vscode-jsonrpc'],
]

const guides = readdirSync(join(ROOT, FOLDER))
  .sort()
  .map((file) => ({ file, ...runsAsPrinted(`${FOLDER}/${file}`, PACKAGES) }))
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
}

/** What has the documentation tests. */
const compiled = readFileSync(join(ROOT, 'crates/ringpost/src/lib.rs'), 'utf8')

for (const { file, blocks, sessions } of guides) {
  test(`${file} has no block that nothing runs`, (t) => {
    const typed = sessions.map(({ text }) => text).join('')
    const written = blocks.map(({ text }) => text).join('')
    for (const { language, file: name, text } of blocks) {
      if (language === 'console') continue
      if (language === 'sh') {
        for (const line of text.trimEnd().split('\n')) t.true(exists(line), line)
      } else if (name === undefined) {
        t.regex(language, /^rust\b/)
        t.true(compiled.includes(`docs/guide/${file}`), 'no documentation test compiles it')
      } else {
        // A program is started; a module, or a text, is named by one that is.
        const [stem] = name.split('.')
        const uses = typed.includes(`$ node ${stem}.mjs`) || written.includes(name)
        t.true(uses || written.includes(`./${stem}.mjs`), name)
      }
    }
  })
}

test('there are guides, and all of them run something', (t) => {
  t.true(guides.length >= 11)
  for (const { file, sessions } of guides) t.true(sessions.length > 0, file)
})

test('each claim of the security model is held by tests that are there', (t) => {
  const text = readFileSync(join(ROOT, FOLDER, 'security.md'), 'utf8')
  const tables = text.match(/^\|.* held by \|\n(\|.*\n)+/gm)!
  const claims = tables.flatMap((table) => table.trimEnd().split('\n').slice(2))
  t.true(claims.length > 20)
  for (const claim of claims) {
    const [, file, titles] = /`([\w./-]+\.(?:mts|rs))`: (\*.+\*) \|$/.exec(claim) ?? []
    t.truthy(titles, claim)
    const tests = readFileSync(join(ROOT, file), 'utf8')
    for (const title of titles.slice(1, -1).split('*; *')) {
      t.true(tests.includes(file.endsWith('.rs') ? title.replaceAll(' ', '_') : title), title)
    }
  }
})

test('the guide on performance has no figure of its own', (t) => {
  const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
  const figures = read(`${FOLDER}/performance.md`).match(/[\d.]+ (?:ns|µs)/g)!
  for (const figure of figures) t.true(read('docs/performance.md').includes(figure), figure)
})

/** Whether a line for a shell names a script of ours, or a command of the package. */
function exists(line: string): boolean {
  const [command] = line.split(/\s+#/)
  const [, script] = /^npm (?:run )?([\w:-]+)/.exec(command) ?? []
  if (script !== undefined) return script in scripts
  const [, verb] = /^npx ringpost ([\w-]+)/.exec(command) ?? []
  return COMMANDS.some(({ name }) => name === verb)
}
