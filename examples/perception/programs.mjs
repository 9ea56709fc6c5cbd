// Where the programs are that cargo, make and pip have built.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { built } from '../built.mjs'

const HERE = (path) => fileURLToPath(new URL(path, import.meta.url))

/** The newest build, in whichever profile; or the one that `PERCEPTION_PRODUCER` names. */
export const producerProgram = (language = 'rust') =>
  process.env.PERCEPTION_PRODUCER ??
  (language === 'c' ? producerInC() : built('perception-producer', 'perception-producer'))

/** The later version of it, for the tests. */
export const newerProducerProgram = () => built('perception-producer', 'examples/newer-producer')

/** The API in Python: a command, its arguments, and what it needs of the environment. */
export function apiInPython() {
  const python = HERE('../../target/python/environment/bin/python')
  if (!existsSync(python)) {
    throw new Error('Python is not set up: node ci/python.mjs --only-environment')
  }
  const library = HERE('../../target/c/prefix/lib/libringpost.so.0')
  // Nothing is left beside the sources.
  const env = { RINGPOST_LIBRARY: library, PYTHONDONTWRITEBYTECODE: '1' }
  return { command: python, args: [HERE('python/api.py')], env }
}

function producerInC() {
  const program = HERE('../../target/c/perception/perception-producer')
  if (existsSync(program)) return program
  throw new Error(`${program} is not built: node ci/c.mjs perception`)
}
