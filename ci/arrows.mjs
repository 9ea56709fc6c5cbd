// Who may use whom, in Rust and in TypeScript, and what must not be found where. The tables are the
// rule; ARCHITECTURE.md explains them.

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { ROOT } from './step.mjs'

/** Modules of ringpost from the top down: each uses what stands in lines below its own. */
const RINGPOST_LAYERS = [
  ['realtime', 'tokio'],
  ['blocking'],
  ['published'],
  ['typed'],
  ['api'],
  ['layout'],
]
/** The same of ipc-core. */
const CORE_LAYERS = [
  ['inspect'],
  ['map'],
  ['state_frame', 'topic'],
  ['published'],
  ['engine'],
  ['session', 'handshake'],
  ['lanes', 'mirror'],
  ['ring', 'doorbell'],
  ['memory'],
  // Plain values.
  ['remote_error'],
  ['limits'],
  ['option_block', 'value'],
  ['header', 'compression'],
  ['error'],
  ['checksum', 'latency', 'time'],
  // The two seams.
  ['sync', 'sys'],
  // What a host is asked, where there is no system.
  ['hosted'],
]
/** Stands in for modules elsewhere, under the rules of each. */
const HOSTED = /\/src\/hosted\/(?=engine\/|memory\/|sys\.rs)/
/** What uses a layer above its own: of the engine that one uses only what is not above this. */
const CORE_UP = { 'ipc-core/src/engine/status/': ['published'] }
/** Of the engine, what `published` may use. */
const PUBLISHED_OF_ENGINE = ['directory', 'leftovers', 'os']
/** Rooms of the engine, and what each may use of the engine beside itself: what a room needs is given to it. */
const ENGINE_ROOMS = { os: ['slab'], carrier: ['host'] }
/** What examples have in common beside what they show, and which of their files may use it. */
const SHARED_BY_EXAMPLES = {
  'examples/built.mjs': /^[\w-]+\/programs\.mjs$/,
  'examples/testing/processes.mjs': /^[\w-]+\/(extension\/)?test\//,
}
/** Not part of the product: tests, models, and the doors for tests outside. */
const CORE_TESTS = /(^|\/)(tests|model|simulation|violations|seeds|golden|testing|heap)(\.rs|\/)/

/** What only some places may contain; `where` matches paths below crates/. */
const CORE_RULES = [
  {
    what: 'unsafe code',
    finds: /\bunsafe\b/,
    where: /^ipc-core\/src\/(memory\/|engine\/os\/(byte_lock|credentials)|hosted\/imports|ring\/mapped|lanes\/mapped|checksum)/,
  },
  {
    what: 'a look at the clock',
    finds: /\bTime::(now|after)\b|\bNow::default\b|\bInstant\b|\bSystemTime\b/,
    where: /^ipc-core\/src\/(engine\/|published\/|(state_frame|map)\/(reader|writer)|topic\/(publisher|subscriber)|time\.rs)|^ringpost\/src\/(blocking|published|realtime|tokio)\//,
  },
  {
    what: 'a system call',
    finds: /\brustix::(?!io::Errno)|\blibc::|\bstd::(fs|net|env|process)\b/,
    where: /^ipc-core\/src\/(engine\/|memory\/|published\/|inspect\/|(sys|time)\.rs)/,
  },
  {
    what: 'what the operating system watches and wakes with',
    finds: /\brustix::(event|time|fs::inotify)\b/,
    where: /^ipc-core\/src\/(engine\/os\/|sys\.rs)/,
  },
  {
    what: 'a socket of the operating system, a process or a thread',
    finds: /\brustix::(net|process|thread)\b/,
    where: /^ipc-core\/src\/(engine\/os\/|memory\/|sys\.rs)/,
  },
  { what: 'a word about Node', finds: /\bnapi\b|\bnode\b|\bjavascript\b|\buv_/i, where: /^$/ },
  { what: 'a word about tokio', finds: /\btokio\b/, where: /^ringpost\// },
  { what: 'a door that is only for tests', finds: /\bipc_core::testing\b/, where: /^$/ },
]
const NODE_RULES = [
  {
    what: 'unsafe code',
    finds: /\bunsafe\b/,
    where: /^ipc-node\/src\/(binding|binding\/ending|entrance|hot|native_engine|memory|published\/direct|synchronous|throw|uv|waker|wasm\/(exports|imports|memory))\.rs/,
  },
  { what: 'a door that is only for tests', finds: /\bipc_core::testing\b/, where: /^$/ },
]

const C_RULES = [
  {
    what: 'unsafe code',
    finds: /\bunsafe\b/,
    where: /^ringpost-c\/src\/(border|callbacks|client|error|event_loop|event_loop\/dispatch|frame|options|server|topic)\.rs/,
  },
  { what: 'a door that is only for tests', finds: /\bipc_core::testing\b/, where: /^$/ },
]

/** Rooms of ts/ from the top down, and the files of each: a file imports, values and types alike, from
 * rooms below its own and, in its own room, from lines below its own. So there is no circle. */
const TS_ROOMS = {
  '': [['health', 'index', 'jsonrpc', 'messageport', 'opentelemetry', 'prometheus']],
  jsonrpc: [
    ['start'],
    ['transport'],
    ['reader', 'writer'],
    ['channel', 'emitter', 'message', 'options'],
    ['texts'],
  ],
  messageport: [['transfers'], ['message-port'], ['events', 'outgoing', 'transfer-list']],
  api: [['adapters', 'configure', 'connect', 'pool', 'server', 'systemd']],
  client: [
    ['pool'],
    ['pool-server', 'pool-times', 'lease'],
    ['client'],
    ['dialer', 'sender'],
    ['lasting-request', 'lasting-stream', 'waiting-events'],
    ['lasting'],
    ['away'],
  ],
  connection: [
    ['connection'],
    ['sums'],
    ['endpoint', 'timed-caller', 'responder'],
    ['caller', 'sends'],
    ['event-queue', 'client-stream', 'server-stream', 'liveness', 'parking', 'watched'],
    ['context', 'counters', 'flow'],
    ['cancellation', 'handlers', 'link', 'peer', 'pending', 'wait'],
  ],
  published: [
    ['map', 'state-frame', 'subscription', 'topic'],
    ['buffer', 'contract', 'newest', 'owners', 'watch'],
    ['options'],
  ],
  runtime: [
    ['runtime'],
    ['delivery', 'exit-flush'],
    ['receiver'],
    ['inbox'],
    ['pool'],
    ['alarms', 'isolation', 'outbox', 'sync-arena', 'thread'],
  ],
  // Takes the addon's place, and is loaded as that is: see WASM_OF_VALUES.
  wasm: [
    ['binding'],
    ['totals'],
    ['engine'],
    ['sockets'],
    ['claim', 'regions'],
    ['arrivals', 'directory', 'lock', 'module'],
    ['memory', 'pipes', 'shared-memory'],
    ['fault', 'platform'],
  ],
  values: [
    ['contract', 'layout'],
    ['codec', 'diagnostics', 'layout-view', 'remote-error', 'report'],
    ['clone', 'json', 'layout-record', 'msgpack'],
    ['clone-format', 'costs', 'layout-shape', 'options'],
    ['unpack'],
    ['checks'],
    ['errors'],
    ['deferred', 'extensions', 'fifo', 'kinds', 'refusal', 'signals', 'texts', 'thenable', 'trace'],
  ],
  native: [['native']],
}
/** What the core in WebAssembly uses of `values`: the rest uses the binding, which that is. */
const WASM_OF_VALUES = ['values/msgpack', 'values/texts', 'values/unpack']
/** What is declared by hand, the addon, and the module. */
const DECLARED = RegExp(
  `\\.\\./(${[...TS_ROOMS[''].flat(), 'native/binding', 'native/wasm'].join('|')})\\.js$`,
)
/** What a file of ts/ may import from outside of ts/. */
const TS_OUTSIDE = {
  isolation: ['node:async_hooks', 'node:util'],
  endpoint: ['node:events'],
  events: ['node:events'],
  'message-port': ['node:worker_threads'],
  'transfer-list': ['node:worker_threads'],
  transfers: ['node:worker_threads'],
  report: ['node:util'],
  // What tells a value of any realm, and checks UTF-8: pure functions.
  kinds: ['node:util/types'],
  texts: ['node:buffer'],
  'layout-record': ['node:buffer'],
  json: ['node:buffer'],
  clone: ['node:v8'],
  // Where all copies of the package find each other.
  thread: ['node:diagnostics_channel'],
  diagnostics: ['node:diagnostics_channel'],
  opentelemetry: ['@opentelemetry/api', 'node:diagnostics_channel'],
  // Its types.
  prometheus: ['prom-client'],
  // Types of `vscode-jsonrpc`, and of `vscode-jsonrpc` only types.
  emitter: ['vscode-jsonrpc'],
  message: ['node:buffer', 'vscode-jsonrpc'],
  reader: ['vscode-jsonrpc'],
  writer: ['vscode-jsonrpc'],
  start: ['node:child_process', 'node:crypto', 'node:path'],
  health: ['node:events', 'node:fs', 'node:http', 'node:net', 'node:path'],
  arrivals: ['node:fs', 'node:path'],
  claim: ['node:crypto', 'node:fs', 'node:path'],
  directory: ['node:fs', 'node:path'],
  engine: ['node:async_hooks', 'node:process', 'node:timers'],
  lock: ['node:child_process', 'node:fs'],
  module: ['node:crypto', 'node:process'],
  pipes: ['node:crypto', 'node:fs', 'node:os', 'node:path'],
  sockets: ['node:net', 'node:path', 'node:timers'],
}
/** What a file may load when it is asked for, because it is large or may be missing. */
const TS_LATE = {
  native: ['../../native/binding.js'],
  module: ['../../../native/wasm.js'],
  thread: ['node:worker_threads'],
  adapters: ['node:stream', 'node:stream/web'],
}

/** Every file of ts/ and of the binding, and every module of the core, stands in the code map. */
const MAP = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8')

const faults = [
  ...layered('ipc-core', CORE_LAYERS),
  ...layered('ringpost', RINGPOST_LAYERS),
  ...circles('ringpost'),
  ...bindings(),
  ...typescript(),
  ...examples(),
  ...bridges(),
]
for (const fault of faults) console.error(fault)
if (faults.length > 0) process.exit(1)
console.log('all arrows point down')

/** A crate whose modules stand in layers. */
function* layered(crate, layers) {
  const layerOf = (module) => {
    const layer = layers.findIndex((modules) => modules.includes(module))
    return layer === -1 ? undefined : layer
  }
  const isBelow = (used, own) => layerOf(used) > layerOf(own)
  for (const { path: file, code } of rust(crate)) {
    if (CORE_TESTS.test(file) || file.endsWith('/lib.rs')) continue
    const path = file.replace(HOSTED, '/src/')
    yield* breaches(CORE_RULES, path, code)
    const own = path.split('/')[2].replace('.rs', '')
    if (layerOf(own) === undefined) yield `${path}: module ${own} stands in no layer`
    yield* unmapped(path, own)
    const up = CORE_UP[Object.keys(CORE_UP).find((folder) => path.startsWith(folder))] ?? []
    for (const [, used] of code.matchAll(/\bcrate::(\w+)/g)) {
      // Anything else is one of the crate's own re-exports.
      if (/^[a-z]/.test(used) && used !== own && !isBelow(used, own) && !up.includes(used)) {
        yield `${path}: ${own} must not use ${used}`
      }
    }
    yield* roomFaults(path, code)
  }
}

/** Files of one folder of a crate that use each other in a circle, be it through what `mod.rs` exports. */
function* circles(crate) {
  const files = [...rust(crate)].filter(({ path }) => path.split('/').length > 3)
  const homes = new Map()
  for (const { path, code } of files.filter(({ path }) => basename(path) === 'mod.rs')) {
    for (const [, module, names] of code.matchAll(/\bpub(?:\(\w+\))? use (\w+)::([^;]*);/g)) {
      for (const [name] of names.matchAll(/\w+/g)) homes.set(`${dirname(path)}/${name}`, module)
    }
  }
  const uses = new Map()
  for (const { path, code } of files) {
    if (basename(path) === 'mod.rs') continue
    const used = [...code.matchAll(/\bsuper::(?:(\w+)|\{([^}]*)\})/g)].flatMap(([, one, many]) => {
      return one === undefined ? many.split(',').map((name) => name.trim()) : [one]
    })
    const home = (name) => `${dirname(path)}/${homes.get(`${dirname(path)}/${name}`) ?? name}.rs`
    uses.set(path, used.map(home).filter((other) => other !== path))
  }
  // A file that uses nothing that is left is in no circle.
  const isFree = (path) => !uses.get(path).some((used) => uses.has(used))
  for (let free; (free = [...uses.keys()].filter(isFree)).length > 0; ) {
    for (const path of free) uses.delete(path)
  }
  if (uses.size > 0) yield `in a circle, or above one: ${[...uses.keys()].join(', ')}`
}

function* roomFaults(path, code) {
  const above = path.startsWith('ipc-core/src/published/') ? 'published' : undefined
  const room = above ?? /^ipc-core\/src\/engine\/(\w+)\//.exec(path)?.[1]
  const may = above ? PUBLISHED_OF_ENGINE : ENGINE_ROOMS[room]
  if (may === undefined) return
  for (const [, used] of code.matchAll(/\bcrate::engine::(\w+)/g)) {
    if (used !== room && !may.includes(used)) yield `${path}: ${room} must not use ${used} of the engine`
  }
}

function* unmapped(path, name) {
  if (!MAP.includes(`\`${name}\``) && !MAP.includes(`\`${name}/`)) yield `${path}: ARCHITECTURE.md does not say what it is`
}

/** What other languages call. */
function* bindings() {
  for (const [crate, rules] of [['ipc-node', NODE_RULES], ['ringpost-c', C_RULES]]) {
    for (const { path, code } of rust(crate)) {
      yield* breaches(rules, path, code)
      yield* unmapped(path, basename(path, '.rs'))
    }
  }
}

function* breaches(rules, path, code) {
  for (const { what, finds, where } of rules) {
    const found = where.test(path) ? null : finds.exec(code)
    if (found) yield `${path}: ${what} has no place here: ${found[0]}`
  }
}

/** The Rust files of a crate, without comments, texts and inner tests. */
function* rust(crate) {
  const folder = join(ROOT, 'crates', crate, 'src')
  for (const entry of readdirSync(folder, { recursive: true })) {
    if (!entry.endsWith('.rs')) continue
    const text = readFileSync(join(folder, entry), 'utf8')
    const [product] = text.split(/^#\[cfg\(.*\btest\b.*\)\]\nmod \w+ \{/m)
    const code = product.replaceAll(/\/\/.*|"(\\.|[^"\\])*"/g, '').replaceAll('unsafe_code', '')
    yield { path: `${crate}/src/${entry}`, code }
  }
}

function* typescript() {
  const folder = join(ROOT, 'ts')
  const layers = typescriptLayers()
  for (const entry of readdirSync(folder, { recursive: true })) {
    if (!entry.endsWith('.ts')) continue
    const path = entry.slice(0, -3)
    const own = basename(path)
    if (!layers.has(path)) yield `ts/${entry} stands in no layer`
    yield* unmapped(`ts/${entry}`, own)
    const code = readFileSync(join(folder, entry), 'utf8')
    for (const [, from] of code.matchAll(/^(?:import|export)(?: type)? [^;'()]*?from '(.+?)'/gm)) {
      if (DECLARED.test(from)) continue
      const used = join(dirname(path), from).replace(/\.js$/, '')
      const isOwn = from.startsWith('.')
      const isBelow = isOwn ? layers.get(used) > layers.get(path) : outside(own).includes(from)
      const isApart = path.startsWith('wasm/') && isOwn && !used.startsWith('wasm/')
      const allowed = isBelow && (!isApart || WASM_OF_VALUES.includes(used))
      if (!allowed) yield `ts/${entry} must not import ${from}`
    }
    // What is exported again is a getter, and an object with one is asked slowly for all it has.
    const again = own === 'index' ? null : /^export \{.*/m.exec(code)
    if (again) yield `ts/${entry} must not export again: ${again[0]}`
    for (const [, late] of code.matchAll(/\brequire\('(.+?)'\)/g)) {
      if (!TS_LATE[own]?.includes(late)) yield `ts/${entry} must not require ${late}`
    }
  }
}

/** A bridge is a package of its own: it has what all users have, and the client of NATS. */
function* bridges() {
  const folder = join(ROOT, 'nats/src')
  for (const entry of readdirSync(folder)) {
    yield* unmapped(`nats/src/${entry}`, basename(entry, '.mts'))
    const code = readFileSync(join(folder, entry), 'utf8')
    for (const [, from] of code.matchAll(/^(?:import|export)(?: type)? [^;'()]*?from '(.+?)'/gm)) {
      const isAllowed = /^(\.\/[\w-]+\.mjs|ringpost|@nats-io\/(transport-node|jetstream)|node:.*)$/.test(from)
      if (!isAllowed) yield `nats/src/${entry} must not import ${from}`
    }
  }
}

/** An example imports its own files and what its users have: it shows what they can do. */
function* examples() {
  const folder = join(ROOT, 'examples')
  for (const entry of readdirSync(folder, { recursive: true })) {
    if (!/\.m[jt]s$/.test(entry)) continue
    const [own] = entry.split('/')
    // As it is, and as it was built.
    const folders = [`examples/${own}/`, `dist/examples/${own}/`]
    const code = readFileSync(join(folder, entry), 'utf8')
    const packages = packagesOf(folder, entry)
    for (const [, from] of code.matchAll(/^(?:import|export) (?:[^;'()]*? from )?'(.+?)'/gm)) {
      const place = join('examples', dirname(entry), from)
      const isOwn = from.startsWith('.') && folders.some((folder) => place.startsWith(folder))
      const isPublic = /^(ringpost|vscode$|node:)/.test(from) || packages.includes(from)
      if (!isOwn && !isPublic && !SHARED_BY_EXAMPLES[place]?.test(entry)) yield `examples/${entry} must not import ${from}`
    }
  }
}

/** What the folders depend on that a file of an example is in. */
function packagesOf(folder, entry) {
  const place = dirname(entry)
  if (place === '.') return []
  const manifest = join(folder, place, 'package.json')
  const above = packagesOf(folder, place)
  if (!existsSync(manifest)) return above
  const { dependencies, devDependencies } = JSON.parse(readFileSync(manifest, 'utf8'))
  return [...above, ...Object.keys({ ...dependencies, ...devDependencies })]
}

/** What a file may import from outside; of what it loads late, the types. */
function outside(own) {
  return [...(TS_OUTSIDE[own] ?? []), ...(TS_LATE[own] ?? [])]
}

/** Files of ts/ by their paths, and how far down each stands. */
function typescriptLayers() {
  const layers = new Map()
  let depth = 0
  for (const [room, lines] of Object.entries(TS_ROOMS)) {
    for (const files of lines) {
      depth++
      for (const file of files) layers.set(room === '' || room === 'native' ? file : `${room}/${file}`, depth)
    }
  }
  return layers
}
