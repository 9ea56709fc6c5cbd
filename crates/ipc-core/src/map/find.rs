//! Looking a key up: what readers do, and the owner for its own values.
//!
//! Where interleaving decides. A value that is replaced stays in its entry, so a key that is there
//! all the time is always found. An entry that is removed, or used for another key meanwhile, shows
//! another key or none in the copy that was made of it: the key is missing, as it was for a moment.

use super::hash::{Tag, hash};
use super::layout::{BUCKET, ENTRY_HEAD, Layout, SEED};
use crate::memory::words::Words;
use crate::state_frame::cell::{self, Stamped};
use crate::sync::{OBSERVE, Ordering};
use crate::time::{Now, Time};

/// Lookups that may be overtaken before it is said so; each has tried its entry many times.
const TRIES: usize = 4;

/// The length of the key of an entry that was removed.
pub(super) const REMOVED: u32 = u32::MAX;

/// What a reader knows of a map, and memory for the copies it makes.
#[derive(Debug)]
pub(crate) struct Finder {
    pub layout: Layout,
    seed: u64,
    /// Room for the longest entry.
    copy: Vec<u8>,
}

/// Where a value was found, and which it was: no two values of one file have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    entry: u32,
    number: u64,
}

/// An entry that lies whole in the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub identity: Identity,
    pub stamped: Stamped,
    /// [`Time::NEVER`]: it stays.
    pub expires: Time,
    /// It is the value before one that is corrupt.
    pub is_before: bool,
    key_len: usize,
}

/// What became of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    Found(Found),
    /// It is not in the map, or has expired.
    Missing,
    /// What lies where it should be was written by no owner.
    Corrupt,
    /// The owner replaced it again and again while it was read.
    Overtaken,
}

impl Finder {
    pub fn new(layout: Layout, words: &impl Words) -> Self {
        let seed = words.load(SEED, Ordering::Relaxed);
        Self { layout, seed, copy: vec![0; layout.entry_len_max()] }
    }

    /// Copies the value of a key. The clock is asked only for a value that expires.
    #[inline]
    pub fn find(&mut self, words: &impl Words, key: &[u8], now: &Now) -> Lookup {
        if key.len() > self.layout.key_len_max {
            return Lookup::Missing;
        }
        let hash = hash(self.seed, key);
        for _ in 0..TRIES {
            match self.search(words, hash, key) {
                Lookup::Overtaken => {}
                Lookup::Found(found) if found.has_expired(now) => return Lookup::Missing,
                lookup => return lookup,
            }
        }
        Lookup::Overtaken
    }

    #[inline]
    fn search(&mut self, words: &impl Words, hash: u64, key: &[u8]) -> Lookup {
        // What is said of a key whose entry cannot be read, unless it is found all the same.
        let mut otherwise = Lookup::Missing;
        let [first, second] = self.layout.buckets_of(hash);
        let others = (first != second).then_some(second);
        for bucket in std::iter::once(first).chain(others) {
            for place in bucket * BUCKET..(bucket + 1) * BUCKET {
                // From here on all the owner wrote before it put the entry there is seen.
                let word = words.load(self.layout.word(place), OBSERVE);
                let Some(tag) = Tag::from_word(word, self.layout.entries) else { continue };
                if !tag.may_be(hash) {
                    continue;
                }
                match self.copy(words, tag.entry()) {
                    Lookup::Found(found) if self.key(&found) == key => return Lookup::Found(found),
                    // The corrupt one may be the value of this key.
                    Lookup::Found(Found { is_before: true, .. }) => otherwise = Lookup::Corrupt,
                    Lookup::Found(_) | Lookup::Missing => {}
                    unreadable => otherwise = unreadable,
                }
            }
        }
        otherwise
    }

    /// Copies the next entry from a place of the index on, and says the place behind it. What is
    /// put into the map or removed from it meanwhile may be seen or not, and a key that is removed
    /// and put back may be seen twice.
    pub fn next(&mut self, words: &impl Words, from: usize, now: &Now) -> Option<(usize, Lookup)> {
        for place in from..self.layout.places() {
            let word = words.load(self.layout.word(place), OBSERVE);
            let Some(tag) = Tag::from_word(word, self.layout.entries) else { continue };
            let tried = (0..TRIES).map(|_| self.copy(words, tag.entry()));
            let mut tried = tried.skip_while(|lookup| *lookup == Lookup::Overtaken);
            let lookup = tried.next().unwrap_or(Lookup::Overtaken);
            let is_one = match &lookup {
                Lookup::Missing => false,
                // An entry that is used for another key by now has another place as well.
                Lookup::Found(found) => {
                    tag.may_be(hash(self.seed, self.key(found))) && !found.has_expired(now)
                }
                Lookup::Corrupt | Lookup::Overtaken => true,
            };
            if is_one {
                return Some((place + 1, lookup));
            }
        }
        None
    }

    /// The key of what was copied last.
    #[inline]
    pub fn key(&self, found: &Found) -> &[u8] {
        &self.copy[ENTRY_HEAD..][..found.key_len]
    }

    /// The value of what was copied last.
    #[inline]
    pub fn value(&self, found: &Found) -> &[u8] {
        &self.copy[ENTRY_HEAD + found.key_len..found.stamped.len]
    }

    #[inline]
    fn copy(&mut self, words: &impl Words, entry: u32) -> Lookup {
        let (stamped, is_before) = match self.layout.cell(entry).read(words, &mut self.copy) {
            cell::Found::Newest(stamped) => (stamped, false),
            cell::Found::Before(stamped) => (stamped, true),
            cell::Found::Nothing => return Lookup::Missing,
            cell::Found::Corrupt => return Lookup::Corrupt,
            cell::Found::Overtaken => return Lookup::Overtaken,
        };
        let Some(head) = self.copy[..stamped.len].first_chunk::<ENTRY_HEAD>() else {
            return Lookup::Corrupt;
        };
        let [e0, e1, e2, e3, e4, e5, e6, e7, k0, k1, k2, k3, v0, v1, v2, v3] = *head;
        let key_len = u32::from_le_bytes([k0, k1, k2, k3]);
        if key_len == REMOVED {
            return Lookup::Missing;
        }
        let (key_len, value_len) =
            (key_len as usize, u32::from_le_bytes([v0, v1, v2, v3]) as usize);
        // Both are below 2^32, so that the sum is one.
        if key_len > self.layout.key_len_max || ENTRY_HEAD + key_len + value_len != stamped.len {
            return Lookup::Corrupt;
        }
        let identity = Identity { entry, number: stamped.number };
        let expires = expires_from(u64::from_le_bytes([e0, e1, e2, e3, e4, e5, e6, e7]));
        Lookup::Found(Found { identity, stamped, expires, is_before, key_len })
    }
}

impl Found {
    #[inline]
    fn has_expired(&self, now: &Now) -> bool {
        self.expires != Time::NEVER && self.expires <= now.get()
    }
}

/// The bytes of an entry before its key.
pub(super) fn head(expires: Time, key_len: u32, value_len: u32) -> [u8; ENTRY_HEAD] {
    let mut head = [0; ENTRY_HEAD];
    let expires = if expires == Time::NEVER { 0 } else { expires.as_nanos() };
    head[..8].copy_from_slice(&expires.to_le_bytes());
    head[8..12].copy_from_slice(&key_len.to_le_bytes());
    head[12..].copy_from_slice(&value_len.to_le_bytes());
    head
}

fn expires_from(word: u64) -> Time {
    if word == 0 { Time::NEVER } else { Time::from_nanos(word) }
}
