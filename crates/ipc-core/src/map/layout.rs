//! Where everything lies in the file of a map. Computed from its sizes by both sides, never read.
//!
//! ```text
//!  256  changes             how often the map has been changed
//!  384  len                 entries in it, for people
//!  512  seed                of the hash, never changed
//! data  buckets x 64        the index: eight words each, one for each entry that lies there
//!       entries x stride    the entries, each a cell
//! ```

use crate::error::{Code, Error, Result};
use crate::published::head::{DATA_LEN_MAX, OWN_WORDS};
use crate::state_frame::cell::{Cell, SLOT_HEAD};

/// Offset of how often the map has been changed.
pub(super) const CHANGES: usize = OWN_WORDS;
/// Offset of the number of entries.
pub(super) const LEN: usize = OWN_WORDS + 128;
/// Offset of the seed of the hash.
pub(super) const SEED: usize = OWN_WORDS + 256;

/// Entries of a bucket: as many words as a cache line has.
pub(super) const BUCKET: usize = 8;
/// Bytes of a bucket.
pub(super) const BUCKET_LEN: usize = BUCKET * size_of::<u64>();
/// Bytes of an entry before its key: when it expires, and the lengths of key and value.
pub(super) const ENTRY_HEAD: usize = 16;

/// Where in an entry the number of its newest value lies: in the head of its first slot, of which
/// its cell leaves this word to others, so that reading an entry costs no further cache line.
const NEWEST: usize = SLOT_HEAD - size_of::<u64>();

/// The most entries a map may be made for.
pub const MAP_ENTRIES_MAX: u32 = 1 << 20;
/// The longest keys a map may be made for, in bytes of UTF-8.
pub const MAP_KEY_LEN_MAX: u32 = 1024;
/// The longest values a map may be made for, in bytes.
pub const MAP_VALUE_LEN_MAX: u32 = 16 << 20;

/// What a map has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapSizes {
    /// Entries at the same time.
    pub entries_max: u32,
    /// Bytes of a key, in UTF-8.
    pub key_len_max: u32,
    /// Bytes of a value.
    pub value_len_max: u32,
}

impl MapSizes {
    /// Enough for flags and settings of a program: a thousand, of up to a kilobyte.
    pub const DEFAULT: Self = Self { entries_max: 1024, key_len_max: 64, value_len_max: 1024 };

    /// Refuses what no map is made for.
    pub fn check(&self) -> Result<()> {
        let limits = [
            ("entries", self.entries_max, MAP_ENTRIES_MAX),
            ("bytes of a key", self.key_len_max, MAP_KEY_LEN_MAX),
            ("bytes of a value", self.value_len_max, MAP_VALUE_LEN_MAX),
        ];
        for (what, wanted, max) in limits {
            if !(1..=max).contains(&wanted) {
                let message = format!("a map is made for 1 to {max} {what}, not for {wanted}");
                return Err(Error::new(Code::InvalidArgument, message));
            }
        }
        if Layout::new(self, 0).is_none() {
            let Self { entries_max, key_len_max, value_len_max } = self;
            let message = format!(
                "{entries_max} entries with keys of {key_len_max} and values of {value_len_max} \
                 bytes take more than {DATA_LEN_MAX} bytes"
            );
            return Err(Error::new(Code::InvalidArgument, message));
        }
        Ok(())
    }

    /// Bytes of the index and of all entries, of sizes that were checked.
    pub(crate) fn data_len(&self) -> Option<usize> {
        Layout::new(self, 0).map(|layout| layout.end)
    }
}

/// The offsets that follow from the sizes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Of entries there may be, each with a number below it.
    pub entries: u32,
    /// A power of two.
    pub buckets: usize,
    pub key_len_max: usize,
    pub value_len_max: usize,
    index: usize,
    cells: usize,
    end: usize,
}

impl Layout {
    /// Of a map whose data lies at `data`. Nothing if there is no such map.
    pub fn new(sizes: &MapSizes, data: usize) -> Option<Self> {
        let MapSizes { entries_max, key_len_max, value_len_max } = *sizes;
        let is_possible = (1..=MAP_ENTRIES_MAX).contains(&entries_max)
            && (1..=MAP_KEY_LEN_MAX).contains(&key_len_max)
            && (1..=MAP_VALUE_LEN_MAX).contains(&value_len_max);
        if !is_possible {
            return None;
        }
        // Three of four words stay free, so that hardly ever both buckets of a key are full, not
        // even in a small map that is full all the time. With half of them free, one key of 30,000
        // would meet that in a map of sixteen.
        let buckets = (4 * entries_max as usize).div_ceil(BUCKET).next_power_of_two();
        let mut layout = Self {
            entries: entries_max,
            buckets,
            key_len_max: key_len_max as usize,
            value_len_max: value_len_max as usize,
            index: data,
            cells: data.checked_add(buckets * BUCKET_LEN)?,
            end: 0,
        };
        let cells_len =
            Cell::slots_len(layout.entry_len_max()).checked_mul(entries_max as usize)?;
        if (buckets * BUCKET_LEN).checked_add(cells_len)? > DATA_LEN_MAX {
            return None;
        }
        layout.end = layout.cells.checked_add(cells_len)?;
        Some(layout)
    }

    /// Bytes of the longest entry.
    pub const fn entry_len_max(&self) -> usize {
        ENTRY_HEAD + self.key_len_max + self.value_len_max
    }

    /// The two buckets a key may lie in, which may be the same.
    #[inline]
    pub fn buckets_of(&self, hash: u64) -> [usize; 2] {
        let mask = self.buckets as u64 - 1;
        #[expect(clippy::cast_possible_truncation, reason = "below the number of buckets")]
        [hash, hash >> 32].map(|half| (half & mask) as usize)
    }

    /// Offset of a word of the index.
    #[inline]
    pub const fn word(&self, place: usize) -> usize {
        self.index + place * size_of::<u64>()
    }

    /// Words of the index.
    pub const fn places(&self) -> usize {
        self.buckets * BUCKET
    }

    /// The cell of entry `number`.
    #[inline]
    pub const fn cell(&self, number: u32) -> Cell {
        let capacity = self.entry_len_max();
        let slots = self.cells + number as usize * Cell::slots_len(capacity);
        Cell::new(slots + NEWEST, slots, capacity)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn most_of_the_index_stays_free_and_entries_follow_it() {
        for (entries, buckets) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 4), (1000, 512)] {
            let sizes = MapSizes { entries_max: entries, key_len_max: 10, value_len_max: 22 };
            let layout = Layout::new(&sizes, 4096).unwrap();
            assert_eq!(layout.buckets, buckets, "{entries}");
            assert!(layout.places() >= 4 * entries as usize);
            // 16 + 10 + 22 bytes take one line, behind one of the cell's own, twice.
            assert_eq!(layout.end, 4096 + buckets * 64 + entries as usize * 256);
            assert_eq!(sizes.data_len(), Some(layout.end - 4096));
        }
    }

    #[test]
    fn sizes_no_map_has_are_refused() {
        let fits = MapSizes::DEFAULT;
        fits.check().unwrap();
        let unfit = [
            MapSizes { entries_max: 0, ..fits },
            MapSizes { entries_max: MAP_ENTRIES_MAX + 1, ..fits },
            MapSizes { key_len_max: 0, ..fits },
            MapSizes { key_len_max: MAP_KEY_LEN_MAX + 1, ..fits },
            MapSizes { value_len_max: 0, ..fits },
            MapSizes { value_len_max: u32::MAX, ..fits },
            MapSizes { entries_max: MAP_ENTRIES_MAX, value_len_max: MAP_VALUE_LEN_MAX, ..fits },
        ];
        for sizes in unfit {
            assert_eq!(sizes.check().unwrap_err().code(), Code::InvalidArgument, "{sizes:?}");
            assert_eq!(sizes.data_len(), None, "{sizes:?}");
        }
    }

    #[test]
    fn both_buckets_of_a_key_exist() {
        let layout = Layout::new(&MapSizes::DEFAULT, 0).unwrap();
        assert_eq!(layout.buckets_of(u64::MAX), [511, 511]);
        assert_eq!(layout.buckets_of(0x0000_0202_0000_0203), [3, 2]);
    }
}
