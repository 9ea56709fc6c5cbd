// Programs of Windows by Wine 10, which Debian has since version 13: in a root folder of that
// version, which is kept in .cache/windows. Nothing is installed but debootstrap, which makes it.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { installPackages } from './debian.mjs'
import { skip } from './foreign.mjs'
import { ROOT, attempt } from './step.mjs'

export const CACHE = join(ROOT, '.cache/windows')
const RELEASE = 'trixie'
const MIRROR = 'http://deb.debian.org/debian'
const DEBIAN = join(CACHE, 'debian')
/** What a Windows keeps: its registry, its drive. */
const WINEPREFIX = join(CACHE, 'prefix')
const LOG = join(CACHE, 'output')
const DEBOOTSTRAP_MINUTES = 30
/** The exit code when it was Wine that failed, and how often that may be. */
const CRASHED = 86
const CRASHES_MAX = 2

/**
 * Runs a command in that Debian, with this repository where it is outside. Mounts and processes are
 * those of a namespace of its own and end with it, so that nothing of Wine is left, whatever happens.
 */
const SCRIPT = `
set -e
root='${DEBIAN}'
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mkdir -p "$root${ROOT}"
mount --bind '${ROOT}' "$root${ROOT}"
exec chroot "$root" "$@"
`
const NAMESPACE = ['--mount', '--pid', '--fork', '--kill-child']
const ENTER = ['unshare', ...NAMESPACE, 'sh', '-c', SCRIPT, 'sh']
/**
 * Wine's programs cannot write into a pipe of Linux as they would into one of Windows. When Wine's own
 * server crashes, which it has been seen to do, they wait for ever.
 */
const RUN = `
cd '${ROOT}'
"$@" >> '${LOG}' 2>&1 < /dev/null &
while kill -0 $! 2>/dev/null; do
  ! grep -q '^wineserver crashed' '${LOG}' || exit ${CRASHED}
  sleep 1
done
wait $!
code=$?
wineserver -k
exit $code
`

/** Makes Wine ready, or says why there is none. */
export async function prepareWine() {
  if (process.arch !== 'x64') skip('Wine is for programs of x64')
  if (process.getuid() !== 0) skip('only root can set Wine up')
  if (spawnSync('unshare', [...NAMESPACE, 'mount', '-t', 'proc', 'proc', '/proc']).status !== 0) {
    skip('this machine grants no namespaces')
  }
  if (!existsSync(DEBIAN)) await makeDebian()
  if (!existsSync(join(WINEPREFIX, 'system.reg'))) {
    rmSync(WINEPREFIX, { recursive: true, force: true })
    await inWine('making a Windows', 'wineboot', ['--init'], { minutes: 10, quiet: true })
  }
}

/** Runs a program there as a step, and shows its output when it has ended, with `quiet` only if it
 * failed. Returns whether it has succeeded. */
export async function inWine(name, command, args, { env = {}, minutes, quiet = false }) {
  const own = { PATH: '/usr/bin:/bin', HOME: '/root', XDG_RUNTIME_DIR: '/tmp' }
  const all = { ...own, WINEPREFIX, WINEDEBUG: '-all', ...env }
  const variables = Object.entries(all).map(([key, value]) => `${key}=${value}`)
  const inside = ['env', '-i', ...variables, 'sh', '-c', RUN, 'sh', command, ...args]
  const [program, ...rest] = [...ENTER, ...inside]
  for (let crashes = 0; ; crashes++) {
    writeFileSync(LOG, '')
    const isFine = await attempt(name, program, rest, { minutes })
    const output = readFileSync(LOG, 'utf8')
    if (!(isFine && quiet)) process.stdout.write(output)
    const isAgain = !isFine && /^wineserver crashed/m.test(output) && crashes < CRASHES_MAX
    if (!isAgain) return isFine
    console.log('Wine itself has crashed: once more')
  }
}

async function makeDebian() {
  if (!existsSync('/usr/sbin/debootstrap')) {
    installPackages('debootstrap', 'debian-archive-keyring')
  }
  if (!existsSync('/usr/sbin/debootstrap')) skip('there is no debootstrap, and it was not installed')
  const half = `${DEBIAN}.part`
  rmSync(half, { recursive: true, force: true })
  mkdirSync(half, { recursive: true })
  const packages = '--include=wine,wine64'
  const words = ['--variant=minbase', packages, RELEASE, half, MIRROR]
  const options = { minutes: DEBOOTSTRAP_MINUTES }
  const name = `installing Debian's ${RELEASE} with Wine, which takes minutes and 1.3 GB`
  if (!(await attempt(name, 'debootstrap', words, options))) {
    rmSync(half, { recursive: true, force: true })
    skip(`${MIRROR} was not reached, or it has no Wine`)
  }
  rmSync(join(half, 'var/cache/apt/archives'), { recursive: true, force: true })
  renameSync(half, DEBIAN)
}
