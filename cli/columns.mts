// Lines of cells under each other, for a terminal.

/** Pads all but the last cell of each line. Numbers stand at the right. */
export function columns(lines: string[][]): string[] {
  const widths = lines[0].map((_, at) => Math.max(...lines.map((cells) => cells[at].length)))
  const padded = (cell: string, at: number) =>
    /^[\d,.]+$/.test(cell) ? cell.padStart(widths[at]) : cell.padEnd(widths[at])
  return lines.map((cells) => cells.map(padded).join('  ').trimEnd())
}

/** A number with commas. */
export const count = (value: number): string => value.toLocaleString('en-US')

/** Bytes, to three digits. */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let at = 0
  for (; bytes >= 1024 && at < units.length - 1; at++) bytes /= 1024
  return `${bytes >= 100 ? Math.round(bytes) : Number(bytes.toPrecision(3))} ${units[at]}`
}
