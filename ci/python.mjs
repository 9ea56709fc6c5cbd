// The tests of ringpost for Python, installed into an environment of its own: node ci/python.mjs

import { cpSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import './setup.mjs'
import { ROOT, step } from './step.mjs'

const FOLDER = join(ROOT, 'target/python')
const PYTHON = join(FOLDER, 'environment/bin/python')
/** What the tests and the example use beside the package. */
const PACKAGES = ['flask', 'msgpack', 'mypy']

const prefix = join(ROOT, 'target/c/prefix')
await step('the library', process.execPath, ['ci/c.mjs', 'install', prefix, '--quick'])
await environment()
if (process.argv[2] !== '--only-environment') {
  // Nothing is left beside the sources.
  const env = { RINGPOST_LIBRARY: join(prefix, 'lib/libringpost.so.0'), PYTHONDONTWRITEBYTECODE: '1' }
  const cache = ['--cache-dir', join(FOLDER, 'mypy')]
  // As the oldest version sees it that the type checker knows.
  const strict = ['-m', 'mypy', '--strict', '--python-version', '3.10', ...cache]
  await step('types', PYTHON, [...strict, 'python/src', 'python/tests'])
  await step('tests', PYTHON, ['-m', 'unittest', 'discover', '-s', 'python/tests'], { env })
}

/** Installs the package from a copy: building it leaves files beside its sources. */
async function environment() {
  const pip = (what, ...args) => {
    return step(what, PYTHON, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...args])
  }
  if (!existsSync(PYTHON)) {
    await step('an environment of Python', 'python3', ['-m', 'venv', join(FOLDER, 'environment')])
    await pip('what the tests use', ...PACKAGES)
  }
  const copy = join(FOLDER, 'source')
  rmSync(copy, { recursive: true, force: true })
  cpSync(join(ROOT, 'python'), copy, { recursive: true })
  await pip('the package', '--no-deps', '--force-reinstall', copy)
}
