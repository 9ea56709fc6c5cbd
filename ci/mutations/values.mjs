// Faults in what received bytes become: payloads that are kept, records and their names.

export const VALUES = [
  {
    what: 'kept payloads: one holds far more than its length',
    file: 'ts/runtime/pool.ts',
    from: 'const SMALL_BLOCK = 2 << 10',
    to: 'const SMALL_BLOCK = 16 << 10',
    by: '51-boundary',
  },
  {
    what: 'records: one of another shape keeps the fields of the one before',
    file: 'ts/values/unpack.ts',
    from: '  const record: Record<string, unknown> = {}\n  for (const before',
    to: '  const record = shaped\n  for (const before',
    by: '05-messagepack',
  },
  {
    what: 'records: one that is copied is given out itself',
    file: 'ts/values/unpack.ts',
    from: 'const record = { ...template }',
    to: 'const record = template',
    by: '05-messagepack',
  },
  {
    what: 'names: one of the same length is taken for another',
    file: 'ts/values/texts.ts',
    from: '    if (kept[at + index] !== bytes[start + index]) return keepName(bytes, start, end, place)\n',
    to: '',
    by: '05-messagepack',
  },
]
