//! The bytes of a topic: where its words lie, what a record looks like, and how one is read.

use std::sync::Arc;

use crate::checksum;
use crate::error::{Corrupt, Result};
use crate::memory::Segment;
pub(super) use crate::memory::words::WORD;
use crate::memory::words::Words;
use crate::published::head::{Head as PublishedHead, Shape, corrupt};
use crate::sync::{OBSERVE, Ordering, fence};

/// Where the live words lie in the file, each on lines of its own.
pub(super) mod word {
    /// Where the record that is being written ends; all below `intent - capacity` may be gone.
    pub const INTENT: usize = 256;
    /// Where the last whole record ends.
    pub const TAIL: usize = 384;
    /// Where the last whole record starts, plus 1; 0 while there is none.
    pub const NEWEST: usize = 512;
    /// How far readers with a slot are to come, while the publisher waits for them; else 0.
    pub const WANTED: usize = 640;
    /// How far the publisher may go without looking at the slots again.
    pub const REACH: usize = 768;
    /// Which file it is: no other that had its name has the same number, and none has 0.
    pub const FILE: usize = 896;
    /// For each sixteenth of the ring, where the first record starts in it in the latest lap, plus
    /// 1; 0 while there is none.
    pub const MARKS: usize = 1024;
}

/// Parts of the ring that have a mark.
pub(super) const MARKS: u64 = 16;
/// Bytes of a record before its payload.
pub(super) const RECORD_HEAD: usize = 24;
/// In place of a length: the rest of the lap is empty.
pub(super) const PAD: u64 = u32::MAX as u64;

/// Bytes that a record takes in the ring.
pub(crate) const fn record_len(payload: usize) -> usize {
    (RECORD_HEAD + payload).next_multiple_of(WORD)
}

/// The least a ring has.
pub(super) const CAPACITY_MIN: usize = 4096;

/// The longest payload in a ring of `capacity` bytes: with its pad, a record takes less than half.
pub(crate) const fn payload_max_of(capacity: usize) -> usize {
    capacity / 4 - RECORD_HEAD
}

/// The bytes of a topic, as either side sees them. Cloned, it is the same ring.
pub(crate) struct Ring<W> {
    pub(super) words: Arc<W>,
    /// Where the ring starts.
    data: usize,
    pub(super) capacity: u64,
    pub(super) payload_max: usize,
}

impl<W> Clone for Ring<W> {
    fn clone(&self) -> Self {
        Self { words: Arc::clone(&self.words), ..*self }
    }
}

/// What lies at a position.
pub(super) enum Found {
    Record(Head),
    /// So many bytes of nothing, up to the end of the lap.
    Pad(u64),
    /// Something newer by now.
    Overtaken,
}

#[derive(Clone, Copy)]
pub(super) struct Head {
    pub len: usize,
    pub sequence: u64,
    pub written_at: u64,
}

impl Ring<Segment> {
    /// Gives a file that has no name yet its number.
    pub fn begin(segment: &Segment, file: u64) {
        segment.store(word::FILE, file.max(1), Ordering::Relaxed);
    }

    /// The ring of a file that may be anything, if its sizes agree.
    pub fn in_file(head: &PublishedHead, segment: &Arc<Segment>) -> Result<Self> {
        let Shape { capacity, second, data_len, .. } = head.shape;
        let is_one = data_len.is_power_of_two()
            && data_len >= CAPACITY_MIN
            && capacity == data_len as u64
            && second == payload_max_of(data_len) as u64;
        if is_one {
            return Ok(Self::new(segment.clone(), head.data(), data_len, payload_max_of(data_len)));
        }
        let message = format!(
            "{data_len} bytes of data are no ring of {capacity} bytes for messages of {second}"
        );
        Err(corrupt(message))
    }
}

impl<W: Words> Ring<W> {
    /// The ring of `capacity` bytes, a power of two, at `data`. The caller has checked both, and
    /// that a payload of `payload_max` bytes is not too long for it.
    pub fn new(words: Arc<W>, data: usize, capacity: usize, payload_max: usize) -> Self {
        assert!(capacity.is_power_of_two() && data.is_multiple_of(WORD));
        assert!(payload_max <= payload_max_of(capacity), "{payload_max} bytes in {capacity}");
        Self { words, data, capacity: capacity as u64, payload_max }
    }

    /// The longest payload.
    #[cfg(test)]
    pub fn payload_max(&self) -> usize {
        self.payload_max
    }

    /// Where a position lies.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "masked to the capacity, a usize")]
    pub(super) fn at(&self, position: u64) -> usize {
        self.data + (position & (self.capacity - 1)) as usize
    }

    /// Bytes from a position to the end of its lap.
    #[inline]
    pub(super) fn lap_rest(&self, position: u64) -> u64 {
        self.capacity - (position & (self.capacity - 1))
    }

    /// Which file it is.
    pub fn file(&self) -> u64 {
        self.words.load(word::FILE, Ordering::Relaxed)
    }

    /// Where the last whole record ends.
    #[inline]
    pub(super) fn tail(&self) -> Result<u64, Corrupt> {
        let tail = self.words.load(word::TAIL, OBSERVE);
        if tail.is_multiple_of(WORD as u64) { Ok(tail) } else { Err(self.wrong(tail, 0)) }
    }

    /// The first position that is certainly there, as of now.
    #[inline]
    pub(super) fn floor(&self, word: usize) -> u64 {
        self.words.load(word, Ordering::Relaxed).saturating_sub(self.capacity)
    }

    /// The number of the newest message and when it was published, if there is one.
    pub fn newest(&self) -> Option<(u64, u64)> {
        /// From one message to the next a publisher takes longer than this takes.
        const TRIES: usize = 16;
        (0..TRIES).find_map(|_| {
            let position = self.words.load(word::NEWEST, OBSERVE).checked_sub(1)?;
            let at = self.at(position);
            if !at.is_multiple_of(WORD) || self.lap_rest(position) < RECORD_HEAD as u64 {
                return None;
            }
            let [number, written_at] =
                [1, 2].map(|index| self.words.load(at + index * WORD, Ordering::Relaxed));
            fence(Ordering::Acquire);
            (position >= self.floor(word::INTENT)).then_some((number, written_at))
        })
    }

    /// Copies what lies at `position`, of which no more than `available` bytes are there; the
    /// payload goes to the start of `buffer`, which only grows.
    #[inline]
    pub(super) fn read(
        &self,
        position: u64,
        available: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<Found, Corrupt> {
        let found = self.copy(position, available, buffer);
        fence(Ordering::Acquire);
        // Only now is known whether what was copied was whole, and a complaint is justified.
        if position < self.floor(word::INTENT) { Ok(Found::Overtaken) } else { found }
    }

    #[inline]
    fn copy(&self, position: u64, available: u64, buffer: &mut Vec<u8>) -> Result<Found, Corrupt> {
        let at = self.at(position);
        let lap_rest = self.lap_rest(position);
        let room = usize::try_from(lap_rest.min(available)).unwrap_or(usize::MAX);
        let first = self.words.load(at, Ordering::Relaxed);
        let (low, high) = (first & PAD, first >> 32);
        if low == PAD {
            // A pad closes a lap that was begun, and does nothing else.
            let fits = high == lap_rest && lap_rest <= available && at != self.data;
            let len = usize::try_from(high).unwrap_or(usize::MAX);
            return if fits {
                Ok(Found::Pad(lap_rest))
            } else {
                Err(Corrupt::Length { len, available: room })
            };
        }
        let len = usize::try_from(low).unwrap_or(usize::MAX);
        if len > self.payload_max || record_len(len) > room {
            return Err(Corrupt::Length { len, available: room.min(self.payload_max) });
        }
        let sequence = self.words.load(at + WORD, Ordering::Relaxed);
        let written_at = self.words.load(at + 2 * WORD, Ordering::Relaxed);
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        let payload = &mut buffer[..len];
        self.words.copy_out(at + RECORD_HEAD, payload);
        let expected = u64::from(checksum_of(sequence, written_at, payload));
        if high != expected {
            return Err(Corrupt::Checksum { found: half(high), expected: half(expected) });
        }
        Ok(Found::Record(Head { len, sequence, written_at }))
    }

    /// The position of the oldest mark from `floor` on and before `tail`.
    pub(super) fn oldest(&self, floor: u64, tail: u64) -> Option<u64> {
        (0..MARKS)
            .filter_map(|index| self.words.load(mark(index), OBSERVE).checked_sub(1))
            .filter(|mark| *mark >= floor && *mark < tail && mark.is_multiple_of(WORD as u64))
            .min()
    }

    #[cold]
    pub(super) fn wrong(&self, write: u64, read: u64) -> Corrupt {
        Corrupt::Positions { write, read, capacity: self.capacity }
    }
}

/// Where the mark of a sixteenth lies; they are counted on from lap to lap.
#[inline]
pub(super) fn mark(sixteenth: u64) -> usize {
    word::MARKS + (sixteenth % MARKS) as usize * WORD
}

/// Bytes 8 to 24 of a record, then its length, then its payload.
#[inline]
pub(super) fn checksum_of(sequence: u64, written_at: u64, payload: &[u8]) -> u32 {
    checksum::of_frame([sequence, written_at, payload.len() as u64], &[payload])
}

#[expect(clippy::cast_possible_truncation, reason = "the half of a word")]
fn half(number: u64) -> u32 {
    number as u32
}
