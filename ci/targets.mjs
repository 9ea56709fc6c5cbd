// The platforms that have a package with the addon, by the name that the loader knows them by.

import { giveUp } from './step.mjs'

/** The newest glibc that an addon may need: what Node.js itself needs. */
export const GLIBC_MAX = [2, 28]

/** `zig` is how the linker is asked for it, with the glibc it is linked for; `machine` how an ELF
 * file says it. */
export const TARGETS = {
  'linux-x64-gnu': target('x86_64-unknown-linux-gnu', 'x64', 'glibc', 62),
  'linux-x64-musl': target('x86_64-unknown-linux-musl', 'x64', 'musl', 62),
  'linux-arm64-gnu': target('aarch64-unknown-linux-gnu', 'arm64', 'glibc', 183),
  'linux-arm64-musl': target('aarch64-unknown-linux-musl', 'arm64', 'musl', 183),
}

/** The name of the addon's file. */
export const addonOf = (name) => `ringpost.${name}.node`

/** The name of the platform this runs on. */
export function ownTarget() {
  const { platform, arch, report } = process
  const libc = report.getReport().header.glibcVersionRuntime ? 'gnu' : 'musl'
  const name = `${platform}-${arch}-${libc}`
  if (name in TARGETS) return name
  giveUp(`Ringpost is built for Linux on x64 and arm64, this is ${platform}-${arch}.`)
}

function target(triple, cpu, libc, machine) {
  const zig = libc === 'glibc' ? `${triple}.2.17` : triple
  return { triple, zig, cpu, libc, machine }
}
