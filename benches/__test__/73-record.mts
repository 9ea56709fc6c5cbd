// The summaries of runs: the documents made from them are those made from the runs themselves.

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { nameOf, parse, print, record, summarize } from '../record.mjs'
import { document } from '../report/document.mjs'
import { firstFigures, specification, withFigures } from '../report/specification.mjs'
import { middle, rivalRatios } from '../report/view.mjs'
import type { Measurement, Results } from '../results.mjs'
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

test('runs of different suites are one document, and each says what it was', (t) => {
  const whole = fixture()
  const only = (suites: string[], of: Partial<Results>): Results => {
    const settings = { ...whole.settings, suites }
    return { ...whole, measurements: [], rows: [], soak: null, ...of, settings }
  }
  const isScenario = ({ suite }: Measurement) => suite === 'scenarios'
  const { markdown, plots } = document(
    only(['latency', 'micro'], { measurements: whole.measurements.filter((m) => !isScenario(m)) }),
    only(['scenarios'], {
      measurements: whole.measurements.filter(isScenario),
      transports: whole.transports.slice(0, 1),
    }),
    only(['soak'], { soak: whole.soak }),
    only(['engine'], { rows: whole.rows }),
  )
  t.deepEqual(plots, document(whole).plots)
  const kept = [['latency'], ['latency', 'soak'], ['soak'], ['engine']]
  const names = kept.map((suites) => nameOf(only(suites, {})))
  t.deepEqual(names, ['comparison', 'comparison', 'soak', 'engine'])
  const figures = (text: string) => text.slice(text.indexOf('## Where another is better'))
  t.is(figures(markdown), figures(document(whole).markdown))
  const runs = [...markdown.matchAll(/^\| the run of (.*?) \|/gm)].map(([, suites]) => suites)
  t.deepEqual(runs, ['latency, micro', 'scenarios', 'soak', 'engine'])
})

test('docs/benchmarks.md and its plots are those of the summaries', (t) => {
  const { markdown, plots } = document(...record(fileURLToPath(new URL('benches/record', ROOT))))
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
