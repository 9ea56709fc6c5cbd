// Runs as a document of the repository: tables in Markdown, plots as files beside it. No figure is
// typed by hand.

import { together } from '../record.mjs'
import type { Languages, Results } from '../results.mjs'
import { charts, type Chart } from './charts.mjs'
import { facts, headline, notices, type Notice } from './facts.mjs'
import { curves } from './scale.mjs'
import { isEmpty, markdown, sheetToMarkdown, type Sheet } from './sheet.mjs'
import { soakInWords } from './soak.mjs'
import { escape } from './svg.mjs'
import {
  comparedSuites,
  comparison,
  engineSheet,
  microSheet,
  scenarioSheet,
  soakSheet,
  tally,
  transportSheet,
  trendSheet,
  worse,
} from './tables.mjs'
import { PAIRS, pairsOf } from './view.mjs'

export interface Document {
  markdown: string
  /** `file` is where it lies beside the document. */
  plots: { file: string; svg: string }[]
}

/** Of a plot: two stand beside each other where documents are usually read. */
const PLOT_WIDTH = 400

const INTRODUCTION = `# Benchmarks

<!-- Made by \`node ci/benchmarks.mjs\` from the summaries in benches/record: do not edit. -->

Ringpost beside the alternatives. Whatever is compared was measured in one run on one machine, in
alternating turns. Everything on this page comes from the summaries of runs in \`benches/record/\`.
[Measuring](measuring.md) says how it is done, what the terms mean, and how to repeat it.`

/** Of runs that share no suite. */
export function document(...runs: Results[]): Document {
  const results = together(runs)
  const plots = charts(results)
  const blocks = [
    INTRODUCTION,
    ...runs.flatMap((run) => [about(run), ...notices(run).map(quote)]),
    ...betterPart(results),
    ...comparedSuites(results).flatMap((suite) => comparedPart(results, suite, plots)),
    ...scalePart(results),
    ...part('Scenarios', scenarioSheet(results)),
    ...soakPart(results, plots),
    ...part('What the engine is held to', engineSheet(results)),
    ...part('The pieces, one by one', microSheet(results)),
    ...part('Transports', transportSheet(results)),
  ]
  return {
    markdown: `${blocks.join('\n\n')}\n`,
    plots: plots.map(({ name, svg }) => ({ file: fileOf(name), svg: `${svg(true)}\n` })),
  }
}

const fileOf = (name: string): string => `plots/${name}.svg`

function about(results: Results): string {
  const { command, when } = headline(results)
  const known = [['Command', command], ['When', when], ...facts(results)]
  const columns = [`the run of ${suites(results)}`, ''].map((title) => ({ title, words: true }))
  const lines = known.map((cells) => ({ cells }))
  return sheetToMarkdown({ columns, groups: [{ title: null, lines }] })
}

const suites = ({ settings }: Results): string => (settings.suites as string[]).join(', ')

const quote = ({ title, lines }: Notice): string =>
  [`> **${markdown(title)}.**`, ...lines.map((line) => `> - ${markdown(line)}`)].join('\n')

function part(title: string, sheet: Sheet): string[] {
  return isEmpty(sheet) ? [] : [`## ${title}`, sheetToMarkdown(sheet)]
}

function betterPart(results: Results): string[] {
  const others = worse(results)
  const blocks = ['## Where another is better', markdown(tally(results))]
  return isEmpty(others) ? blocks : [...blocks, sheetToMarkdown(others)]
}

const TITLES = {
  latency: 'Latency',
  throughput: 'Throughput',
  burst: 'Bursts',
  connect: 'Connecting',
}

function comparedPart(results: Results, suite: keyof typeof TITLES, plots: Chart[]): string[] {
  const parts = pairsOf(results, suite).flatMap((pair: Languages) => [
    `### ${TITLES[suite]}: ${PAIRS[pair]}`,
    ...images(plots.filter((plot) => plot.suite === suite && plot.pair === pair)),
    sheetToMarkdown(comparison(results, suite, pair)),
  ])
  return [`## ${TITLES[suite]}`, ...parts]
}

function scalePart(results: Results): string[] {
  const parts = curves(results).flatMap(({ title, reason, bends, charts, sheet }) => [
    `### ${title}`,
    ...[markdown(reason), ...bends.map(markdown)],
    ...[...images(charts), sheetToMarkdown(sheet)],
  ])
  return parts.length === 0 ? [] : ['## How it scales', ...parts]
}

function soakPart({ soak }: Results, plots: Chart[]): string[] {
  if (soak === null) return []
  const failure = soak.failed === null ? '' : ` ✗ Failed: ${markdown(soak.failed)}.`
  return [
    '## Soak',
    `${markdown(soakInWords(soak))}. Verdict: **${soak.verdict}**.${failure}`,
    ...images(plots.filter(({ suite }) => suite === 'soak')),
    sheetToMarkdown(trendSheet(soak)),
    sheetToMarkdown(soakSheet(soak)),
  ]
}

function images(plots: Chart[]): string[] {
  if (plots.length === 0) return []
  const look = `width="${PLOT_WIDTH}" align="top"`
  const tags = plots.map(
    ({ name, title }) => `<img src="${fileOf(name)}" alt="${escape(title)}" ${look}>`,
  )
  return [['<p>', ...tags, '</p>'].join('\n')]
}
