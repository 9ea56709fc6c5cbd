// The file with the producer's statistics.

import { readFile } from 'node:fs/promises'

/** It is replaced every second. */
const AGE_MAX_MS = 3_000

/** Of what there is in it, what this API uses. */
export interface Statistics {
  /** When it was written. */
  timestamp: number
}

/** What the producer says of itself; `null` if it has said nothing for a while. */
export async function recentStatistics(path: string): Promise<Statistics | null> {
  try {
    const statistics = JSON.parse(await readFile(path, 'utf8')) as Statistics
    return Date.now() - statistics.timestamp <= AGE_MAX_MS ? statistics : null
  } catch {
    return null
  }
}
