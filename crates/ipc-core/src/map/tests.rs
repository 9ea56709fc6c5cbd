//! A map against a map of the standard library, against keys that crowd, and against bytes that no
//! owner has written.

mod files;
mod hostile;
mod killed;

use std::collections::HashMap;
use std::time::Duration;

use super::find::{Finder, Lookup};
use super::hash::hash;
use super::layout::{BUCKET, CHANGES, LEN, Layout, MapSizes};
use super::table::{Clocks, SWEPT_AT_ONCE, Table, begin};
use crate::error::Code;
use crate::memory::words::{Heap, Words};
use crate::seeds::{Random, each_seed};
use crate::sync::Ordering;
use crate::time::{Now, Time};

const SMALL: MapSizes = MapSizes { entries_max: 12, key_len_max: 8, value_len_max: 24 };

/// A map, its owner, and a process that reads it.
struct Both {
    words: Heap,
    /// Bytes of it.
    len: usize,
    table: Table,
    finder: Finder,
    now: Time,
}

impl Both {
    fn new(sizes: &MapSizes, seed: u64) -> Self {
        let layout = Layout::new(sizes, 4096).unwrap();
        let len = 4096 + sizes.data_len().unwrap();
        let words = Heap::new(len);
        begin(seed, &words);
        let table = Table::new(layout, seed);
        let finder = Finder::new(layout, &words);
        Self { words, len, table, finder, now: Time::from_nanos(1) }
    }

    fn clocks(&self) -> Clocks {
        Clocks { now: self.now, unix_nanos: 7 }
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Code> {
        self.set_for(key, value, None)
    }

    fn set_for(&mut self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<(), Code> {
        let clocks = self.clocks();
        let expires = ttl.map_or(Time::NEVER, |ttl| self.now + ttl);
        self.table.set(&self.words, key, value, expires, clocks).map_err(|error| error.code())
    }

    fn delete(&mut self, key: &[u8]) -> bool {
        let clocks = self.clocks();
        self.table.delete(&self.words, key, clocks)
    }

    fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        match self.finder.find(&self.words, key, &self.now.into()) {
            Lookup::Found(found) => {
                assert_eq!(self.finder.key(&found), key);
                Some(self.finder.value(&found).to_vec())
            }
            Lookup::Missing => None,
            other => panic!("{other:?} without a race"),
        }
    }

    fn all(&mut self) -> HashMap<Vec<u8>, Vec<u8>> {
        let (now, mut from, mut all) = (Now::from(self.now), 0, HashMap::new());
        while let Some((next, lookup)) = self.finder.next(&self.words, from, &now) {
            let Lookup::Found(found) = lookup else { panic!("{lookup:?} without a race") };
            let (key, value) = (self.finder.key(&found), self.finder.value(&found));
            assert!(all.insert(key.to_vec(), value.to_vec()).is_none(), "seen twice");
            from = next;
        }
        all
    }
}

#[test]
fn a_map_is_what_a_map_of_the_standard_library_is() {
    each_seed(40, |random| {
        let mut both = Both::new(&SMALL, random.next());
        let mut twin: HashMap<Vec<u8>, (Vec<u8>, Time)> = HashMap::new();
        for _ in 0..2000 {
            both.now = both.now + Duration::from_nanos(random.next() % 3);
            let now = both.now;
            let key = random.pick(&KEYS).as_bytes();
            let live = twin.values().filter(|(_, expires)| *expires > now).count();
            let is_there = twin.get(key).is_some_and(|(_, expires)| *expires > now);
            match random.below(100) {
                0 => {
                    let clocks = both.clocks();
                    both.table.clear(&both.words, clocks);
                    twin.clear();
                }
                1..30 => {
                    assert_eq!(both.delete(key), is_there);
                    twin.remove(key);
                }
                _ => {
                    let len = random.below(25);
                    let value = random.bytes(len);
                    let ttl = random.percent(50).then(|| Duration::from_nanos(random.next() % 40));
                    let fits = is_there || live < 12;
                    let set = both.set_for(key, &value, ttl);
                    assert_eq!(set, if fits { Ok(()) } else { Err(Code::Full) });
                    if fits {
                        let expires = ttl.map_or(Time::NEVER, |ttl| now + ttl);
                        twin.insert(key.to_vec(), (value, expires));
                    }
                }
            }
            check(&mut both, &twin);
        }
    });
}

const KEYS: [&str; 16] =
    ["", "a", "b", "c", "d", "e", "f", "g", "eight888", "ä", "ö", "ü", "h", "i", "j", "k"];

fn check(both: &mut Both, twin: &HashMap<Vec<u8>, (Vec<u8>, Time)>) {
    let is_live = |entry: &(Vec<u8>, Time)| entry.1 > both.now;
    let live: HashMap<_, _> = twin
        .iter()
        .filter(|(_, entry)| is_live(entry))
        .map(|(key, (value, _))| (key.clone(), value.clone()))
        .collect();
    for key in KEYS {
        assert_eq!(both.get(key.as_bytes()).as_ref(), live.get(key.as_bytes()), "{key}");
    }
    assert_eq!(both.all(), live);
    assert_eq!(both.table.len(both.now), live.len());
    assert!(both.words.load(LEN, Ordering::Relaxed) >= live.len() as u64);
}

#[test]
fn a_map_takes_all_the_entries_it_was_made_for() {
    each_seed(30, |random| {
        for entries_max in [1, 2, 3, 5, 16, 64, 100, 1000, 4096] {
            let sizes = MapSizes { entries_max, key_len_max: 8, value_len_max: 8 };
            let mut both = Both::new(&sizes, random.next());
            for number in 0..u64::from(entries_max) {
                both.set(&number.to_le_bytes(), b"value").unwrap();
            }
            assert_eq!(both.set(b"one more", b""), Err(Code::Full));
            assert!(both.delete(&0u64.to_le_bytes()));
            assert_eq!(both.set(b"one more", b""), Ok(()));
        }
    });
}

#[test]
fn a_full_map_that_changes_its_keys_all_the_time_goes_on() {
    each_seed(4, |random| {
        let sizes = MapSizes { entries_max: 1024, key_len_max: 8, value_len_max: 8 };
        let mut both = Both::new(&sizes, random.next());
        let mut keys: Vec<[u8; 8]> = Vec::new();
        for number in 0..50_000u64 {
            if keys.len() == 1024 {
                let oldest = keys.swap_remove(random.below(1024));
                assert!(both.delete(&oldest));
            }
            both.set(&number.to_le_bytes(), b"value").unwrap();
            keys.push(number.to_le_bytes());
        }
    });
}

#[test]
fn what_is_too_long_is_refused_and_changes_nothing() {
    let mut both = Both::new(&SMALL, 1);
    both.set(b"key", b"value").unwrap();
    assert_eq!(both.set(b"123456789", b""), Err(Code::TooLarge));
    assert_eq!(both.set(b"key", &[0; 25]), Err(Code::TooLarge));
    assert_eq!(both.get(b"key").unwrap(), b"value");
    assert_eq!(both.get(b"123456789"), None);
    assert_eq!(both.words.load(CHANGES, Ordering::Relaxed), 1);
}

#[test]
fn an_entry_that_has_expired_gives_its_place_to_a_new_key() {
    let mut both = Both::new(&SMALL, 1);
    for number in 0..12u8 {
        both.set_for(&[number], b"short", Some(Duration::from_nanos(10))).unwrap();
    }
    assert_eq!(both.set(b"one more", b""), Err(Code::Full));
    both.now = Time::from_nanos(11);
    assert_eq!(both.get(&[3]), None, "the owner has done nothing since");
    both.set(b"one more", b"value").unwrap();
    assert_eq!(both.all().len(), 1);
    assert_eq!(both.words.load(LEN, Ordering::Relaxed), 1, "the others were removed");
}

#[test]
fn a_key_that_crowds_with_expired_ones_takes_the_place_of_one() {
    // More expire at once than one call removes, all of them in the way.
    let sizes = MapSizes { entries_max: 512, key_len_max: 8, value_len_max: 8 };
    let mut both = Both::new(&sizes, 1);
    for number in 0..512u64 {
        let ttl = Some(Duration::from_nanos(10));
        both.set_for(&number.to_le_bytes(), b"short", ttl).unwrap();
    }
    both.now = Time::from_nanos(100);
    for number in 512..1024u64 {
        both.set(&number.to_le_bytes(), b"stays").unwrap();
    }
    assert_eq!(both.all().len(), 512);
}

#[test]
fn a_key_all_of_whose_places_are_taken_by_expired_ones_takes_one_of_them() {
    let sizes = MapSizes { entries_max: 512, key_len_max: 8, value_len_max: 8 };
    let mut both = Both::new(&sizes, 1);
    let layout = both.table.layout();
    let buckets = |key: &[u8]| {
        let mut buckets = layout.buckets_of(hash(1, key));
        buckets.sort_unstable();
        buckets
    };
    let wanted = buckets(&0u64.to_le_bytes());
    let (crowd, others): (Vec<_>, Vec<_>) =
        (0..1_000_000u64).map(u64::to_le_bytes).partition(|key| buckets(key) == wanted);
    let (last, crowd) = crowd[..=2 * BUCKET].split_last().unwrap();
    for key in crowd {
        both.set_for(key, b"short", Some(Duration::from_nanos(20))).unwrap();
    }
    // These are removed first, so many that there is no time for the others.
    let apart = |key: &&[u8; 8]| !wanted.iter().any(|bucket| buckets(*key).contains(bucket));
    for key in others.iter().filter(apart).take(SWEPT_AT_ONCE) {
        both.set_for(key, b"shorter", Some(Duration::from_nanos(10))).unwrap();
    }
    both.now = Time::from_nanos(100);
    both.set(last, b"stays").unwrap();
    assert_eq!(both.all().len(), 1);
}

#[test]
fn a_key_longer_than_the_longest_is_corrupt() {
    let longer = MapSizes { key_len_max: 9, value_len_max: 23, ..SMALL };
    let mut both = Both::new(&longer, 1);
    both.set(b"ninebytes", b"value").unwrap();
    // For a reader, the entries are as long as before.
    let mut finder = Finder::new(Layout::new(&SMALL, 4096).unwrap(), &both.words);
    let found = finder.next(&both.words, 0, &both.now.into());
    assert_eq!(found.map(|(_, lookup)| lookup), Some(Lookup::Corrupt));
}

#[test]
fn no_two_values_have_the_same_identity() {
    let mut both = Both::new(&SMALL, 1);
    let mut seen = Vec::new();
    let mut look = |both: &Both, finder: &mut Finder| {
        let Lookup::Found(found) = finder.find(&both.words, b"key", &both.now.into()) else {
            panic!("it is there");
        };
        assert!(!seen.contains(&found.identity));
        seen.push(found.identity);
    };
    let mut finder = Finder::new(Layout::new(&SMALL, 4096).unwrap(), &both.words);
    for _ in 0..20 {
        both.set(b"key", b"the same").unwrap();
        look(&both, &mut finder);
        both.set(b"key", b"the same").unwrap();
        look(&both, &mut finder);
        both.delete(b"key");
        both.set(b"another", b"which may take its entry").unwrap();
    }
}

#[test]
fn a_removed_value_is_in_no_copy_a_reader_would_use() {
    let mut both = Both::new(&SMALL, 1);
    both.set(b"key", b"secret").unwrap();
    // The reader has seen the index before the key was removed from it.
    let layout = Layout::new(&SMALL, 4096).unwrap();
    let place = (0..layout.places())
        .find(|&place| both.words.load(layout.word(place), Ordering::Relaxed) != 0)
        .unwrap();
    let seen = both.words.load(layout.word(place), Ordering::Relaxed);
    both.delete(b"key");
    both.words.store(layout.word(place), seen, Ordering::Relaxed);
    assert_eq!(both.get(b"key"), None);
    both.words.store(layout.word(place), 0, Ordering::Relaxed);
    both.set(b"other", b"value").unwrap();
    both.words.store(layout.word(place), seen, Ordering::Relaxed);
    assert_eq!(both.get(b"key"), None, "its entry holds another key");
}
