// Faults in layouts, records of a fixed size. `by` names what has to catch each: one of CHECKS in
// ci/mutations.mjs, or a file of `__test__`.

const SHAPE = { file: 'ts/values/layout-shape.ts' }
const RECORD = { file: 'ts/values/layout-record.ts', by: '04-layouts' }
const VIEW = { file: 'ts/values/layout-view.ts', by: '04-layouts' }
const CODEC = { file: 'ts/values/layout.ts', by: '04-layouts' }
const HEADER = { file: 'cli/c-header.mts', by: '04-layouts-in-c' }

export const LAYOUTS = [
  {
    what: 'layout: a record ends with its last member',
    ...SHAPE,
    from: 'const size = aligned(end, align)',
    to: 'const size = end',
    by: '04-layouts-in-c',
  },
  {
    what: 'layout: the count of a list has no alignment',
    ...SHAPE,
    from: 'aligned(end, max > 0 ? 4 : type.align)',
    to: 'aligned(end, max > 0 ? 1 : type.align)',
    by: '04-layouts-in-c',
  },
  {
    what: 'layout: the count of a list does not align its record',
    ...SHAPE,
    from: 'Math.max(align, type.align, max > 0 ? 4 : 1)',
    to: 'Math.max(align, type.align)',
    by: '04-layouts-in-c',
  },
  {
    what: 'layout: a description with wrong numbers is taken',
    ...SHAPE,
    from: 'if (found.text === description) return found',
    to: 'return found',
    by: '04-layouts',
  },
  {
    what: 'layout: members that differ in their places alone are the same',
    ...SHAPE,
    from: 'if (theirs.text === ours.text) continue',
    to: 'if (theirs.name === ours.name && theirs.type.text === ours.type.text) continue',
    by: '06-golden',
  },
  {
    what: 'layout: a list of more items than there may be is read',
    ...RECORD,
    from: 'const length = view.getUint32(at + offset, true)\n  if (length > max)',
    to: 'const length = view.getUint32(at + offset, true)\n  if (length > 2 ** 31)',
  },
  {
    what: 'layout: a text that is no UTF-8 is read',
    ...RECORD,
    from: '!isUtf8(used)',
    to: 'used.length < 0',
  },
  {
    what: 'layout: what lies behind the zero of a text is read',
    ...RECORD,
    from: 'if (unit === 0) break',
    to: 'if (unit === 0) continue',
  },
  {
    what: 'layout: a number becomes an infinite f32',
    ...RECORD,
    from: 'Number.isFinite(item) && !Number.isFinite(Math.fround(item))',
    to: 'Number.isNaN(Math.fround(item)) && !Number.isNaN(item)',
  },
  {
    what: 'layout: a buffer keeps what it had between members',
    ...CODEC,
    from: 'buffer.fill(0, 0, size)',
    to: 'buffer[0] = 0',
  },
  {
    what: 'layout: the memory of one value is used for another meanwhile',
    ...CODEC,
    from: 'size > SCRATCH_BYTES || isScratchTaken',
    to: 'size > SCRATCH_BYTES',
  },
  {
    what: 'layout: a reader takes what its writer does not know from other bytes',
    ...CODEC,
    from: 'const known = shared(writer, reader)',
    to: 'const known = reader.members.length - 0 * shared(writer, reader)',
  },
  {
    what: 'layout: a view shows what the writer does not know',
    ...VIEW,
    from: 'if (index >= view.#known) return undefined',
    to: 'if (index < 0) return undefined',
  },
  {
    what: 'layout: a view says nothing of the way to what is wrong',
    ...VIEW,
    from: 'error.within(place.step)',
    to: 'void place.step',
  },
  {
    what: 'layout: the header has an inner struct behind its outer one',
    ...HEADER,
    from: 'this.#lines.push(\n      `typedef struct',
    to: 'this.#lines.unshift(\n      `typedef struct',
  },
  {
    what: 'layout: the header says nothing of offsets',
    ...HEADER,
    from: 'offsetof(${struct}, ${member}) == ${offset}',
    to: 'offsetof(${struct}, ${member}) >= 0',
  },
  {
    what: 'layout in Rust: the count of a list has no alignment',
    file: 'crates/ringpost/src/layout/shape.rs',
    from: 'max.map_or(of.align(), |_| 4))',
    to: 'max.map_or(of.align(), |_| 1))',
    by: 'layout',
  },
  {
    what: 'layout in Rust: a list of more items than there may be is read',
    file: 'crates/ringpost/src/layout/scalar.rs',
    from: '.filter(|_| count <= max)',
    to: '.filter(|_| count <= max + 1)',
    by: 'layout_api',
  },
  {
    what: 'layout in Rust: padding keeps what it was',
    file: 'crates/ringpost/src/layout/structs.rs',
    from: 'bytes.fill(0);\n        self.write',
    to: 'self.write',
    by: 'layout_api',
  },
  {
    what: 'layout in Rust: a description with wrong numbers is taken',
    file: 'crates/ringpost/src/layout/description.rs',
    from: 'if shape.text == description {',
    to: 'if shape.text.len() == description.len() {',
    by: 'layout_api',
  },
  {
    what: 'layout in Rust: a field of one layout reads records of another',
    file: 'crates/ringpost/src/layout/record.rs',
    from: 'if self.hash == layout.hash() {',
    to: 'if self.offset < layout.size() {',
    by: 'layout_api',
  },
  {
    what: 'layout in Rust: what the writer does not know is read',
    file: 'crates/ringpost/src/layout/record.rs',
    from: 'if field.top >= self.known {',
    to: 'if field.top > self.known + 8 {',
    by: 'layout_api',
  },
]
