//! The map in a loom model: its owner and one reader over words loom watches, in all interleavings
//! of their steps. Run with `RUSTFLAGS="--cfg loom" cargo test --release --lib model`.
//!
//! Bound: 2 threads, one entry, keys of one byte and values of seven, so that an entry has three
//! words.

use std::sync::Arc;

use loom::thread;

use super::find::{Finder, Lookup};
use super::layout::{Layout, MapSizes};
use super::table::{Clocks, Table, begin};
use crate::memory::words::Heap;
use crate::time::{Now, Time};

const SIZES: MapSizes = MapSizes { entries_max: 1, key_len_max: 1, value_len_max: 7 };
/// Behind the words of the map's own.
const DATA: usize = 576;

struct Owner {
    words: Arc<Heap>,
    table: Table,
}

impl Owner {
    fn new() -> Self {
        let layout = Layout::new(&SIZES, DATA).unwrap();
        let words = Arc::new(Heap::new(DATA + SIZES.data_len().unwrap()));
        begin(1, &*words);
        let table = Table::new(layout, 1);
        Self { words, table }
    }

    fn set(&mut self, key: u8, value: u8) {
        self.table.set(&*self.words, &[key], &[value; 7], Time::NEVER, CLOCKS).unwrap();
    }

    fn delete(&mut self, key: u8) {
        assert!(self.table.delete(&*self.words, &[key], CLOCKS));
    }
}

const CLOCKS: Clocks = Clocks { now: Time::from_nanos(1), unix_nanos: 1 };

struct Reader {
    words: Arc<Heap>,
    finder: Finder,
}

impl Reader {
    fn of(owner: &Owner) -> Self {
        let words = Arc::clone(&owner.words);
        let finder = Finder::new(Layout::new(&SIZES, DATA).unwrap(), &*words);
        Self { words, finder }
    }

    /// The value of a key, by its first byte, which all others are like.
    fn get(&mut self, key: u8) -> Option<u8> {
        match self.finder.find(&*self.words, &[key], &Now::from(Time::from_nanos(1))) {
            Lookup::Found(found) => {
                assert_eq!(self.finder.key(&found), [key]);
                let value = self.finder.value(&found);
                assert_eq!(value, [value[0]; 7], "half a value");
                assert!(!found.is_before, "taken for corrupt");
                Some(value[0])
            }
            Lookup::Missing => None,
            other => panic!("{other:?}"),
        }
    }
}

/// A value that is replaced is there all the time: the old or the new one.
#[test]
fn a_key_whose_value_is_replaced_is_never_missing() {
    loom::model(|| {
        let mut owner = Owner::new();
        owner.set(b'k', 1);
        let mut reader = Reader::of(&owner);
        let writer = thread::spawn(move || {
            owner.set(b'k', 2);
            owner.set(b'k', 3);
        });
        let seen = reader.get(b'k').expect("it is there all the time");
        assert!((1..=3).contains(&seen));
        writer.join().unwrap();
        assert_eq!(reader.get(b'k'), Some(3));
    });
}

/// A key that is put in is missing or whole, and once it was seen it is there.
#[test]
fn a_key_that_is_new_is_seen_with_its_value() {
    loom::model(|| {
        let mut owner = Owner::new();
        let mut reader = Reader::of(&owner);
        let writer = thread::spawn(move || owner.set(b'k', 1));
        if reader.get(b'k').is_some() {
            assert_eq!(reader.get(b'k'), Some(1), "it has gone again");
        }
        writer.join().unwrap();
        assert_eq!(reader.get(b'k'), Some(1));
    });
}

/// An entry that is used for another key is never taken for the first one's.
#[test]
fn an_entry_that_is_used_again_is_a_miss() {
    loom::model(|| {
        let mut owner = Owner::new();
        owner.set(b'k', 1);
        let mut reader = Reader::of(&owner);
        let writer = thread::spawn(move || {
            owner.delete(b'k');
            owner.set(b'j', 2);
        });
        assert!(matches!(reader.get(b'k'), None | Some(1)));
        writer.join().unwrap();
        assert_eq!((reader.get(b'k'), reader.get(b'j')), (None, Some(2)));
    });
}
