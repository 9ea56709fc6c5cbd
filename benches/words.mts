// Figures in words for people.

export function human(value: number, unit: string): string {
  if (unit === 'ns') return scaled(value, ['ns', 'µs', 'ms', 's'])
  if (unit === '/s') return scaled(value, ['/s', 'k/s', 'M/s', 'G/s'])
  if (unit === 'B/s') return scaled(value, ['B/s', 'kB/s', 'MB/s', 'GB/s'])
  return `${round(value)} ${unit}`.trim()
}

function scaled(value: number, units: string[]): string {
  let index = 0
  while (value >= 1000 && index < units.length - 1) {
    value /= 1000
    index++
  }
  return `${round(value)} ${units[index]}`
}

export function round(value: number): string {
  if (Number.isNaN(value)) return '–'
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

export function bytes(size: number): string {
  if (size < 1024) return `${size} B`
  return size < 1 << 20 ? `${round0(size / 1024)} KiB` : `${round0(size / (1 << 20))} MiB`
}

const round0 = (value: number) => String(Math.round(value * 10) / 10)
