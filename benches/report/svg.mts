// Pieces of SVG that plots share: elements, text that cannot break out, colors for light and dark.

export const WIDTH = 460
export const FONT = 12
/** How much wider bold letters are. */
export const BOLD = 1.12

/** Text for HTML and for SVG, which allows none of the control characters. */
export function escape(text: unknown): string {
  const allowed = String(text).replace(/[^\P{Cc}\t\n]/gu, '\uFFFD')
  return allowed.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

type Attributes = Record<string, string | number | undefined>

/** One element. Children are markup already, attributes are not. */
export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const words = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escape(typeof value === 'number' ? short(value) : value)}"`)
  const start = `<${name}${words.join('')}`
  return children.length === 0 ? `${start}/>` : `${start}>${children.join('')}</${name}>`
}

export const text = (attributes: Attributes, words: string): string =>
  element('text', attributes, escape(words))

/** A tenth of a unit is not visible. */
export const short = (value: number): string => String(Math.round(value * 10) / 10)

/** Okabe and Ito's colors, which are distinguishable with any color vision; light ones are darker
 * on a light page and dark ones lighter on a dark page, so that each has a contrast of 3 to 1. */
const COLORS = [
  { light: '#0072b2', dark: '#4aa8e8' },
  { light: '#d55e00', dark: '#f0803c' },
  { light: '#3a9bcb', dark: '#9bd7f5' },
  { light: '#b98000', dark: '#e69f00' },
  { light: '#009e73', dark: '#2bc79a' },
  { light: '#b8578a', dark: '#dd96bd' },
  { light: '#3d4248', dark: '#dfe3e8' },
  { light: '#8a8100', dark: '#f0e442' },
]
const PAGE = {
  paper: { light: '#ffffff', dark: '#14181d' },
  ink: { light: '#1b1f24', dark: '#e8ebee' },
  soft: { light: '#57606a', dark: '#a6b0bb' },
  line: { light: '#dfe4e9', dark: '#2e363f' },
}

function variables(scheme: 'light' | 'dark'): string {
  const page = Object.entries(PAGE).map(([name, color]) => `--${name}:${color[scheme]}`)
  const series = COLORS.map((color, index) => `--series-${index}:${color[scheme]}`)
  return [...page, ...series].join(';')
}

/** The style of plots, for the head of a page and for an SVG in a file of its own. */
export const PLOT_STYLE = `
:root{${variables('light')}}
@media (prefers-color-scheme:dark){:root{${variables('dark')}}}
.plot{font:${FONT}px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
.plot text{fill:var(--ink)}
.plot .soft{fill:var(--soft)}
.plot .strong{font-weight:600}
.plot .paper{fill:var(--paper)}
.plot .grid{stroke:var(--line);stroke-width:1;fill:none}
.plot .axis{stroke:var(--soft);stroke-width:1;fill:none}
.plot .line{fill:none;stroke-width:1.5;stroke-linejoin:round;stroke-linecap:round}
.plot .strong .line{stroke-width:2.75}
.plot .mark{stroke-width:1.5;stroke-linejoin:round}
.plot .hollow{fill:var(--paper)}
.plot .whisker{stroke:var(--ink);stroke-width:1.25;fill:none}
.plot .gains{fill:var(--series-0)}
.plot .loses{fill:var(--series-1)}
${COLORS.map(
  (_, index) =>
    `.plot .s${index}{stroke:var(--series-${index})}` +
    `.plot .s${index} .full{fill:var(--series-${index})}`,
).join('\n')}
`

/** A look that is unique within a plot: series of the same color differ in shape and dashes. The
 * first color is reserved for Ringpost. */
export function look(index: number): Look {
  const others = COLORS.length - 1
  const round = Math.floor(Math.max(0, index - 1) / others)
  return {
    color: `s${index === 0 ? 0 : 1 + ((index - 1) % others)}`,
    dashes: [undefined, '6 3', '1.5 3', '8 3 1.5 3'][(index + round) % 4],
    filled: round % 2 === 0,
    shape: SHAPES[(index + round) % SHAPES.length],
  }
}

interface Look {
  color: string
  dashes: string | undefined
  filled: boolean
  shape: string
}

const SHAPES = [
  'M-3.5 0A3.5 3.5 0 1 1 3.5 0A3.5 3.5 0 1 1 -3.5 0Z',
  'M-3.2 -3.2H3.2V3.2H-3.2Z',
  'M0 -4L4 3H-4Z',
  'M0 -4.5L4 0L0 4.5L-4 0Z',
  'M0 4L4 -3H-4Z',
  'M-4 0H4M0 -4V4',
  'M-3.2 -3.2L3.2 3.2M-3.2 3.2L3.2 -3.2',
]

/** The mark of a series; `tip` is shown under the pointer. */
export function mark(index: number, x: number, y: number, tip?: string): string {
  const { filled, shape } = look(index)
  const attributes = {
    class: `mark ${filled ? 'full' : 'hollow'}`,
    d: shape,
    transform: `translate(${short(x)} ${short(y)})`,
  }
  const title = tip === undefined ? [] : [element('title', {}, escape(tip))]
  return element('path', attributes, ...title)
}

/** An upper estimate of the width of a text: that in DejaVu Sans, the widest of the usual fonts. */
export function widthOf(words: string, size = FONT): number {
  const widths = [...words].map((character) => {
    if (/[ijl ]/.test(character)) return 0.32
    if (/[ftrI.,:;'|!()[\]-]/.test(character)) return 0.41
    if (/[mwMW@%—→]/.test(character)) return 0.96
    if (/[A-Z]/.test(character)) return 0.72
    return character < '\u0250' ? 0.63 : 1
  })
  return widths.reduce((sum, width) => sum + width, 0) * size
}

/** As much of a text as fits. */
export function fit(words: string, room: number, size = FONT): string {
  if (widthOf(words, size) <= room) return words
  const characters = [...words]
  while (characters.length > 1 && widthOf(`${characters.join('')}…`, size) > room) characters.pop()
  return `${characters.join('').trimEnd()}…`
}

/** What every plot has, with a description for screen readers. */
export interface About {
  /** Safe for files and references: see `fileName`. */
  name: string
  title: string
  subtitle: string
  description: string
}

/** Around a file of its own. */
const PADDING = 8
const TITLE_HEIGHT = 44

/** The whole of a plot. A file of its own has its title, style, and paper in it. */
export function frame(about: About, height: number, body: string, alone: boolean): string {
  const [width, whole] = alone
    ? [WIDTH + 2 * PADDING, height + TITLE_HEIGHT + 2 * PADDING]
    : [WIDTH, height]
  const [title, description] = ['title', 'description'].map((part) => `${about.name}-${part}`)
  const size = alone ? { width, height: whole } : {}
  const own = alone
    ? [
        element('style', {}, PLOT_STYLE),
        element('rect', { class: 'paper', width, height: whole, rx: 6 }),
        text({ class: 'strong', x: PADDING + 4, y: 26 }, fit(about.title, WIDTH - 8, FONT * BOLD)),
        text({ class: 'soft', x: PADDING + 4, y: 44 }, fit(about.subtitle, WIDTH - 8)),
      ]
    : []
  return element(
    'svg',
    {
      ...{ xmlns: 'http://www.w3.org/2000/svg', class: 'plot', viewBox: `0 0 ${width} ${whole}` },
      ...{ ...size, role: 'img', 'aria-labelledby': `${title} ${description}` },
    },
    element('title', { id: title }, escape(`${about.title}, ${about.subtitle}`)),
    element('desc', { id: description }, escape(about.description)),
    ...own,
    alone
      ? element('g', { transform: `translate(${PADDING} ${PADDING + TITLE_HEIGHT})` }, body)
      : body,
  )
}

/** A name that is safe wherever it is put. */
export const fileName = (name: string): string =>
  name.replace(/[^\w.-]+/g, '-').replace(/^[.-]+/, '')
