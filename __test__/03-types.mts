// What contracts and transports promise is checked by the compilers of users, from the oldest to the newest; and the
// package is one that resolvers and linters of packages find nothing wrong with.

import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import ts from 'typescript'
import { directory } from './helpers/directory.mjs'

const run = promisify(execFile)
const require = createRequire(import.meta.url)
const root = fileURLToPath(new URL('../../', import.meta.url))

for (const compiler of ['typescript-5.4', 'typescript', 'typescript-7']) {
  const { version } = require(`${compiler}/package.json`) as { version: string }

  test(`TypeScript ${version} checks contracts and transports`, async (t) => {
    const config = join(directory, `${compiler}.json`)
    const compilerOptions = {
      ...{ target: 'es2022', module: 'node16', moduleResolution: 'node16', lib: ['es2022'] },
      ...{ strict: true, noEmit: true, types: ['node'], typeRoots: [join(root, 'node_modules/@types')] },
    }
    const files = ['contracts', 'jsonrpc'].map((name) => join(root, `__test__/types/${name}.mts`))
    writeFileSync(config, JSON.stringify({ compilerOptions, files }))
    const tsc = join(root, 'node_modules', compiler, 'bin/tsc')
    await t.notThrowsAsync(attempt(process.execPath, [tsc, '-p', config]))
  })
}

interface Place {
  fileName: string
  pos: number
}
/** Follows declaration maps. */
interface Mapper {
  tryGetSourcePosition(place: Place): Place | undefined
}

test('a definition leads to the source', (t) => {
  const file = join(root, '__test__/types/contracts.mts')
  const text = readFileSync(file, 'utf8')
  const options: ts.CompilerOptions = {
    ...{ target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.Node16, strict: true },
    ...{ moduleResolution: ts.ModuleResolutionKind.Node16, lib: ['lib.es2022.d.ts'] },
    ...{ types: ['node'], typeRoots: [join(root, 'node_modules/@types')] },
  }
  const service = ts.createLanguageService({
    ...{ getCompilationSettings: () => options, getScriptFileNames: () => [file] },
    ...{ getScriptVersion: () => '0', getCurrentDirectory: () => root },
    getScriptSnapshot: (name) =>
      ts.sys.fileExists(name) ? ts.ScriptSnapshot.fromString(ts.sys.readFile(name)!) : undefined,
    ...{ getDefaultLibFileName: ts.getDefaultLibFilePath, readFile: ts.sys.readFile },
    ...{ fileExists: ts.sys.fileExists, directoryExists: ts.sys.directoryExists },
    getDirectories: ts.sys.getDirectories,
  })
  const definition = (of: string) => {
    const [found] = service.getDefinitionAtPosition(file, text.indexOf(of) + of.length - 1) ?? []
    // As tsserver does, by a part of the service that has no types.
    const { getSourceMapper } = service as unknown as { getSourceMapper(): Mapper }
    const [fileName, pos] = [found.fileName, found.textSpan.start]
    const place = getSourceMapper().tryGetSourcePosition({ fileName, pos }) ?? { fileName, pos }
    const source = ts.sys.readFile(place.fileName)!
    return [relative(root, place.fileName), source.slice(place.pos).match(/\w+/)![0]]
  }
  t.deepEqual(definition('= method'), ['ts/values/contract.ts', 'method'])
  t.deepEqual(definition('codec: bytes'), ['ts/values/codec.ts', 'bytes'])
  t.deepEqual(definition('requester.request'), ['ts/connection/connection.ts', 'request'])
  t.deepEqual(definition('server.handle'), ['index.d.ts', 'handle'])
  t.deepEqual(definition('timeoutMs'), ['index.d.ts', 'timeoutMs'])
})

test('the package resolves everywhere, and its manifest has no faults', async (t) => {
  const arguments_ = ['pack', '--ignore-scripts', '--pack-destination', directory]
  const name = (await attempt('npm', [...arguments_, '--silent'])).trim()
  const tarball = join(directory, name)
  const bin = (command: string) => join(root, 'node_modules/.bin', command)
  await t.notThrowsAsync(attempt(bin('publint'), ['run', tarball, '--strict']))
  await t.notThrowsAsync(attempt(bin('attw'), [tarball, '--no-emoji']))
})

/** Runs a command; what it has printed is the message of its failure. */
async function attempt(command: string, args: string[]): Promise<string> {
  try {
    const { stdout } = await run(command, args, { cwd: root, timeout: 180_000 })
    return stdout
  } catch (error) {
    const { stdout, stderr, message } = error as Error & { stdout?: string; stderr?: string }
    throw new Error(`${message}\n${stdout}\n${stderr}`)
  }
}
