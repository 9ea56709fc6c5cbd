// A run as one page that needs nothing else: no network, no fonts, no other files. Whatever it
// shows is there without its script, which only makes pointing at plots pleasant.

import type { Languages, Results } from '../results.mjs'
import { charts, type Chart } from './charts.mjs'
import { facts, headline, notices, type Notice } from './facts.mjs'
import { curves } from './scale.mjs'
import { SCRIPT } from './script.mjs'
import { isEmpty, sheetToHtml, type Sheet } from './sheet.mjs'
import { soakInWords } from './soak.mjs'
import { PAGE_STYLE } from './style.mjs'
import { escape, PLOT_STYLE } from './svg.mjs'
import {
  comparedSuites,
  comparison,
  detailSheet,
  engineSheet,
  glance,
  hasFailed,
  microSheet,
  scenarioSheet,
  soakSheet,
  tally,
  transportSheet,
  trendSheet,
  worse,
} from './tables.mjs'
import { count, PAIRS, pairsOf } from './view.mjs'

interface Section {
  id: string
  title: string
  body: string
}

/** The whole page. */
export function html(results: Results): string {
  const sections = sectionsOf(results)
  const { command, when } = headline(results)
  const body = [
    `<header><h1>Ringpost benchmarks</h1>`,
    `<p class="lead"><code>${escape(command)}</code></p>`,
    `<p class="lead soft">${escape(when)}</p></header>`,
    `<main>`,
    ...notices(results).map(noticeToHtml),
    factsToHtml(results),
    contents(sections),
    ...sections.map(sectionToHtml),
    `</main>`,
    footer(results),
  ]
  return page(command, body.join('\n'), results)
}

function page(title: string, body: string, results: Results): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<link rel="icon" href="data:,">
<style>${PLOT_STYLE}${PAGE_STYLE}</style>
</head>
<body>
${body}
<script type="application/json" id="results">${embedded(results)}</script>
<script>${SCRIPT}</script>
</body>
</html>
`
}

/** JSON in which nothing ends the element it is in. */
const embedded = (results: Results) => JSON.stringify(results).replaceAll('<', '\\u003c')

// ---- its sections ----

const TITLES = {
  latency: ['Latency', 'Round trips, from the call until the answer is there.'],
  throughput: ['Throughput', 'How many messages, and how many bytes, get across in a second.'],
  burst: ['Bursts', 'Messages out of silence, when the other side has gone to sleep.'],
  connect: ['Connecting', 'A connection, one round trip, and closing it again.'],
} as const

function sectionsOf(results: Results): Section[] {
  const plots = charts(results)
  const compared = comparedSuites(results).map((suite): Section => {
    const [title, about] = TITLES[suite]
    const parts = pairsOf(results, suite).map((pair) => {
      const shown = plots.filter((plot) => plot.suite === suite && plot.pair === pair)
      return pairPart(results, suite, pair, shown)
    })
    return { id: suite, title, body: [`<p>${about}</p>`, ...parts].join('\n') }
  })
  const others = [
    scaleSection(results),
    tableSection('scenarios', 'Scenarios', SCENARIOS, scenarioSheet(results), detailPart(results)),
    soakSection(results, plots.filter(({ suite }) => suite === 'soak')),
    tableSection('engine', 'What the engine is held to', ENGINE, engineSheet(results)),
    tableSection('micro', 'The pieces, one by one', MICRO, microSheet(results)),
    tableSection('transports', 'Transports', TRANSPORTS, transportSheet(results)),
  ]
  return [...glanceSection(results), ...compared, ...others.flat()]
}

const SCENARIOS = 'Workloads of real systems, each beside the figures it has to reach.'
const ENGINE =
  'Medians of turns beside the reference, a Unix socket as an expert writes it, and a plain one; ' +
  'some rows about Rust have a bare ring or a copy in memory beside them. The bar is required, ' +
  'the aim is the goal; both apply to the ratio, or to the ' +
  'figure where there is no reference.'
const TRANSPORTS = 'The transports that were measured, and those that were left out.'
const MICRO = 'What one operation takes, in the median of turns.'

function glanceSection(results: Results): Section[] {
  const pairs = Object.keys(PAIRS) as Languages[]
  const sheets = pairs.map((pair): [string, Sheet] => [PAIRS[pair], glance(results, pair)])
  sheets.push(['Where another is better', worse(results)])
  const shown = sheets.filter(([, sheet]) => !isEmpty(sheet))
  if (shown.length === 0) return []
  const tables = shown.map(([title, sheet]) => `<h3>${title}</h3>${sheetToHtml(sheet, title)}`)
  const body = `<p>${escape(tally(results))}</p><p>${GLANCE}</p>${tables.join('\n')}`
  return [{ id: 'glance', title: 'At a glance', body }]
}

const GLANCE =
  'How many times better Ringpost is, in the median of turns: of median round trips, or of ' +
  'messages a second. Where it says ▼, the other is better; where another is better is said of ' +
  '99th percentiles too, and of the processor time of both sides for one round trip or message.'

function pairPart(results: Results, suite: string, pair: Languages, plots: Chart[]): string {
  const ofKind = (kind: Chart['kind']) => plotsToHtml(plots.filter((one) => one.kind === kind))
  const table = sheetToHtml(comparison(results, suite, pair), `${suite}, ${PAIRS[pair]}`)
  // Latency is shown together with its cost in processor time, and failures are not hidden.
  const open = suite === 'latency' || hasFailed(results, suite, pair)
  return [
    `<h3>${PAIRS[pair]}</h3>`,
    ...[ofKind('lines'), ofKind('ratios')],
    `<details${open ? ' open' : ''}>`,
    `<summary>All figures: medians of turns, and cores kept busy</summary>${table}</details>`,
  ].join('\n')
}

function tableSection(
  id: string,
  title: string,
  about: string,
  sheet: Sheet,
  more = '',
): Section[] {
  if (isEmpty(sheet)) return []
  return [{ id, title, body: `<p>${about}</p>${sheetToHtml(sheet, title)}${more}` }]
}

function detailPart(results: Results): string {
  const sheet = detailSheet(results)
  if (isEmpty(sheet)) return ''
  const table = sheetToHtml(sheet, 'What else was seen')
  return `<details><summary>What else was seen (times in nanoseconds)</summary>${table}</details>`
}

function scaleSection(results: Results): Section[] {
  const parts = curves(results).map(({ title, reason, charts, sheet }) =>
    [
      `<h3>${escape(title)}</h3><p>${escape(reason)}</p>`,
      ...[plotsToHtml(charts), sheetToHtml(sheet, title)],
    ].join('\n'),
  )
  if (parts.length === 0) return []
  return [{ id: 'scale', title: 'How it scales', body: [`<p>${SCALE}</p>`, ...parts].join('\n') }]
}

const SCALE =
  'Ringpost beside the reference, with more of one thing at a time. Above each plot is where its ' +
  'curves bend.'

function soakSection({ soak }: Results, plots: Chart[]): Section[] {
  if (soak === null) return []
  const { failed, verdict } = soak
  const body = [
    `<p>${escape(soakInWords(soak))}. Verdict: <strong>${escape(verdict)}</strong>.</p>`,
    failed === null ? '' : `<p><strong>✗ Failed: ${escape(failed)}.</strong></p>`,
    plotsToHtml(plots),
    sheetToHtml(trendSheet(soak), 'What could grow'),
    sheetToHtml(soakSheet(soak), 'What was seen'),
  ]
  return [{ id: 'soak', title: 'Soak', body: body.join('\n') }]
}

// ---- pieces ----

const sectionToHtml = ({ id, title, body }: Section) =>
  `<section id="${id}"><h2>${escape(title)}</h2>${body}</section>`

function contents(sections: Section[]): string {
  const links = sections.map(({ id, title }) => `<li><a href="#${id}">${escape(title)}</a></li>`)
  return links.length === 0
    ? '<p>Nothing was measured in this run.</p>'
    : `<nav aria-label="Sections"><ul>${links.join('')}</ul></nav>`
}

function noticeToHtml({ kind, title, lines }: Notice): string {
  const mark = kind === 'failed' ? '✗' : '⚠'
  const items = lines.map((line) => `<li>${escape(line)}</li>`)
  const words = lines.length === 1 ? `<p>${escape(lines[0])}</p>` : `<ul>${items.join('')}</ul>`
  const heading = `<h2>${mark} ${escape(title)}</h2>`
  return `<section class="notice ${kind}" role="note">${heading}${words}</section>`
}

function factsToHtml(results: Results): string {
  const entries = facts(results).map(
    ([name, value]) => `<div><dt>${escape(name)}</dt><dd>${escape(value)}</dd></div>`,
  )
  return `<dl class="facts">${entries.join('')}</dl>`
}

function plotsToHtml(plots: Chart[]): string {
  if (plots.length === 0) return ''
  const figures = plots.map(
    ({ name, title, caption, svg }) =>
      `<figure id="plot-${name}">` +
      `<figcaption><h4>${escape(title)}</h4><p>${escape(caption)}</p></figcaption>` +
      `<div class="holder">${svg()}</div></figure>`,
  )
  return `<div class="plots">${figures.join('\n')}</div>`
}

function footer({ format, measurements }: Results): string {
  const repeats = measurements.reduce((sum, one) => sum + one.repeats.length, 0)
  return (
    `<footer>Every figure of every turn (${count(repeats)} turns) is in this page, as JSON in ` +
    `the element <code>results</code>, in the format <code>${escape(format)}</code>.</footer>`
  )
}
