// Figures as a table for a terminal.

/** One line of the table. */
export interface Row {
  /** Stable, for programs: `round-trip.p50`. */
  id: string
  name: string
  unit: 'ns' | '/s'
  /** Medians of all turns. */
  ringpost: number
  unixSocket: number
  /** How many times better Ringpost is: the median of all turns, the lowest, and the highest. */
  ratio: number
  lowest: number
  highest: number
}

export function table(rows: Row[], heading: string): string {
  const lines = rows.map(({ name, unit, ringpost, unixSocket, ratio, lowest, highest }) => [
    name,
    human(ringpost, unit),
    human(unixSocket, unit),
    `${round(ratio)}×`,
    lowest === highest ? '' : `${round(lowest)}–${round(highest)}`,
  ])
  const titles = ['', 'Ringpost', 'Unix socket', 'times better', 'lowest–highest']
  const all = [titles, ...lines]
  const widths = titles.map((_, column) => Math.max(...all.map((cells) => cells[column].length)))
  const text = all.map((cells) =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
      )
      .join('  ')
      .trimEnd(),
  )
  return [heading, '', ...text].join('\n')
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

const SCALES = { ns: ['ns', 'µs', 'ms', 's'], '/s': ['/s', 'k/s', 'M/s', 'G/s'] }

function human(value: number, unit: Row['unit']): string {
  const units = SCALES[unit]
  let scale = 0
  for (; value >= 1000 && scale < units.length - 1; scale++) value /= 1000
  return `${round(value)} ${units[scale]}`
}

const round = (value: number) => value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)
