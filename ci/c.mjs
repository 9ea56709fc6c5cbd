// ringpost for C: its library, its header and its tests.
//
//   node ci/c.mjs [--asan | --valgrind]   compiles and runs the tests
//   node ci/c.mjs header [--write]        whether ringpost.h is what cbindgen makes of the sources
//   node ci/c.mjs perception              builds the part in C of examples/perception
//   node ci/c.mjs install <prefix>        installs the library, the header and ringpost.pc; --quick:
//                                         as the tests use it, which is built sooner

import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { installPackages } from './debian.mjs'
import './setup.mjs'
import { ROOT, become, giveUp, step } from './step.mjs'

const FOLDER = join(ROOT, 'crates/ringpost-c')
const HEADER = join(FOLDER, 'include/ringpost.h')
/** What the program for the header is, which is installed when it is first needed. */
const CBINDGEN = { version: '0.29.4', root: join(ROOT, 'target/tools') }
const SONAME = 'libringpost.so.0'
const PROGRAMS = ['misuse', 'client', 'server', 'published']
const WARNINGS = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-pedantic', '-g', '-O1']
/** Where the library is for the tests and the example. */
const PREFIX = join(ROOT, 'target/c/prefix')
const PKG_CONFIG_PATH = join(PREFIX, 'lib/pkgconfig')
const KINDS = {
  usual: { flags: [], runner: '' },
  // A race that only one run in a thousand has is found elsewhere: here it is memory.
  '--asan': { flags: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'], runner: '' },
  '--valgrind': {
    flags: [],
    runner: [
      ...['valgrind', '--quiet', '--error-exitcode=9', '--leak-check=full'],
      ...['--errors-for-leak-kinds=definite', `--suppressions=${join(ROOT, 'ci/valgrind.supp')}`],
    ].join(' '),
  },
}

const [verb = 'usual', ...rest] = process.argv.slice(2)
if (verb === 'install' && rest.length > 0) {
  await install(resolve(rest[0]), rest.includes('--quick') ? 'ci' : 'release')
} else if (verb === 'perception') await perception()
else if (verb === 'header') await header(rest.includes('--write'))
else if (verb in KINDS && rest.length === 0) await test(verb)
else giveUp('node ci/c.mjs [--asan | --valgrind | header | perception | install <prefix>]')

async function install(prefix, profile) {
  const build = ['build', '--profile', profile, '--locked', '--package', 'ringpost-c']
  await step('building the library', 'cargo', build)
  const built = (name) => join(ROOT, 'target', profile, name)
  const [lib, include] = [join(prefix, 'lib'), join(prefix, 'include')]
  mkdirSync(join(lib, 'pkgconfig'), { recursive: true })
  mkdirSync(include, { recursive: true })
  for (const name of [SONAME, 'libringpost.so']) rmSync(join(lib, name), { force: true })
  copyFileSync(built('libringpost_c.so'), join(lib, SONAME))
  symlinkSync(SONAME, join(lib, 'libringpost.so'))
  copyFileSync(built('libringpost_c.a'), join(lib, 'libringpost.a'))
  copyFileSync(HEADER, join(include, 'ringpost.h'))
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const about = readFileSync(join(FOLDER, 'ringpost.pc.in'), 'utf8')
  const filled = about.replace('@PREFIX@', prefix).replace('@VERSION@', version)
  writeFileSync(join(lib, 'pkgconfig/ringpost.pc'), filled)
}

async function perception() {
  await install(PREFIX, 'ci')
  const folder = ['--directory', join(ROOT, 'examples/perception/c')]
  const build = `BUILD=${join(ROOT, 'target/c/perception')}`
  await step('building the producer', 'make', [...folder, build], { env: { PKG_CONFIG_PATH } })
}

async function header(writes) {
  const cbindgen = join(CBINDGEN.root, 'bin/cbindgen')
  if (!existsSync(cbindgen)) {
    const { version, root } = CBINDGEN
    const args = ['install', 'cbindgen', '--version', version, '--locked', '--root', root]
    await step('installing cbindgen', 'cargo', args)
  }
  const args = ['--quiet', '--config', 'cbindgen.toml', '--crate', 'ringpost-c']
  const made = execFileSync(cbindgen, args, { cwd: FOLDER, encoding: 'utf8' })
  if (writes) return writeFileSync(HEADER, made)
  if (readFileSync(HEADER, 'utf8') !== made) {
    giveUp('ringpost.h is not what the sources say: node ci/c.mjs header --write')
  }
}

async function test(kind) {
  const { flags, runner } = KINDS[kind]
  if (runner !== '' && !existsSync('/usr/bin/valgrind')) installPackages('valgrind')
  const programs = join(ROOT, 'target/c', kind)
  await install(PREFIX, 'ci')
  if (kind === 'usual') {
    const tests = ['test', '--profile', 'ci', '--locked', '--package', 'ringpost-c']
    await step('testing what is in Rust', 'cargo', tests)
  }
  mkdirSync(programs, { recursive: true })
  const layouts = ['dist/cli/main.mjs', 'layout', '--c', join(FOLDER, 'tests/layouts.mjs')]
  writeFileSync(join(programs, 'layouts.h'), execFileSync(process.execPath, layouts, { cwd: ROOT }))
  const found = execFileSync('pkg-config', ['--cflags', '--libs', 'ringpost'], {
    env: { ...process.env, PKG_CONFIG_PATH },
    encoding: 'utf8',
  })
  const library = [...found.trim().split(/\s+/), `-Wl,-rpath,${join(PREFIX, 'lib')}`]
  const sources = PROGRAMS.map((name) => join(FOLDER, 'tests', `${name}.c`))
  for (const source of [...sources, ...printed(programs)]) {
    const program = join(programs, basename(source, '.c'))
    const args = [...WARNINGS, ...flags, `-I${programs}`, source, '-o', program]
    await step(`compiling ${basename(source)}`, 'cc', [...args, ...library])
  }
  Object.assign(process.env, { PROGRAMS: programs, RUNNER: runner })
  // A test that fails leaves something open.
  await become('--test', '--test-force-exit', join(FOLDER, 'tests/run.mjs'))
}

/** The programs of the README, each in a file of its own. */
function printed(folder) {
  const readme = readFileSync(join(FOLDER, 'README.md'), 'utf8')
  return [...readme.matchAll(/^```c\n(.*?)^```/gms)].map(([, program], index) => {
    const source = join(folder, `readme-${index + 1}.c`)
    writeFileSync(source, program)
    return source
  })
}
