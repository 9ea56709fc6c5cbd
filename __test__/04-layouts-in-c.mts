// Layouts in C: the header that the command prints, in a program of the system's compiler.

import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test from 'ava'
import type { Layout } from 'ringpost'
import { header } from '../cli/c-header.mjs'
import { directory } from './helpers/directory.mjs'
import { anyLayout } from './helpers/layouts.mjs'
import { eachSeed } from './helpers/random.mjs'

const COMMAND = fileURLToPath(new URL('../cli/main.mjs', import.meta.url))
const C11 = ['-std=c11', '-Wall', '-Wextra', '-Wpedantic', '-Werror']

mkdirSync(join(directory, 'node_modules'))
symlinkSync(fileURLToPath(new URL('../../', import.meta.url)), join(directory, 'node_modules/ringpost'))

/** Writes a file and returns its path. */
function file(name: string, contents: string): string {
  const path = join(directory, name)
  writeFileSync(path, contents)
  return path
}

async function play(...words: string[]) {
  const child = fork(COMMAND, ['layout', ...words], { silent: true, cwd: directory })
  const [[code], out, err] = await Promise.all([
    ...[once(child, 'exit') as Promise<[number | null]>],
    ...[textOf(child.stdout!), textOf(child.stderr!)],
  ] as const)
  return { code, out, err }
}

function compile(source: string, ...args: string[]): void {
  execFileSync('cc', [...C11, source, ...args], { encoding: 'utf8', stdio: 'pipe' })
}

const CONTRACT = `
import { layout, list, text } from 'ringpost'
export const Detection = layout({ id: 'u32', x: 'f32', seen: 'bool', label: text(16) })
const Camera = layout({ name: text(8), tilt: 'i8' })
export const Detections = layout({
  frameId: 'u64', drift: 'i64', takenAt: 'f64', small: 'u8', low: 'i16', high: 'u16', deep: 'i32',
  camera: Camera, items: list(Detection, 50), tags: list(text(3), 2), weights: list('f64', 3),
})
export const again = Detection
export const limit = 50
`

const PROGRAM = `
#include <stdio.h>
#include <string.h>
#include "contract.h"

static Detections all;

int main(int count, char **words) {
  if (count != 3) return 2;
  all.frameId = UINT64_MAX;
  all.drift = INT64_MIN;
  all.takenAt = 0.1;
  all.small = 255;
  all.low = INT16_MIN;
  all.high = UINT16_MAX;
  all.deep = INT32_MIN;
  memcpy(all.camera.name, "12345678", 8);
  all.camera.tilt = -128;
  all.items_count = 2;
  all.items[0] = (Detection){.id = UINT32_MAX, .x = 0.5f, .seen = true, .label = "cup"};
  again last = {.id = 1, .x = -0.25f, .seen = false, .label = "gr\\xc3\\xbc\\xc3\\x9f"};
  all.items[1] = last;
  all.tags_count = 1;
  memcpy(all.tags[0], "abc", 3);
  all.weights_count = 3;
  for (int at = 0; at < 3; at++) all.weights[at] = at + 0.5;
  FILE *record = fopen(words[1], "wb");
  FILE *about = fopen(words[2], "w");
  if (!record || !about) return 1;
  fwrite(&all, sizeof all, 1, record);
  fprintf(about, "%llu %s", (unsigned long long)Detections_HASH, Detections_DESCRIPTION);
  return fclose(record) || fclose(about);
}
`

test.serial('what a program in C writes is read with the layout', async (t) => {
  const module = file('contract.mjs', CONTRACT)
  const { code, out, err } = await play('--c', 'contract.mjs')
  t.deepEqual([code, err], [0, ''])
  file('contract.h', out)
  const [program, record, about] = ['program', 'record', 'about'].map((name) => join(directory, name))
  compile(file('program.c', PROGRAM), '-o', program)
  execFileSync(program, [record, about])
  const { Detections } = (await import(pathToFileURL(module).href)) as Record<string, Layout<any>>
  t.is(readFileSync(about, 'utf8'), `${Detections.hash} ${Detections.description}`)
  const bytes = readFileSync(record)
  t.deepEqual(Detections.decode(bytes), {
    ...{ frameId: 2n ** 64n - 1n, drift: -(2n ** 63n), takenAt: 0.1, small: 255, low: -32768 },
    ...{ high: 65535, deep: -(2 ** 31), camera: { name: '12345678', tilt: -128 } },
    items: [
      { id: 2 ** 32 - 1, x: 0.5, seen: true, label: 'cup' },
      { id: 1, x: -0.25, seen: false, label: 'grüß' },
    ],
    ...{ tags: ['abc'], weights: [0.5, 1.5, 2.5] },
  })
  t.deepEqual(Buffer.from(Detections.encode(Detections.decode(bytes))), bytes)
})

test.serial('a compiler agrees with the size and all offsets of random layouts', async (t) => {
  const layouts: { name: string; description: string }[] = []
  await eachSeed(t, 60, (r) => {
    layouts.push({ name: `Random${layouts.length}`, description: anyLayout(r).layout.description })
  })
  const printed = header('random.mjs', layouts)
  compile(file('random.c', printed), '-c', '-o', '/dev/null')
  for (const [claim, message] of [
    [/(sizeof\(Random0\) == \d+)/, /size of Random0/],
    [/(offsetof\(Random0, \w+\) == )/, /place of Random0/],
  ]) {
    const wrong = printed.replace(claim, '$11')
    t.not(wrong, printed)
    t.throws(() => compile(file('wrong.c', wrong), '-c', '-o', '/dev/null'), { message })
  }
})

test.serial('only layouts that are named are printed, and those within them', async (t) => {
  file('contract.mjs', CONTRACT)
  const { out } = await play('--c', 'contract.mjs', 'Detections')
  t.regex(out, /^#ifndef RINGPOST_LAYOUTS_CONTRACT_MJS_H$/m)
  const structs = [...out.matchAll(/^typedef struct (\w+)/gm)].map(([, name]) => name)
  t.deepEqual(structs, ['Detections_camera', 'Detections_items', 'Detections'])
  const both = await play('--c', 'contract.mjs', 'Detections', 'Detection', 'Detection')
  const names = [...both.out.matchAll(/^typedef struct (\w+)/gm)].map(([, name]) => name)
  t.deepEqual(names, ['Detections_camera', 'Detection', 'Detections'])
})

test.serial('a CommonJS module has layouts that Node does not find by name', async (t) => {
  file('common.cjs', `
    const { layout } = require('ringpost')
    const all = {}
    for (const name of ['One', 'Two']) all[name] = layout({ [name]: 'u8' })
    module.exports = all`)
  const { code, out } = await play('--c', 'common.cjs')
  t.is(code, 0)
  t.regex(out, /^#define One_HASH/m)
  t.regex(out, /^#define Two_HASH/m)
})

for (const [what, source, words, code, message] of [
  ['a module without layouts', 'export const a = 5', [], 1, /^ringpost layout: \S+ exports no layout\n$/],
  ['a module that throws', `throw new Error('no')`, [], 1, /^ringpost layout: \S+ cannot be loaded: no\n$/],
  ['a layout without a name', 'export default L', [], 1, /the name of the export default is a word of C/],
  ['an export with a name for no struct', 'export { L as größe }', [], 1, /größe is no name in C/],
  ['a name that is taken', 'export const A = layout({ b: L }); export const A_b = layout({ c: L })',
    ['A', 'A_b'], 1, /two structs would have the name A_b/],
  ['an export that is not there', 'export { L }', ['M'], 2, /exports no layout 'M'\n\nusage: /],
  ['no language', 'export { L }', undefined, 2, /a language is missing: --c\n\nusage: /],
] as const) {
  test.serial(`the command answers ${what}`, async (t) => {
    const name = `${what.replaceAll(' ', '-')}.mjs`
    file(name, `import { layout } from 'ringpost'\nconst L = layout({ a: 'u8' })\n${source}`)
    const found = await play(...(words === undefined ? [name] : ['--c', name, ...words]))
    t.is(found.code, code)
    t.is(found.out, '')
    t.regex(found.err, message)
    t.notRegex(found.err, /\n {4}at /)
  })
}
