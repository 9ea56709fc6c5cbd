// Reports: the page, the plots and the document are complete, well-formed, and true to the results.
// How they look in a browser is tested by ci/report.mjs.

import test from 'ava'
import { charts } from '../report/charts.mjs'
import { document } from '../report/document.mjs'
import { html } from '../report/html.mjs'
import { plain } from '../report/axis.mjs'
import { figure, ratios, rivalRatios, times } from '../report/view.mjs'
import type { Sheet } from '../report/sheet.mjs'
import { rowLine } from '../report/table.mjs'
import { detailSheet, engineSheet, scenarioSheet } from '../report/tables.mjs'
import type { Latency, Measurement, Repeat, Results } from '../results.mjs'
import { eachSeed } from '../../__test__/helpers/random.mjs'
import { empty, fixture, soak } from './helpers/fixture.mjs'

const VOID = ['meta', 'link', 'br', 'img']
const HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(2)>"\'&|`*_[x](y)\n# \0'

/** Whether every element ends where it should, and what is wrong if not. */
function fault(markup: string): string | null {
  const bare = markup.replace(/(<(script|style)\b[^>]*>)[^]*?(<\/\2>)/g, '$1$3')
  const open: string[] = []
  for (const [tag, end, name, , own] of bare.matchAll(
    /<(\/?)([a-z][a-z0-9]*)((?:\s+[\w:-]+(?:="[^"<]*")?)*)\s*(\/?)>|<(?!!)/gi,
  )) {
    if (name === undefined) return `a loose < near ${bare.slice(bare.indexOf(tag), 80)}`
    if (end === '/') {
      const last = open.pop()
      if (last !== name) return `</${name}> ends <${last}>`
    } else if (own !== '/' && !VOID.includes(name)) open.push(name)
  }
  return open.length === 0 ? null : `${open.join(', ')} never end`
}

/** Its page without the figures that are in it for programs. */
const visible = (results: Results) =>
  html(results).replace(/<script type="application\/json"[^]*?<\/script>/, '')

/** As it is when it comes from a file. */
const read = (results: Results) => JSON.parse(JSON.stringify(results)) as Results

function hostile(word: string): Results {
  const results = fixture()
  const { machine, transports, measurements, rows } = results
  for (const one of transports) Object.assign(one, { label: word, version: word })
  for (const one of measurements) {
    one.name = word
    for (const check of one.checks) check.what = word
    if (one.failed !== null) one.failed = word
  }
  for (const row of rows) row.name = word
  transports[3].missing = word
  Object.assign(machine, { processor: word, kernel: word, commit: word })
  Object.assign(results, { failures: [word], missed: [word], command: [word], started: word })
  return results
}

const count = (text: string, part: RegExp) => [...text.matchAll(part)].length

test('page and plots are whole', (t) => {
  t.is(fault(html(fixture())), null)
  t.true(html(fixture()).startsWith('<!doctype html>'))
  for (const { name, svg } of charts(fixture())) {
    for (const alone of [false, true]) {
      const drawn = svg(alone)
      t.is(fault(drawn), null, name)
      t.regex(drawn, /^<svg [^>]*role="img"[^>]*><title [^>]*>[^<]+<\/title><desc [^>]*>[^<]+</)
      t.notRegex(drawn, /NaN|Infinity|undefined|null/, name)
    }
    t.regex(svg(true), /@media \(prefers-color-scheme:dark\)/)
  }
})

test('a page needs nothing else', (t) => {
  const page = visible(fixture())
  t.notRegex(page.replaceAll('http://www.w3.org/2000/svg', ''), /https?:|@import|url\(|\bsrc=/)
})

test('names are only ever text', (t) => {
  const results = hostile(HOSTILE)
  const page = visible(results)
  t.is(fault(page), null)
  t.notRegex(page, /<img|onerror=alert\(2\)>/)
  t.is(count(page, /<script/g), 1)
  t.deepEqual(embedded(html(results)), read(results))
  const { markdown, plots } = document(results)
  t.notRegex(markdown, /<script|<img src=x|\0/)
  for (const { svg } of plots) {
    t.is(fault(svg), null)
    t.notRegex(svg, /<script|<img/)
  }
})

test('names of any characters leave page and plots whole', async (t) => {
  await eachSeed(t, 10, ({ text, pick }) => {
    const word = Array.from({ length: 8 }, () => text(3) + pick([...'<>&"\'|/=-\\']))
    t.is(fault(visible(hostile(word.join('')))), null)
  })
})

function embedded(page: string): Results {
  const [, json] = /<script type="application\/json" id="results">([^]*?)<\/script>/.exec(page)!
  return JSON.parse(json) as Results
}

test('what has no figure is null in a file, and shown alike', (t) => {
  t.is(html(read(fixture())), html(fixture()))
  t.is(figure(null, 'ns'), '–')
  const shown = visible(fixture()).replace(/<script>[^]*?<\/script>/, '')
  t.notRegex(shown, /NaN|Infinity|undefined|\bnull\b/)
})

test('every plot has a series for each transport that was measured', (t) => {
  const results = fixture()
  const all = charts(results)
  t.is(new Set(all.map(({ name }) => name)).size, all.length)
  const lines = all.filter(({ kind, suite }) => kind === 'lines' && suite === 'latency')
  t.is(lines.length, 5 * 3)
  for (const { name, pair, svg } of lines) {
    const measured = results.measurements.filter(
      (one) => `${one.id}.${pair}` === name && one.pair === pair && one.failed === null,
    )
    t.is(count(svg(), /class="series /g), measured.length, name)
    t.is(count(svg(), /class="key /g), measured.length, name)
    t.is(count(svg(), /class="mark (full|hollow)"[^>]*><title>/g), measured.length * 6, name)
  }
  const ratio = all.find(({ name }) => name === 'ratio.throughput.one-way.rust-rust')!
  t.is(count(ratio.svg(), /class="bar"/g), 6 * 4)
})

test('a failure is reported at the top, and is in no plot', (t) => {
  const results = fixture()
  const page = visible(results)
  t.regex(page, /class="notice failed"[^]*2 things failed[^]*missed its rate[^]*<dl class="facts"/)
  t.regex(page, /vscode-jsonrpc<\/th><td [^>]*>✗ failed: missed its rate: 1.31 k\/s of 2.00 k\/s</)
  const open = charts(results).find(({ name }) => name === 'latency.open.64.2000.ts-ts')!
  t.notRegex(open.svg(), /vscode-jsonrpc/)
  t.false(ratios(results).some(({ measurement }) => measurement.failed !== null))
  const { markdown } = document(results)
  t.regex(markdown, /> \*\*2 things failed\.\*\*\n> - round trip 64 B at .*missed its rate/)
  t.regex(markdown, /\| vscode-jsonrpc \| ✗ failed: missed its rate/)
})

test('where Ringpost has failed nothing is compared with it', (t) => {
  const results = fixture()
  const ours = results.measurements.filter(({ transport }) => transport === 'ringpost')
  for (const one of ours) one.failed = 'a message was lost'
  t.deepEqual(ratios(results), [])
  t.regex(visible(results), /Ringpost<\/th><td [^>]*>✗ failed: a message was lost</)
  t.regex(document(results).markdown, /Nothing was compared/)
})

test('a run without results has a page all the same', (t) => {
  const page = visible(empty())
  t.is(fault(page), null)
  t.regex(page, /Nothing was measured/)
  t.notRegex(page, /<svg|class="notice/)
  t.deepEqual(document(empty()).plots, [])
  const bare = { ...empty(), state: { load: 0, stolen: 0, linePings: [] } }
  t.regex(visible(bare), /not measured/)
})

test('an interruption and a machine that was not quiet are said', (t) => {
  t.notRegex(visible(fixture()), /interrupted|not quiet/)
  const results = { ...fixture(), interrupted: true }
  results.state = { load: 4, stolen: 0.011, linePings: [100, 151] }
  for (const text of [visible(results), document(results).markdown]) {
    t.regex(text, /The run was interrupted/)
    t.regex(text, /So much stolen time spoils every figure/)
    t.regex(text, /The cores were not equally far apart/)
  }
  results.state = { load: 4, stolen: 0.01, linePings: [100, 150] }
  t.notRegex(visible(results), /not quiet/)
})

test('ratios are of turns that were measured in turns', (t) => {
  const values = { ringpost: [10, 20, 40], uds: [40, 20, 60] }
  const results = empty()
  results.measurements = Object.entries(values).map(([transport, of]): Measurement => ({
    ...({ suite: 'latency', id: 'latency.closed.64', name: 'round trip', pair: 'ts-ts' } as const),
    ...{ transport, settings: {}, checks: [], failed: null },
    metric: { name: 'p50', unit: 'ns', better: 'less' },
    repeats: of.map((value) => ({ value })),
  }))
  // Of the medians it would be 40 by 20.
  t.regex(visible(results), /<td>1\.50× \(1\.00–4\.00\)<\/td>/)
  const [chart] = charts(results).filter(({ kind }) => kind === 'ratios')
  t.regex(chart.svg(), />1\.50×<[^]*>1\.0–4\.0</)
})

test('a better alternative is reported, however small the difference', (t) => {
  const results = fixture()
  const worse = rivalRatios(results).filter(({ ratio }) => ratio < 1)
  const [, after] = document(results).markdown.split('## Where another is better')
  const [section] = after.split('\n## ')
  t.true(worse.length > 0)
  t.is(count(section, /▼/g), worse.length)
  t.is(times(0.9996), '0.999×')
  t.is(times(1), '1.00×')
})

/** Ringpost and a socket with these figures in every turn. */
function besideSocket(ours: Partial<Repeat>, socket: Partial<Repeat>): Results {
  const results = fixture()
  results.measurements = results.measurements
    .filter(({ id, pair, transport }) => {
      return id === 'latency.closed.64' && pair === 'ts-ts' && /^(ringpost|uds)$/.test(transport)
    })
    .map((one) => {
      const figures = one.transport === 'ringpost' ? ours : socket
      const repeats = one.repeats.map((repeat) => {
        const latency = { ...repeat.latency!, ...figures.latency }
        return { ...repeat, value: 1_000, cpuEach: 1_000, ...figures, latency }
      })
      return { ...one, repeats }
    })
  return results
}

const p99 = (ns: number) => ({ latency: { p99: ns } as Latency })

test('where another is better covers the 99th percentile and processor time', (t) => {
  const lines = (results: Results) => {
    const [, after] = document(results).markdown.split('## Where another is better')
    return after.split('\n## ')[0].split('\n').filter((line) => line.includes('▼'))
  }
  const alike = besideSocket(p99(5_000), p99(5_000))
  t.deepEqual(lines(alike), [])
  t.is(rivalRatios(alike).length, 3)
  const [later] = lines(besideSocket(p99(10_000), p99(5_000)))
  t.regex(later, /one at a time: p99 .*\| 10.0 µs \| 5.00 µs \| 1.\d\d \/ 1.\d\d \| ▼ 0.50× /)
  const [dearer] = lines(besideSocket({ ...p99(1), cpuEach: 4_000 }, p99(1)))
  t.regex(dearer, /: processor time of each .*\| 4.00 µs \| 1.00 µs \|.*▼ 0.25×/)
})

test('what only some turns have is in no ratio', (t) => {
  const results = besideSocket({}, {})
  for (const { repeats } of results.measurements) {
    for (const repeat of repeats.slice(1)) repeat.latency = repeat.cpuEach = undefined
  }
  t.deepEqual(rivalRatios(results).map(({ figure }) => figure.name), [null])
})

test('every table that shows latency shows processor time', (t) => {
  const results = fixture()
  const used = { client: 0.5, server: 0.25, others: 0 }
  const audio = results.measurements.find(({ id }) => id === 'scenarios.audio')!
  audio.repeats = audio.repeats.map((repeat) => ({ ...repeat, cpu: used, details: { p95: 1 } }))
  const cells = ({ groups }: Sheet) =>
    groups.flatMap(({ lines }) => lines.map((line) => line.cells))
  for (const sheet of [scenarioSheet(results), detailSheet(results)]) {
    const [line] = cells(sheet).filter(([what]) => what === 'cores, client / server / others')
    t.true(line.includes('0.50 / 0.25 / 0.00'))
  }
  const [latency] = cells(engineSheet(results))
  t.true(latency.includes('1.60 / 1.40 / 1.50'))
  t.regex(rowLine(results.rows[0]), /1\.60 \/ 1\.40 \/ 1\.50/)
})

test('a document has tables of one width, and its plots beside it', (t) => {
  const { markdown, plots } = document(fixture())
  const shown = [...markdown.matchAll(/src="([^"]+)"/g)].map(([, file]) => file)
  t.deepEqual(shown, plots.map(({ file }) => file))
  for (const { file } of plots) t.regex(file, /^plots\/[\w.-]+\.svg$/)
  for (const table of markdown.split('\n\n').filter((block) => block.startsWith('|'))) {
    const widths = table.trimEnd().split('\n').map((line) => line.split(/(?<!\\)\|/).length)
    t.is(new Set(widths).size, 1, table)
  }
})

test('floors, bars and verdicts stand beside what was seen', (t) => {
  const page = visible(fixture()).replaceAll('\u00a0', ' ')
  t.regex(page, /audio, p50<\/th><td>≤ 100 µs<\/td><td>61.0 µs<\/td><td class="good words">✓ met</)
  t.regex(page, /<td>≤ 50.0 µs<\/td><td>61.0 µs<\/td><td class="bad words">✗ missed</)
  t.regex(page, /growth of resident memory<\/th><td>≤ 1 MiB<\/td><td>−24 KiB<\/td>/)
  t.regex(page, /one-way 64 B<\/th>.*<td>≥ 1.5<\/td><td>≥ 3<\/td><td class="bad words">✗ missed</)
  t.regex(page, /added to a bare Node process<\/th><td>3.70 MiB<\/td><td><\/td><td><\/td>/)
})

test('a soak of two days is as legible as one of an hour', (t) => {
  const results = { ...empty(), soak: soak(2_880) }
  const [latency, memory] = charts(results)
  t.regex(latency.svg(), />10 h<.*>time since it began \(h\)</s)
  t.regex(memory.caption, /client .*\/h \(.* to .*\): does not grow; server .*\/h/)
  const [line] = /(?<=class="line" d=")[^"]+/.exec(memory.svg())!
  t.is(count(line, /[ML]/g), 2_880)
  t.true(count(memory.svg(), /class="mark /g) < 50)
  const failed = { ...results, soak: { ...soak(60), failed: '3 requests were not answered' } }
  t.regex(visible(failed), /✗ Failed: 3 requests were not answered/)
})

test('ticks have no superfluous zeros', (t) => {
  const labels = [100, 1_500, 10_000, 1e9].map((value) => plain(value, 'ns'))
  t.deepEqual(labels, ['100 ns', '1.5 µs', '10 µs', '1 s'])
  t.deepEqual([500, 1e6].map((value) => plain(value, '/s')), ['500 /s', '1 M/s'])
})
