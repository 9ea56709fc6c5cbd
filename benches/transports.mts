// The transports that can be measured: Ringpost's, those of Node itself, and those in
// benches/peers.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Settings } from './adapter.mjs'
import type { Command } from './commands.mjs'
import type { Languages } from './results.mjs'

/** One entry of the table. */
export interface TransportEntry {
  name: string
  /** For people. */
  label: string
  /** The file with its TypeScript adapter, or null if it is only for Rust. */
  adapter: URL | null
  /** The Rust program that has an adapter for it, or null, and what it is called there. */
  rust: 'worker' | 'peers' | null
  rustAdapter: string
  settings: Settings
  /** Needs no installation. */
  builtIn: boolean
  /** Never sleeps, so it is stopped while others are measured. */
  busy?: boolean
  /** The commands it does not support. */
  lacks?: Command['do'][]
}

/** The folder of the repository. */
export const ROOT = new URL('../../', import.meta.url)

const own = (name: string) => new URL(`./adapters/${name}.mjs`, import.meta.url)
const peer = (name: string) => new URL(`benches/peers/adapters/${name}.mjs`, ROOT)

const node = (
  name: string,
  label: string,
  file: string,
  settings: Settings = {},
): TransportEntry => ({
  ...{ name, label, settings },
  ...{ adapter: own(file), rust: null, rustAdapter: file, builtIn: true },
})
const npm = (name: string, label: string): TransportEntry => ({
  ...{ name, label, settings: {} },
  ...{ adapter: peer(name), rust: null, rustAdapter: name, builtIn: false },
})
const crate = (name: string, label: string): TransportEntry => ({
  ...{ name, label, settings: {} },
  ...{ adapter: null, rust: 'peers', rustAdapter: name, builtIn: false },
})

/** In the order in which reports show them. The first is ours, the second the reference. */
export const TRANSPORTS: readonly TransportEntry[] = [
  { ...node('ringpost', 'Ringpost', 'ringpost'), rust: 'worker' },
  { ...node('expert', 'Unix socket, by an expert', 'expert'), rust: 'worker' },
  { ...node('uds', 'Unix socket, plain', 'uds'), rust: 'worker' },
  // Sleeps without spinning first: what is left is memory against sockets.
  {
    ...node('ringpost-asleep', 'Ringpost, no spinning', 'ringpost', { spin: false }),
    rust: 'worker',
  },
  // The same library over the same kind of socket as the reference.
  {
    ...node('ringpost-socket', 'Ringpost, over its socket', 'ringpost', { transport: 'socket' }),
    rust: 'worker',
  },
  { ...node('uds-busy', 'Unix socket, plain, loops kept turning', 'uds', { busy: true }), busy: true },
  node('child-json', 'child_process, json', 'child-process', { serialization: 'json' }),
  node('child-advanced', 'child_process, advanced', 'child-process', { serialization: 'advanced' }),
  node('message-port', 'MessagePort, worker thread', 'message-port'),
  npm('zeromq', 'ZeroMQ'),
  npm('vscode-jsonrpc', 'vscode-jsonrpc'),
  npm('grpc', 'gRPC'),
  npm('nats', 'NATS'),
  npm('socket.io', 'Socket.IO'),
  // No more than a line that crosses: what is left of a ring without a library around it.
  { ...crate('bare', 'bare ring'), rust: 'worker', busy: true, lacks: ['reconnect'] },
  crate('ipc-channel', 'ipc-channel'),
  { ...crate('iceoryx2', 'iceoryx2'), busy: true },
  crate('interprocess', 'interprocess'),
]

/** The transport of that name. */
export function transportOf(name: string): TransportEntry {
  const found = TRANSPORTS.find((transport) => transport.name === name)
  if (found === undefined) {
    const names = TRANSPORTS.map((transport) => transport.name)
    throw new RangeError(`no transport '${name}'; there are ${names.join(', ')}`)
  }
  return found
}

/** The Rust program of a build, by its module specifier, once it is built. */
export const workerOf = (library: string): string =>
  fileURLToPath(new URL('target/release/bench-worker', library === 'ringpost' ? ROOT : library))

/** Where the Rust programs are, once they are built. */
export const RUST_PROGRAMS = {
  worker: workerOf('ringpost'),
  peers: fileURLToPath(new URL('benches/peers/rust/target/release/peers-worker', ROOT)),
}

/** Whether a transport is there for these languages at all. */
export function speaks({ adapter, rust }: TransportEntry, languages: Languages): boolean {
  return languages.split('-').every((one) => (one === 'ts' ? adapter : rust) !== null)
}

/** Why a transport that speaks these languages cannot be measured in them here, or null. */
export function missing({ rust }: TransportEntry, languages: Languages): string | null {
  if (languages.endsWith('ts') || existsSync(RUST_PROGRAMS[rust!])) return null
  return 'its Rust program is not built (npm run bench builds it)'
}
