// What the producer and this API share: the frames with their layouts, and the commands. The
// producer has the same in producer/src/frames.rs and producer/src/commands.rs; were it not the
// same, reading would fail with ERR_LAYOUT and say where they differ.

import { layout, list, method, stateFrame, text, type LayoutValue } from 'ringpost'

const OBJECTS_MAX = 50
const PATH_MAX = 7
const SNAPSHOTS = 5

const Detection = layout({
  ...{ id: 'u32', label: text(16), confidence: 'f32' },
  ...{ x: 'f32', y: 'f32', z: 'f32', length: 'f32', width: 'f32', height: 'f32' },
  ...{ heading: 'f32', velocityX: 'f32', velocityY: 'f32' },
  ...{ varianceX: 'f32', varianceY: 'f32', varianceZ: 'f32', distance: 'f32', bearing: 'f32' },
  ...{ left: 'u16', top: 'u16', right: 'u16', bottom: 'u16', seenAt: 'f64' },
})

const Point = layout({ x: 'f32', y: 'f32' })

const Track = layout({
  ...{ id: 'u32', age: 'u32', label: text(16), state: text(12) },
  ...{ x: 'f32', y: 'f32', z: 'f32', velocityX: 'f32', velocityY: 'f32', velocityZ: 'f32' },
  ...{ accelerationX: 'f32', accelerationY: 'f32', heading: 'f32', turnRate: 'f32' },
  ...{ length: 'f32', width: 'f32', height: 'f32', confidence: 'f32' },
  ...{ hits: 'u16', misses: 'u16', path: list(Point, PATH_MAX), priority: 'f32' },
})

const Prediction = layout({
  ...{ id: 'u32', label: text(16), x: 'f32', y: 'f32', z: 'f32' },
  ...{ velocityX: 'f32', velocityY: 'f32', velocityZ: 'f32', heading: 'f32', probability: 'f32' },
  ...{ spreadMajor: 'f32', spreadMinor: 'f32', spreadAngle: 'f32' },
  ...{ risk: 'f32', timeToContact: 'f32', lane: 'i32', flags: 'u32' },
})

const Snapshot = layout({ aheadMs: 'f64', objects: list(Prediction, OBJECTS_MAX) })

/** What all frames begin with. */
const HEAD = { frameId: 'u64', timestamp: 'f64' } as const

export const Detections = layout({ ...HEAD, objects: list(Detection, OBJECTS_MAX) })
export const Tracks = layout({ ...HEAD, objects: list(Track, OBJECTS_MAX) })
export const Timelines = layout({ ...HEAD, snapshots: list(Snapshot, SNAPSHOTS) })

export type Detections = LayoutValue<typeof Detections>
export type Tracks = LayoutValue<typeof Tracks>
export type Timelines = LayoutValue<typeof Timelines>

/** The three frames of a producer of this name. */
export function framesOf(name: string) {
  return {
    detections: stateFrame(`${name}-detections`, { codec: Detections }),
    tracks: stateFrame(`${name}-tracks`, { codec: Tracks }),
    timelines: stateFrame(`${name}-timelines`, { codec: Timelines }),
  }
}

/** What a command is sent as. */
export interface Command<Data> {
  requestId: string
  /** Milliseconds since 1970. */
  timestamp: number
  data: Data
}

/** What every command is answered with. */
export interface Acknowledgement {
  requestId: string
  /** `invalid`: it makes no sense, and would not later. `failed`: it does, and did not work. */
  status: 'ok' | 'invalid' | 'failed'
  timestamp: number
  /** For people. */
  message: string
}

/** Commands are short, and few at a time: rings of these lengths take a fiftieth of what is usual. */
export const RINGS = { critical: 4_096, high: 4_096, normal: 16_384, low: 4_096, control: 4_096 }

export interface ConfigUpdateData {
  /** 1 to 100. */
  framesPerSecond?: number
  /** 0 to 50. */
  objects?: number
}

export interface RefreshTimelinesData {
  /** How far to look ahead: 100 to 60,000. */
  horizonMs?: number
}

export interface SyncSwarmData {
  /** All there are, at most 16. */
  neighbours: { id: string; x: number; y: number }[]
}

export const ConfigUpdate = method<Command<ConfigUpdateData>, Acknowledgement>('CONFIG_UPDATE')
export const RefreshTimelines = method<Command<RefreshTimelinesData>, Acknowledgement>(
  'REFRESH_TIMELINES',
)
export const SyncSwarm = method<Command<SyncSwarmData>, Acknowledgement>('SYNC_SWARM')
