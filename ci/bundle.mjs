// Makes the library one file, which the modules of the package share: Node takes longer, and twice the
// memory, to load eighty, and of a file that is loaded twice there are two `IpcError`s. Tests and the
// command also use modules of it by themselves, which therefore stay beside it.

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { rollup } from 'rollup'
import ts from 'typescript'

/** Stands before all else: a bundler's own words for this do not say what to do. */
const NEEDS_REQUIRE = `
try {
  require('node:module')
} catch (cause) {
  throw new Error('ringpost needs require, and in this bundle there is none: see docs/bundlers.md', { cause })
}`

/** Replaces what the compiler has made of the modules of the tree in `folder`. */
export async function bundle(folder) {
  const { options } = ts.getParsedCommandLineOfConfigFile(join(folder, 'tsconfig.json'), {}, HOST)
  // Checked already, all of them together.
  const compilerOptions = { ...options, module: ts.ModuleKind.ESNext, removeComments: true }
  const typescript = {
    name: 'typescript',
    resolveId(path, importer) {
      if (importer === undefined || !path.startsWith('.')) return null
      const source = resolve(dirname(importer), path.replace(/js$/, 'ts'))
      return existsSync(source) ? source : null
    },
    transform(code, fileName) {
      const { outputText, sourceMapText } = ts.transpileModule(code, { fileName, compilerOptions })
      return { code: outputText, map: sourceMapText }
    },
  }
  await bundlePortable(folder, typescript)
  const entries = modules(folder)
  const built = await rollup({
    input: entries.map((name) => join(folder, 'ts', `${name}.ts`)),
    external: /^[^./]/,
    plugins: [typescript],
    onLog: refuse,
  })
  await built.write({
    dir: join(folder, 'dist/ts'),
    format: 'cjs',
    intro: NEEDS_REQUIRE,
    chunkFileNames: '[name].js',
    hoistTransitiveImports: false,
    manualChunks(id) {
      const [room, file] = relative(join(folder, 'ts'), id).split('/')
      // A module and its room are a file of their own.
      return file === undefined || entries.includes(room) ? undefined : 'library'
    },
    sourcemap: true,
    sourcemapExcludeSources: true,
  })
}

/** The core in WebAssembly, which takes the place of the addon; and the library with that in place of the
 * loader, so that whatever bundles it finds no addon. */
async function bundlePortable(folder, typescript) {
  const ts = join(folder, 'ts')
  const module = /(?<=require\(')[./]+\/native\/wasm\.js/
  const portable = {
    name: 'portable',
    transform(code, id) {
      if (id === join(ts, 'native.ts')) {
        const loaded = `import { binding } from './wasm/binding.js'\n${code}`
        return { code: loaded.replace(/require\('[./]+\/native\/binding\.js'\)/, 'binding'), map: null }
      }
      if (id !== join(ts, 'wasm/module.ts')) return null
      return { code: code.replace(module, '../../native/wasm.js'), map: null }
    },
  }
  const outputs = [
    { input: join(ts, 'wasm/binding.ts'), plugins: [typescript], file: 'wasm/binding.js' },
    { input: join(ts, 'index.ts'), plugins: [portable, typescript], file: 'wasm-only.js' },
  ]
  for (const { input, plugins, file } of outputs) {
    const built = await rollup({ input, external: /^[^./]/, plugins, onLog: refuse })
    const to = join(folder, 'dist/ts', file)
    const format = { format: 'cjs', intro: NEEDS_REQUIRE, sourcemap: true, sourcemapExcludeSources: true }
    await built.write({ file: to, ...format })
  }
}

function refuse(level, { message }) {
  if (level === 'warn') throw new Error(message)
}

/** What `exports` of package.json names, but for what is bundled otherwise. */
function modules(folder) {
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const others = ['./package.json', './wasm-only']
  const paths = Object.keys(exports).filter((path) => !others.includes(path))
  return paths.map((path) => path.slice(2) || 'index')
}

const HOST = {
  ...ts.sys,
  onUnRecoverableConfigFileDiagnostic({ messageText }) {
    throw new Error(String(messageText))
  },
}
