// Layouts as a header for C: structs, inner ones first, and what a compiler can check of them.

import * as shape from '../ts/values/layout-shape.js'
import type { Member, Type } from '../ts/values/layout-shape.js'

/** A layout with the name its struct gets. */
export interface NamedLayout {
  name: string
  description: string
}

const NUMBERS: Record<number, string> = {
  ...{ [shape.I8]: 'int8_t', [shape.U8]: 'uint8_t', [shape.I16]: 'int16_t' },
  ...{ [shape.U16]: 'uint16_t', [shape.I32]: 'int32_t', [shape.U32]: 'uint32_t' },
  ...{ [shape.I64]: 'int64_t', [shape.U64]: 'uint64_t', [shape.F32]: 'float' },
  ...{ [shape.F64]: 'double', [shape.BOOL]: 'bool' },
}
/** Letters of a description in one line. */
const LINE = 72

/**
 * The text of a header.
 * @throws Error for a name that cannot be that of a struct.
 */
export function header(module: string, layouts: readonly NamedLayout[]): string {
  const guard = `RINGPOST_LAYOUTS_${module.replaceAll(/[^A-Za-z0-9]+/g, '_').toUpperCase()}_H`
  return [
    `// The layouts of ${module.replaceAll(/[^ -~]/g, '?')}, printed by: ringpost layout --c`,
    `#ifndef ${guard}\n#define ${guard}\n`,
    '#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n',
    ...new Structs(layouts).print(),
    `#endif`,
  ].join('\n')
}

class Structs {
  readonly #layouts: readonly NamedLayout[]
  /** Names of structs by descriptions: records that are the same have one struct. */
  readonly #names = new Map<string, string>()
  readonly #taken = new Set<string>()
  readonly #printed = new Set<string>()
  readonly #lines: string[] = []

  constructor(layouts: readonly NamedLayout[]) {
    this.#layouts = layouts
  }

  print(): string[] {
    for (const { name, description } of this.#layouts) {
      const fault = shape.nameFault(name)
      if (fault !== undefined) throw new Error(`the name of the export ${name} ${fault}`)
      this.#take(name)
      if (!this.#names.has(description)) this.#names.set(description, name)
    }
    for (const { name, description } of this.#layouts) {
      const first = this.#struct(shape.parse(description), name)
      if (first !== name) this.#lines.push(`typedef ${first} ${name};\n`)
      this.#about(name, description)
    }
    return this.#lines
  }

  #take(name: string): void {
    if (this.#taken.has(name)) throw new Error(`two structs would have the name ${name}`)
    this.#taken.add(name)
  }

  /** Prints a struct unless it is printed already; returns its name. */
  #struct(type: Type, wanted: string): string {
    let name = this.#names.get(type.text)
    if (name === undefined) {
      name = wanted
      this.#take(name)
      this.#names.set(type.text, name)
    }
    if (this.#printed.has(name)) return name
    this.#printed.add(name)
    const members = type.members.map((member) => this.#member(member, name))
    this.#lines.push(
      `typedef struct ${name} {\n${members.join('\n')}\n} ${name};`,
      ...this.#checks(type, name),
      '',
    )
    return name
  }

  #member({ name, type, max }: Member, outer: string): string {
    // Two underscores in a row are reserved.
    const wanted = `${outer}_${name}`.replaceAll(/__+/g, '_')
    const inner = type.kind === shape.RECORD ? this.#struct(type, wanted) : ''
    const word = type.kind === shape.TEXT ? 'char' : (NUMBERS[type.kind] ?? inner)
    const bytes = type.kind === shape.TEXT ? `[${type.size}]` : ''
    if (max === 0) return `  ${word} ${name}${bytes};`
    return `  uint32_t ${shape.countName(name)};\n  ${word} ${name}[${max}]${bytes};`
  }

  *#checks(type: Type, name: string): Generator<string> {
    yield `_Static_assert(sizeof(${name}) == ${type.size}, "size of ${name}");`
    for (const member of type.members) {
      const { offset, start } = member
      if (member.max > 0) yield offsetCheck(name, shape.countName(member.name), offset)
      yield offsetCheck(name, member.name, start)
    }
  }

  #about(name: string, description: string): void {
    const parts = description.match(new RegExp(`.{1,${LINE}}`, 'g'))!
    const hash = shape.hashOf(description).toString(16).padStart(16, '0')
    this.#lines.push(
      `#define ${name}_HASH UINT64_C(0x${hash})`,
      `#define ${name}_DESCRIPTION \\\n${parts.map((part) => `  "${part}"`).join(' \\\n')}`,
      '',
    )
  }
}

const offsetCheck = (struct: string, member: string, offset: number) =>
  `_Static_assert(offsetof(${struct}, ${member}) == ${offset}, "place of ${struct}.${member}");`
