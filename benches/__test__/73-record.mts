// The summary of a run: the documents made from it are those made from the run itself.

import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import { parse, print, summarize } from '../record.mjs'
import { document } from '../report/document.mjs'
import { firstFigures, specification, withFigures } from '../report/specification.mjs'
import { middle, rivalRatios } from '../report/view.mjs'
import { fixture } from './helpers/fixture.mjs'

const ROOT = new URL('../../../', import.meta.url)
const read = (file: string) => readFileSync(new URL(file, ROOT), 'utf8')

test('a document is the same, whether it is made from a run or from its summary', (t) => {
  const results = fixture()
  const { markdown, plots } = document(parse(print(summarize(results))))
  const whole = document(results)
  t.is(markdown, whole.markdown)
  t.deepEqual(plots, whole.plots)
})

test('the summary of a summary is the same', (t) => {
  const text = print(summarize(fixture()))
  t.is(print(summarize(parse(text))), text)
})

test('of every turn a summary has what is compared, and an older one puts it in no ratio', (t) => {
  const summary = summarize(fixture())
  t.deepEqual(rivalRatios(parse(print(summary))).length, rivalRatios(fixture()).length)
  for (const measurement of summary.measurements) delete measurement.turns
  const older = parse(print(summary))
  const figures = new Set(rivalRatios(older).map(({ figure }) => figure.name))
  t.deepEqual([...figures], [null])
  const [one] = older.measurements
  t.true(middle(one, ({ latency }) => latency?.p99)! > 0)
})

test('a row that is newer than the record is named, and has no figure', (t) => {
  const results = parse(read('benches/record/engine.json'))
  results.rows = results.rows.filter(({ id }) => id !== 'connect.p50')
  const [about, table] = specification(results).split('\n\n')
  t.regex(about, /Not in that run: .*`connect\.p50`/)
  t.notRegex(about, /`latency\.64\.p50`/)
  t.notRegex(table, /connect, one round trip/)
})

test('a summary has a line for each measurement', (t) => {
  const results = fixture()
  const lines = print(summarize(results)).split('\n')
  const measured = lines.filter((line) => line.includes('"values":'))
  t.is(measured.length, results.measurements.length)
})

test('the results of a run are read as well, and nothing else is', (t) => {
  const results = JSON.parse(JSON.stringify(fixture())) as object
  t.deepEqual(parse(JSON.stringify(results)) as object, results)
  t.throws(() => parse('{}'), { message: /neither the results of a run nor their summary/ })
})

test('docs/benchmarks.md and its plots are those of the newest summary', (t) => {
  const names = readdirSync(new URL('benches/record', ROOT))
  const newest = names.filter((name) => /^\d{4}-\d\d-\d\d\.json$/.test(name)).sort().at(-1)
  const { markdown, plots } = document(parse(read(`benches/record/${newest}`)))
  t.is(read('docs/benchmarks.md'), markdown)
  for (const { file, svg } of plots) t.is(read(`docs/${file}`), svg)
  const files = plots.map(({ file }) => file.replace('plots/', '')).sort()
  t.deepEqual(readdirSync(new URL('docs/plots', ROOT)).sort(), files)
})

test('the figures of SPECIFICATION.md and README.md are those of the summary', (t) => {
  const results = parse(read('benches/record/engine.json'))
  for (const [name, figures] of [
    ['SPECIFICATION.md', specification(results)],
    ['README.md', firstFigures(results)],
  ] as const) {
    t.is(withFigures(read(name), figures), read(name))
  }
})
