//! An owner that is killed after any of its stores.

use std::cell::Cell;

use super::*;

/// Words of an owner that dies: after so many stores nothing reaches them any more.
struct Dying<'a> {
    words: &'a Heap,
    stores_left: Cell<usize>,
}

impl Dying<'_> {
    fn lives(&self) -> bool {
        let left = self.stores_left.get();
        self.stores_left.set(left.saturating_sub(1));
        left > 0
    }
}

impl Words for Dying<'_> {
    fn load(&self, offset: usize, order: Ordering) -> u64 {
        self.words.load(offset, order)
    }

    fn store(&self, offset: usize, word: u64, order: Ordering) {
        if self.lives() {
            self.words.store(offset, word, order);
        }
    }

    fn copy_in(&self, offset: usize, bytes: &[u8]) {
        for (index, word) in bytes.chunks(8).enumerate() {
            if self.lives() {
                self.words.copy_in(offset + 8 * index, word);
            }
        }
    }

    fn copy_out(&self, offset: usize, bytes: &mut [u8]) {
        self.words.copy_out(offset, bytes);
    }
}

#[test]
fn an_owner_killed_after_any_store_leaves_the_change_or_what_was_before() {
    type Change = fn(&mut Table, &Dying<'_>, Clocks);
    let changes: [(&str, Change, Option<&[u8]>); 4] = [
        ("replaced", |table, words, clocks| put(table, words, b"a", b"new", clocks), Some(b"new")),
        ("deleted", |table, words, clocks| assert!(table.delete(words, b"a", clocks)), None),
        ("cleared", |table, words, clocks| table.clear(words, clocks), None),
        (
            "deleted for another",
            |table, words, clocks| {
                table.delete(words, b"a", clocks);
                put(table, words, b"c", b"new", clocks);
            },
            None,
        ),
    ];
    for (what, change, after) in changes {
        for stores in 0..80 {
            let mut both = Both::new(&SMALL, 1);
            both.set(b"a", b"the one before").unwrap();
            both.set(b"a", b"old").unwrap();
            both.set(b"b", b"another").unwrap();
            let clocks = both.clocks();
            let dying = Dying { words: &both.words, stores_left: Cell::new(stores) };
            change(&mut both.table, &dying, clocks);
            let is_done = dying.stores_left.get() > 0;
            let found = both.get(b"a");
            let expected = [Some(b"old".as_slice()), after];
            let allowed = if is_done { &expected[1..] } else { &expected };
            assert!(allowed.contains(&found.as_deref()), "{what}, {stores} stores: {found:?}");
            if what != "cleared" {
                assert_eq!(both.get(b"b").unwrap(), b"another", "{what}, {stores} stores");
            }
            let c = both.get(b"c");
            assert!(c.is_none_or(|value| value == b"new"), "{what}, {stores} stores");
        }
    }
}

fn put(table: &mut Table, words: &Dying<'_>, key: &[u8], value: &[u8], clocks: Clocks) {
    table.set(words, key, value, Time::NEVER, clocks).unwrap();
}
