//! The newest of a sequence of values, replaced while others read it.
//!
//! ```text
//!   newest ── n ──┐
//!                 v
//!   slot 0: | stamp | length, checksum | number, times | value n - 1 |   the next is written here
//!   slot 1: | stamp | length, checksum | number, times | value n     |
//! ```
//!
//! The writer never waits, whatever readers do: value n + 1 goes over value n - 1, and only then
//! becomes the newest. A reader copies and then looks at the stamp again; what was written over
//! meanwhile it does not use.
//!
//! What orders what: [`Cell::write`] stores the odd stamp, then a Release fence, before the first
//! byte changes; [`Cell::read`] has an Acquire fence between its copy and its second look at the
//! stamp, so a copy that has any of the new bytes sees the new stamp. The even stamp is stored with
//! Release after the last byte, and loaded with Acquire before the copy. The number of the newest
//! is stored with Release before the other slot's stamp is touched, so a stamp that is not the
//! awaited one while the newest stays the same was written by no writer: that is corrupt.

use crate::memory::words::Words;
use crate::sync::{OBSERVE, Ordering, PUBLISH, fence};
use crate::sys::kill_point;
use crate::time::Time;

/// Bytes of a slot before its value.
pub(crate) const SLOT_HEAD: usize = 64;
/// Copies that may be overtaken before a reader is content with what it has. A writer takes about
/// as long for two values as a reader for one copy, so that hardly any reader needs three.
const TRIES: usize = 16;

// Within a slot.
const STAMP: usize = 0;
const LEN_AND_CRC: usize = 8;
const NUMBER: usize = 16;
const WRITTEN_AT: usize = 24;
const WRITTEN_UNIX: usize = 32;

/// Where a cell lies, and how long a value may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// Of the word with the newest number.
    newest: usize,
    /// Of the first slot.
    slots: usize,
    capacity: usize,
}

/// What is known of a value beside its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamped {
    /// From 1 on.
    pub number: u64,
    pub len: usize,
    /// When it was written.
    pub at: Time,
    /// The same for people: nanoseconds since 1970.
    pub unix_nanos: u64,
}

/// What a reader has found. The copy is whole in the first two cases, and of no use otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The newest.
    Newest(Stamped),
    /// The newest is corrupt, and this is the one before it.
    Before(Stamped),
    /// Nothing was written yet.
    Nothing,
    /// Both are corrupt.
    Corrupt,
    /// Overtaken by the writer time and again.
    Overtaken,
}

enum Copied {
    Whole(Stamped),
    Corrupt,
    /// There is another value in the slot by now, or soon.
    Overtaken,
}

impl Cell {
    pub const fn new(newest: usize, slots: usize, capacity: usize) -> Self {
        Self { newest, slots, capacity }
    }

    /// Bytes of the two slots of a cell with this capacity.
    pub const fn slots_len(capacity: usize) -> usize {
        2 * Self::slot_len(capacity)
    }

    const fn slot_len(capacity: usize) -> usize {
        SLOT_HEAD + capacity.next_multiple_of(SLOT_HEAD)
    }

    fn slot(&self, number: u64) -> usize {
        let is_second = number & 1 == 1;
        self.slots + if is_second { Self::slot_len(self.capacity) } else { 0 }
    }

    /// The number of the newest value; 0: there is none.
    #[inline]
    pub fn newest(&self, words: &impl Words) -> u64 {
        words.load(self.newest, OBSERVE)
    }

    /// Writes a value, whose number is one more than that of the one before. Only one may write.
    #[inline]
    pub fn write(&self, words: &impl Words, value: Stamped, bytes: &[u8]) {
        debug_assert!(bytes.len() == value.len && value.len <= self.capacity);
        let slot = self.slot(value.number);
        words.store(slot + STAMP, writing(value.number), PUBLISH);
        fence(Ordering::Release);
        kill_point("stamp");
        words.store(slot + NUMBER, value.number, Ordering::Relaxed);
        words.store(slot + WRITTEN_AT, value.at.as_nanos(), Ordering::Relaxed);
        words.store(slot + WRITTEN_UNIX, value.unix_nanos, Ordering::Relaxed);
        kill_point("times");
        words.copy_in(slot + SLOT_HEAD, bytes);
        kill_point("value");
        let crc = u64::from(checksum(value, bytes)) << 32;
        words.store(slot + LEN_AND_CRC, value.len as u64 | crc, Ordering::Relaxed);
        kill_point("checksum");
        words.store(slot + STAMP, written(value.number), PUBLISH);
        kill_point("stamped");
        words.store(self.newest, value.number, PUBLISH);
        kill_point("newest");
    }

    /// Copies the newest value that is whole to the start of `into`, which has room for the
    /// longest.
    #[inline]
    pub fn read(&self, words: &impl Words, into: &mut [u8]) -> Found {
        for _ in 0..TRIES {
            let number = self.newest(words);
            if number == 0 {
                return Found::Nothing;
            }
            match self.copy(words, number, into) {
                Copied::Whole(value) => return Found::Newest(value),
                Copied::Corrupt => return self.read_before(words, number, into),
                Copied::Overtaken => {}
            }
        }
        Found::Overtaken
    }

    /// What is known of the newest value beside its bytes, by which alone it could be checked.
    pub fn stamped(&self, words: &impl Words) -> Option<Stamped> {
        (0..TRIES).find_map(|_| {
            let number = self.newest(words);
            let slot = self.slot(number);
            let is_whole = || words.load(slot + STAMP, OBSERVE) == written(number);
            let was_whole = number != 0 && is_whole();
            let (value, _) = head_of(words, slot);
            fence(Ordering::Acquire);
            (was_whole && is_whole()).then_some(value)
        })
    }

    #[cold]
    fn read_before(&self, words: &impl Words, number: u64, into: &mut [u8]) -> Found {
        match self.copy(words, number - 1, into) {
            Copied::Whole(value) if number > 1 => Found::Before(value),
            _ => Found::Corrupt,
        }
    }

    #[inline]
    fn copy(&self, words: &impl Words, number: u64, into: &mut [u8]) -> Copied {
        let slot = self.slot(number);
        if words.load(slot + STAMP, OBSERVE) != written(number) {
            return self.unexpected(words, number);
        }
        let (value, len_and_crc) = head_of(words, slot);
        // A length that was torn or forged is cut, for the copy; the checksum does not fit it then.
        let len = value.len.min(self.capacity).min(into.len());
        words.copy_out(slot + SLOT_HEAD, &mut into[..len]);
        fence(Ordering::Acquire);
        if words.load(slot + STAMP, OBSERVE) != written(number) {
            return self.unexpected(words, number);
        }
        let is_whole = value.number == number
            && value.len == len
            && u64::from(checksum(value, &into[..len])) == len_and_crc >> 32;
        if is_whole { Copied::Whole(value) } else { Copied::Corrupt }
    }

    /// A stamp is not the awaited one: the writer is about to write there, or it is no stamp of a
    /// writer's.
    #[cold]
    fn unexpected(&self, words: &impl Words, number: u64) -> Copied {
        if self.newest(words) == number { Copied::Corrupt } else { Copied::Overtaken }
    }
}

/// What a slot says of its value, and the word with its length and checksum.
#[inline]
fn head_of(words: &impl Words, slot: usize) -> (Stamped, u64) {
    let len_and_crc = words.load(slot + LEN_AND_CRC, Ordering::Relaxed);
    let value = Stamped {
        number: words.load(slot + NUMBER, Ordering::Relaxed),
        len: len_of(len_and_crc),
        at: Time::from_nanos(words.load(slot + WRITTEN_AT, Ordering::Relaxed)),
        unix_nanos: words.load(slot + WRITTEN_UNIX, Ordering::Relaxed),
    };
    (value, len_and_crc)
}

/// The stamp of a slot in which a value is being written.
const fn writing(number: u64) -> u64 {
    number.wrapping_mul(2).wrapping_sub(1)
}

/// The stamp of a slot in which a value is whole.
const fn written(number: u64) -> u64 {
    number.wrapping_mul(2)
}

/// The length in the low half of a word.
#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn len_of(len_and_crc: u64) -> usize {
    len_and_crc as u32 as usize
}

/// Over length, number and times, 32 bytes, and then the value.
#[inline]
fn checksum(value: Stamped, bytes: &[u8]) -> u32 {
    let mut head = [0; 32];
    let words = [value.len as u64, value.number, value.at.as_nanos(), value.unix_nanos];
    for (to, word) in head.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    crc32c::crc32c_append(crc32c::crc32c(&head), bytes)
}

#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;
