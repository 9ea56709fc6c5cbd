// Faults in maps: keys and values of one process that others look up. `by` names what has to catch
// each: one of CHECKS in ci/mutations.mjs, or a file of `__test__`.

const CORE = 'crates/ipc-core/src/map'
const FIND = { file: `${CORE}/find.rs`, by: 'map' }
const TABLE = { file: `${CORE}/table.rs`, by: 'map' }
const READER = { file: `${CORE}/reader.rs`, by: 'map' }
const WRITER = { file: `${CORE}/writer.rs`, by: 'map' }

export const MAP = [
  {
    what: 'map: an entry is taken for that of the key whatever key it holds',
    ...FIND,
    from: 'Lookup::Found(found) if self.key(&found) == key =>',
    to: 'Lookup::Found(found) if self.key(&found).len() == key.len() =>',
    by: 'models',
  },
  {
    what: 'map: only the first of two buckets is looked at',
    ...FIND,
    from: '(first != second).then_some(second)',
    to: 'None',
  },
  {
    what: 'map: readers find what has expired',
    ...FIND,
    from: 'self.expires != Time::NEVER && self.expires <= now.get()',
    to: 'false && self.expires <= now.get()',
  },
  {
    what: 'map: an entry that was removed is found',
    ...FIND,
    from: 'if key_len == REMOVED {',
    to: 'if key_len == REMOVED - 1 {',
  },
  {
    what: 'map: the lengths in an entry are believed',
    ...FIND,
    from: 'key_len > self.layout.key_len_max ||',
    to: 'false ||',
  },
  {
    what: 'map: a tag may name an entry that there is not',
    file: `${CORE}/hash.rs`,
    from: '(1..=u64::from(entries)).contains(&entry)',
    to: '(1..=u64::from(entries) + 1).contains(&entry)',
    by: 'map',
  },
  {
    what: 'map: the upper half of the hash is not compared',
    file: `${CORE}/hash.rs`,
    from: '(self.0 ^ hash) >> 32 == 0',
    to: '(self.0 ^ hash) >> 63 == 0',
    by: 'map',
  },
  {
    what: 'map: half of the words of the index have no place',
    file: `${CORE}/layout.rs`,
    from: '(4 * entries_max as usize).div_ceil(BUCKET)',
    to: '(entries_max as usize).div_ceil(BUCKET)',
    by: 'map',
  },
  {
    what: 'map: sizes in a head are not compared with the data',
    ...READER,
    from: 'if sizes.data_len() == Some(head.shape.data_len) =>',
    to: 'if sizes.data_len() >= Some(0) =>',
  },
  {
    what: 'map: an entry keeps its number when it is used again',
    ...TABLE,
    from: `        kept.number += 1;
`,
    to: `        kept.number = 1;
`,
  },
  {
    what: 'map: what has expired is never removed',
    ...TABLE,
    from: '&& expires <= clocks.now',
    to: '&& expires < Time::default()',
  },
  {
    what: 'map: of those that have expired only the first are removed, whatever is in the way',
    ...TABLE,
    from: `                    self.remove(words, expired, clocks);
                    place = Some(expired);`,
    to: '                    place = None;',
  },
  {
    what: 'map: a value that is replaced keeps the time of the one before',
    ...TABLE,
    from: 'self.expiring.remove(&(kept.expires, entry));',
    to: '',
  },
  {
    what: 'map: a deletion wakes nobody',
    ...WRITER,
    from: `clocks);
        self.owned.ring();
        Ok(was_there)`,
    to: `clocks);
        Ok(was_there)`,
  },
  {
    what: 'map: a file that was removed is made again without its entries',
    ...WRITER,
    from: 'let kept = self.entries(clocks.now);',
    to: 'let kept = { self.entries(clocks.now); Vec::<(Vec<u8>, Vec<u8>, Time)>::new() };',
  },
  {
    what: 'map: an owner that was replaced goes on',
    ...WRITER,
    from: 'Standing::Superseded => return Err(in_use(self.owned.name(), None)),',
    to: 'Standing::Superseded => {}',
  },
  {
    what: 'map: a reader stays with the file of an owner that is gone',
    ...READER,
    from: `look for its own.
        self.follow()`,
    to: `look for its own.
        Ok(())`,
  },
  {
    what: 'map: a truncated file is read as zeros',
    ...READER,
    from: `        if file.opened.segment.is_lost() {
            return Err(lost());
        }
        match lookup {
            Lookup::Found(found) => {
                self.stats.corrupt += u64::from(found.is_before);
                Ok(Some(found))`,
    to: `        match lookup {
            Lookup::Found(found) => {
                self.stats.corrupt += u64::from(found.is_before);
                Ok(Some(found))`,
  },
  {
    what: 'map: a loop over a key does not look when its value expires',
    file: 'ts/published/map.ts',
    from: 'expiry = alarms.set(this.#numbers[EXPIRES], look)',
    to: '',
    by: '58-map',
  },
  {
    what: 'map: a value that is longer than the memory of a reader is decoded in part',
    file: 'ts/published/map.ts',
    from: 'if (length <= this.#bytes.length) return this.#decoded(this.#bytes.subarray(0, length))',
    to: 'return this.#decoded(this.#bytes.subarray(0, length))',
    by: '58-map',
  },
  {
    what: 'map: half a character is written as another key',
    file: 'ts/published/map.ts',
    from: 'if (!key.isWellFormed())',
    to: 'if (false)',
    by: '58-map',
  },
  {
    what: 'map: who waits in Rust sleeps on when a value expires',
    file: 'crates/ringpost/src/published/map.rs',
    from: 'let due = until.min(self.seen.expires());',
    to: 'let due = until;',
    by: 'key_changes',
  },
  {
    what: 'map: a task sleeps on when a value expires',
    file: 'crates/ringpost/src/tokio/key_changes.rs',
    from: 'if expiry.as_mut().poll(context).is_pending()',
    to: 'if true || expiry.as_mut().poll(context).is_pending()',
    by: 'key_changes',
  },
]
