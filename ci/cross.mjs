// Builds for the platforms that have a package, with zig as the linker: it brings the C library of
// each, and an old glibc. Zig and cargo-zigbuild are kept in .cache/cross.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { installPackages } from './debian.mjs'
import { ROOT, attempt, giveUp, step } from './step.mjs'
import { TARGETS } from './targets.mjs'

const ZIG = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.1']
/** A compiler that has its library's source, of which the library is built for a target. */
const DEBIAN = ['rustc-web', 'cargo-web', 'rust-web-src']
const DEBIAN_SOURCE = '/usr/lib/rustlib/src/rust/library/std'
const TARGET_DIR = join(ROOT, 'target/cross')

/** Builds the addon for one of TARGETS. Returns its path. */
export async function buildAddon(name) {
  const { triple } = TARGETS[name]
  const { env, args } = await crossCompiler(name)
  const build = ['zigbuild', '--release', '--package', 'ipc-node', '--locked', ...args]
  await step(`building for ${name} (minutes the first time)`, 'cargo', build, { env })
  return join(TARGET_DIR, triple, 'release/libipc_node.so')
}

/**
 * What cargo needs to build for one of TARGETS with `zigbuild`, or to test: the environment, and the
 * arguments that choose the target. Installs what is missing, and gives up where it cannot.
 */
export async function crossCompiler(name, { tests = false } = {}) {
  const { triple, zig, libc } = TARGETS[name]
  const tools = await findZig()
  const path = process.env.PATH
  const flags = libc === 'musl' ? ['-Ctarget-feature=-crt-static'] : []
  // Zig brings the files that the compiler would have linked as well.
  if (libc === 'musl' && tests) flags.push('-Clink-self-contained=no')
  const env = {
    PATH: `${path}:${join(tools, 'bin')}`,
    CARGO_ZIGBUILD_ZIG_PATH: join(tools, 'ziglang/zig'),
    CARGO_ZIGBUILD_CACHE_DIR: join(ROOT, '.cache/cross/zigbuild'),
    RUSTFLAGS: flags.join(' '),
  }
  const args = ['--target', zig, '--target-dir', TARGET_DIR]
  if (hasLibrary(triple)) return { env, args }
  if (findSource()) {
    Object.assign(env, {
      PATH: `/usr/bin:/bin:${join(tools, 'bin')}`,
      RUSTC: '/usr/bin/rustc',
      RUSTDOC: '/usr/bin/rustdoc',
      RUSTC_BOOTSTRAP: '1',
    })
    const built = ['std', 'panic_unwind', ...(tests ? ['test'] : [])]
    return { env, args: [...args, `-Zbuild-std=${built.join(',')}`] }
  }
  const added = ['target', 'add', triple]
  await attempt(`adding ${triple} to the toolchain`, 'rustup', added, { minutes: 10 })
  if (hasLibrary(triple)) return { env, args }
  giveUp(`Building for ${name} needs \`rustup target add ${triple}\`.`)
}

/** The folder of zig and cargo-zigbuild. */
async function findZig() {
  const folder = join(ROOT, '.cache/cross', ZIG.join('+'))
  if (!existsSync(join(folder, 'bin/cargo-zigbuild'))) {
    const install = ['-m', 'pip', 'install', '--quiet', '--target', folder, ...ZIG]
    await step('installing zig', 'python3', install)
  }
  return folder
}

/** Whether the toolchain has the standard library for a target. */
function hasLibrary(triple) {
  const args = ['--print', 'target-libdir', '--target', triple]
  return existsSync(execFileSync('rustc', args, { encoding: 'utf8' }).trim())
}

function findSource() {
  const isThere = () => existsSync('/usr/bin/rustc') && existsSync(DEBIAN_SOURCE)
  return isThere() || (installPackages(...DEBIAN), isThere())
}
