//! A map of one owner that any number of processes read: keys, values, and how long they are kept.
//!
//! ```text
//!   key ── hash ──> two buckets of the index ── tag ──> entry: | newest value | the one before |
//! ```
//!
//! Looking a key up touches the line of one bucket, sometimes that of a second, and the entry. The
//! value lies in its entry as in a state frame, so that it is whole however often it is replaced.

mod find;
mod hash;
mod layout;
pub(crate) mod outside;
mod reader;
mod table;
mod writer;

pub use layout::{MAP_ENTRIES_MAX, MAP_KEY_LEN_MAX, MAP_VALUE_LEN_MAX, MapSizes};
pub use outside::MapState;
pub use reader::{KeyChange, KeySeen, MapHead, MapReader, MapStats, MapStatus, MapValue};
pub use writer::{MapOptions, MapWriter};

#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;

/// What the vectors of PROTOCOL.md are compared with.
#[cfg(all(test, not(loom)))]
pub(crate) mod vectors {
    use super::layout::Layout;
    use super::{MapSizes, find, hash};
    use crate::time::Time;

    pub fn hash(seed: u64, key: &[u8]) -> u64 {
        hash::hash(seed, key)
    }

    /// How many buckets there are, where the entries begin, and how long a slot is.
    pub fn offsets(sizes: &MapSizes) -> [usize; 3] {
        let layout = Layout::new(sizes, 0).expect("a map there may be");
        let entries_at = layout.word(layout.places());
        let slots_len = sizes.data_len().expect("the same") - entries_at;
        [layout.buckets, entries_at, slots_len / 2 / layout.entries as usize]
    }

    pub fn tag(hash: u64, entry: u32) -> u64 {
        hash::Tag::new(hash, entry).word()
    }

    pub fn entry(expires: u64, key: &[u8], value: &[u8]) -> Vec<u8> {
        let expires = if expires == 0 { Time::NEVER } else { Time::from_nanos(expires) };
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).expect("short");
        [&find::head(expires, len(key), len(value)), key, value].concat()
    }
}
