//! What the owner of a map does: put values in, take them out, and forget what has expired.
//!
//! The owner never reads what it has shared: keys, places and times are kept once more in its own
//! memory, so that what others do to the file cannot mislead it.
//!
//! Each step leaves the map whole. A value is in its entry before the index names the entry; it is
//! removed from the index before the entry is emptied; and the count of changes is stored last.

use std::collections::BTreeSet;

use super::find::{REMOVED, head};
use super::hash::{Tag, hash};
use super::layout::{BUCKET, CHANGES, LEN, Layout, SEED};
use crate::error::{Code, Error, Result};
use crate::memory::words::Words;
use crate::state_frame::cell::Stamped;
use crate::sync::{Ordering, PUBLISH};
use crate::sys::kill_point;
use crate::time::Time;

/// Expired entries that one call removes at most, so that no call takes long because many have
/// expired together.
pub(super) const SWEPT_AT_ONCE: usize = 64;

/// The map as its owner knows it.
#[derive(Debug)]
pub(crate) struct Table {
    layout: Layout,
    seed: u64,
    /// The index, as it was shared.
    index: Vec<u64>,
    /// By number.
    entries: Vec<Kept>,
    free: Vec<u32>,
    /// Those that expire, in order.
    expiring: BTreeSet<(Time, u32)>,
    changes: u64,
    /// An entry in the making.
    entry: Vec<u8>,
}

/// What is kept of an entry.
#[derive(Clone, Debug)]
struct Kept {
    key: Box<[u8]>,
    /// Of the word in the index that names it.
    place: usize,
    /// Of its newest value. It goes on when the entry is used again.
    number: u64,
    expires: Time,
}

/// Writes the seed into a file that no reader has found yet.
pub(super) fn begin(seed: u64, words: &impl Words) {
    words.store(SEED, seed, Ordering::Relaxed);
}

/// When something is written, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    pub now: Time,
    pub unix_nanos: u64,
}

impl Table {
    /// A map that is empty: all its bytes are 0, but for the seed that [`begin`] has written.
    pub fn new(layout: Layout, seed: u64) -> Self {
        let unused = Kept { key: Box::default(), place: 0, number: 0, expires: Time::NEVER };
        Self {
            layout,
            seed,
            index: vec![Tag::FREE; layout.places()],
            entries: vec![unused; layout.entries as usize],
            // The lowest first: what was never used takes no memory.
            free: (0..layout.entries).rev().collect(),
            expiring: BTreeSet::new(),
            changes: 0,
            entry: Vec::with_capacity(layout.entry_len_max()),
        }
    }

    /// Entries in the map that have not expired.
    pub fn len(&self, now: Time) -> usize {
        self.used() - self.expiring.range(..=(now, u32::MAX)).count()
    }

    /// The same with those that have expired and are not yet removed.
    fn used(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Gives a key a value until it expires.
    pub fn set(
        &mut self,
        words: &impl Words,
        key: &[u8],
        value: &[u8],
        expires: Time,
        clocks: Clocks,
    ) -> Result<()> {
        let (key_len, value_len) = self.checked_lens(key, value)?;
        self.sweep(words, clocks);
        let hash = hash(self.seed, key);
        let (place, entry) = match self.place_of(hash, key) {
            Some(place) => (place, self.named(place)),
            None => self.make_room(words, hash, clocks)?,
        };
        self.entry.clear();
        self.entry.extend_from_slice(&head(expires, key_len, value_len));
        self.entry.extend_from_slice(key);
        self.entry.extend_from_slice(value);
        self.write(words, entry, clocks);
        kill_point("entry");
        self.expire(entry, expires);
        if self.index[place] == Tag::FREE {
            self.free.pop();
            let kept = &mut self.entries[entry as usize];
            (kept.key, kept.place) = (key.into(), place);
            self.name(words, place, Tag::new(hash, entry).word());
        }
        self.count(words);
        Ok(())
    }

    /// Takes a key out. Returns whether it was there.
    pub fn delete(&mut self, words: &impl Words, key: &[u8], clocks: Clocks) -> bool {
        self.sweep(words, clocks);
        let Some(place) = self.place_of(hash(self.seed, key), key) else { return false };
        let has_expired = self.has_expired(place, clocks.now);
        self.remove(words, place, clocks);
        !has_expired
    }

    /// Takes all keys out, one after the other.
    pub fn clear(&mut self, words: &impl Words, clocks: Clocks) {
        for place in 0..self.index.len() {
            if self.index[place] != Tag::FREE {
                self.remove(words, place, clocks);
            }
        }
    }

    /// Removes what has expired, if it is not too much at once. Returns whether there was any.
    pub fn sweep(&mut self, words: &impl Words, clocks: Clocks) -> bool {
        let mut swept = 0;
        while swept < SWEPT_AT_ONCE
            && let Some(&(expires, entry)) = self.expiring.first()
            && expires <= clocks.now
        {
            self.remove(words, self.entries[entry as usize].place, clocks);
            swept += 1;
        }
        swept > 0
    }

    fn checked_lens(&self, key: &[u8], value: &[u8]) -> Result<(u32, u32)> {
        let check = |what: &str, len: usize, max: usize| {
            if len <= max {
                return Ok(u32::try_from(len).expect("at most as long as is possible"));
            }
            let message = format!("a {what} of {len} bytes; the map has room for {max}");
            Err(Error::new(Code::TooLarge, message))
        };
        let key_len = check("key", key.len(), self.layout.key_len_max)?;
        Ok((key_len, check("value", value.len(), self.layout.value_len_max)?))
    }

    /// Where in the index a key lies.
    fn place_of(&self, hash: u64, key: &[u8]) -> Option<usize> {
        let mut places = self.layout.buckets_of(hash).into_iter().flat_map(in_bucket);
        places.find(|&place| {
            let tag = Tag::from_word(self.index[place], self.layout.entries);
            tag.is_some_and(|tag| {
                tag.may_be(hash) && *self.entries[tag.entry() as usize].key == *key
            })
        })
    }

    /// The entry that is named there.
    fn named(&self, place: usize) -> u32 {
        Tag::from_word(self.index[place], self.layout.entries).expect("a place in use").entry()
    }

    /// A free place for a new key, in the emptier of its two buckets, and a free entry.
    fn make_room(&mut self, words: &impl Words, hash: u64, clocks: Clocks) -> Result<(usize, u32)> {
        let buckets = self.layout.buckets_of(hash);
        let mut place = self.free_place(buckets);
        if place.is_none() {
            // Those that have expired lately may still be there.
            for expired in buckets.into_iter().flat_map(in_bucket) {
                if self.index[expired] != Tag::FREE && self.has_expired(expired, clocks.now) {
                    self.remove(words, expired, clocks);
                    place = Some(expired);
                }
            }
        }
        match (place, self.free.last()) {
            (Some(place), Some(&entry)) => Ok((place, entry)),
            (None, Some(_)) => {
                let message = "both places where the key could lie are taken, which hardly any key \
                               meets: a map with more entries has more room";
                Err(Error::new(Code::Full, message))
            }
            (_, None) => {
                let max = self.layout.entries;
                Err(Error::new(Code::Full, format!("the map has its {max} entries already")))
            }
        }
    }

    fn free_place(&self, buckets: [usize; 2]) -> Option<usize> {
        let is_free = |place: &usize| self.index[*place] == Tag::FREE;
        let [first, second] = buckets.map(|bucket| in_bucket(bucket).filter(is_free));
        let emptier = if second.clone().count() > first.clone().count() { second } else { first };
        emptier.min()
    }

    fn has_expired(&self, place: usize, now: Time) -> bool {
        self.entries[self.named(place) as usize].expires <= now
    }

    fn remove(&mut self, words: &impl Words, place: usize, clocks: Clocks) {
        let entry = self.named(place);
        self.name(words, place, Tag::FREE);
        self.entry.clear();
        self.entry.extend_from_slice(&head(Time::NEVER, REMOVED, 0));
        self.write(words, entry, clocks);
        kill_point("emptied");
        self.expire(entry, Time::NEVER);
        self.entries[entry as usize].key = Box::default();
        self.free.push(entry);
        self.count(words);
    }

    /// Writes the entry that was made to its cell.
    fn write(&mut self, words: &impl Words, entry: u32, clocks: Clocks) {
        let kept = &mut self.entries[entry as usize];
        kept.number += 1;
        let (number, len) = (kept.number, self.entry.len());
        let stamped = Stamped { number, len, at: clocks.now, unix_nanos: clocks.unix_nanos };
        self.layout.cell(entry).write(words, stamped, &self.entry);
    }

    fn name(&mut self, words: &impl Words, place: usize, word: u64) {
        self.index[place] = word;
        words.store(self.layout.word(place), word, PUBLISH);
        kill_point("index");
    }

    fn expire(&mut self, entry: u32, expires: Time) {
        let kept = &mut self.entries[entry as usize];
        if kept.expires != Time::NEVER {
            self.expiring.remove(&(kept.expires, entry));
        }
        kept.expires = expires;
        if expires != Time::NEVER {
            self.expiring.insert((expires, entry));
        }
    }

    fn count(&mut self, words: &impl Words) {
        self.changes += 1;
        words.store(LEN, self.used() as u64, Ordering::Relaxed);
        words.store(CHANGES, self.changes, PUBLISH);
        kill_point("changes");
    }
}

fn in_bucket(bucket: usize) -> std::ops::Range<usize> {
    bucket * BUCKET..(bucket + 1) * BUCKET
}
