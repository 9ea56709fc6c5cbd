// Owns a map and changes it as it is told to or without a pause, or reads one and says what it has
// found.

import { createMap, openMap } from 'ringpost'
import { isWhole, whole } from '../helpers/frames.mjs'
import { GO, Numbers, STAY, Wholes } from '../helpers/maps.mjs'

interface Settings {
  name: string
  /** Changes the map without a pause, with values from this number on, and says so once. */
  writes?: number
  /** Watches this key until it has this value, and reports what it has seen. */
  watches?: { key: string; until: number }
}

const { name, writes, watches } = JSON.parse(process.argv[2]) as Settings
const report = (message: unknown) => process.send!(message)

if (watches !== undefined) {
  const seen: (number | undefined)[] = []
  const values = openMap(Numbers(name)).watch(watches.key)
  report('watching')
  for await (const value of values) {
    seen.push(value)
    if (value === watches.until) break
  }
  report(seen)
  process.disconnect()
} else if (writes !== undefined) {
  const owner = createMap(Wholes(name))
  for (const key of STAY) owner.set(key, whole(writes, 1))
  report('writing')
  for (let n = writes + 1; ; n++) {
    for (const key of STAY) owner.set(key, whole(n, n % 60))
    for (const key of GO) {
      owner.set(key, whole(n, n % 60), n % 2 === 0 ? { ttlMs: 1 + (n % 3) } : undefined)
      if (n % 5 === 0) owner.delete(key)
    }
    if (n % 100 === 0) GO.forEach((key) => owner.delete(key))
    if (!isWhole(owner.get('a')!)) report('half a value')
  }
} else {
  const owner = createMap(Numbers(name))
  report('owner')
  process.on('message', ([call, ...args]: ['set' | 'delete' | 'clear', ...any[]]) => {
    report((owner[call] as (...args: any[]) => unknown)(...args) ?? null)
  })
}
