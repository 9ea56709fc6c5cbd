//! What the peer has sent, into the place where it would have written it. Every number is checked
//! here before it is used or shown to anyone.

use std::array;

use super::{Head, LAP, NUMBERS, POSITIONS, PUBLISHED, Place, WORDS, store, words};
use crate::error::Corrupt;
use crate::limits::{Geometry, RINGS};
use crate::memory::Segment;
use crate::memory::layout::{self, Side};
use crate::memory::words::Words;

/// What comes next.
#[derive(Clone, Copy)]
enum Expected {
    Head,
    Part { ring: usize, flags: u8, left: usize },
    Numbers { what: u8 },
}

pub(super) struct Incoming {
    places: [Place; RINGS],
    /// How far each ring has come. Not all of it need be published.
    come: [u64; RINGS],
    /// How often something was published.
    published: u64,
    /// How far the peer has read the rings of this side.
    read: [u64; RINGS],
    expected: Expected,
    /// The part that has come of a head or of numbers.
    partial: [u8; NUMBERS * 8],
    partial_len: usize,
}

impl Incoming {
    /// The rings that `writer`, the peer, writes.
    pub fn new(geometry: &Geometry, writer: Side) -> Self {
        Self {
            places: array::from_fn(|ring| Place::of(geometry, writer, ring)),
            come: [0; RINGS],
            published: 0,
            read: [0; RINGS],
            expected: Expected::Head,
            partial: [0; NUMBERS * 8],
            partial_len: 0,
        }
    }

    /// Takes bytes of the stream. The peer was `told` how far its rings were read, and was sent as
    /// much of the others as was `gathered`.
    pub fn take(
        &mut self,
        mut bytes: &[u8],
        segment: &Segment,
        writer: Side,
        told: &[u64; RINGS],
        gathered: &[u64; RINGS],
    ) -> Result<(), Corrupt> {
        while !bytes.is_empty() {
            bytes = match self.expected {
                Expected::Head => {
                    let (rest, is_whole) = self.collect(bytes, Head::LEN);
                    if is_whole {
                        self.expected = self.begin(told)?;
                    }
                    rest
                }
                Expected::Numbers { what } => {
                    let (rest, is_whole) = self.collect(bytes, NUMBERS * 8);
                    if is_whole {
                        self.expected = Expected::Head;
                        self.store_numbers(what, segment, writer, gathered)?;
                    }
                    rest
                }
                Expected::Part { ring, flags, left } => {
                    let (part, rest) = bytes.split_at(left.min(bytes.len()));
                    self.store_part(ring, part, segment);
                    let left = left - part.len();
                    self.expected = Expected::Part { ring, flags, left };
                    if left == 0 {
                        self.expected = Expected::Head;
                        self.end_part(ring, flags, segment, writer, told)?;
                    }
                    rest
                }
            };
        }
        Ok(())
    }

    /// Collects the next `len` bytes. Returns what is behind them, and whether they are there.
    fn collect<'a>(&mut self, bytes: &'a [u8], len: usize) -> (&'a [u8], bool) {
        let (part, rest) = bytes.split_at(bytes.len().min(len - self.partial_len));
        self.partial[self.partial_len..][..part.len()].copy_from_slice(part);
        self.partial_len += part.len();
        let is_whole = self.partial_len == len;
        if is_whole {
            self.partial_len = 0;
        }
        (rest, is_whole)
    }

    /// Checks a head. What comes of a ring has to find room there.
    fn begin(&self, told: &[u64; RINGS]) -> Result<Expected, Corrupt> {
        let bytes = self.partial.first_chunk().expect("longer than a head");
        let Head { what, flags, len } = Head::decode(*bytes)?;
        if matches!(what, POSITIONS | WORDS) {
            return Ok(Expected::Numbers { what });
        }
        let ring = usize::from(what);
        self.check_room(ring, self.come[ring].wrapping_add(len as u64), told)?;
        Ok(Expected::Part { ring, flags, left: len })
    }

    /// Whether a ring has room up to there, as far as the peer can know.
    fn check_room(&self, ring: usize, write: u64, told: &[u64; RINGS]) -> Result<(), Corrupt> {
        let (capacity, read) = (self.places[ring].capacity as u64, told[ring]);
        if write.wrapping_sub(read) > capacity {
            return Err(Corrupt::Positions { write, read, capacity });
        }
        Ok(())
    }

    fn store_part(&mut self, ring: usize, part: &[u8], segment: &Segment) {
        let (place, come) = (self.places[ring], &mut self.come[ring]);
        let (start, first, second) = place.pieces(*come, part.len());
        segment.copy_in(start, &part[..first]);
        if second > 0 {
            segment.copy_in(place.start, &part[first..]);
        }
        *come = come.wrapping_add(part.len() as u64);
    }

    fn end_part(
        &mut self,
        ring: usize,
        flags: u8,
        segment: &Segment,
        writer: Side,
        told: &[u64; RINGS],
    ) -> Result<(), Corrupt> {
        let (place, mut come) = (self.places[ring], self.come[ring]);
        // A pad may be no longer than the word of it that has come.
        if flags & LAP != 0 && place.offset(come) != 0 {
            come = come.wrapping_add(place.lap_rest(come) as u64);
            self.check_room(ring, come, told)?;
            self.come[ring] = come;
        }
        if flags & PUBLISHED != 0 {
            store(segment, layout::write_position(writer, ring), come);
            self.published = self.published.wrapping_add(1);
            store(segment, layout::published(writer), self.published);
        }
        Ok(())
    }

    fn store_numbers(
        &mut self,
        what: u8,
        segment: &Segment,
        writer: Side,
        gathered: &[u64; RINGS],
    ) -> Result<(), Corrupt> {
        let number = |index: usize| {
            u64::from_le_bytes(*self.partial[index * 8..].first_chunk().expect("all of them"))
        };
        let numbers: [u64; NUMBERS] = array::from_fn(number);
        if what == WORDS {
            for (offset, word) in words(writer).into_iter().zip(numbers) {
                store(segment, offset, word);
            }
            return Ok(());
        }
        for (ring, read) in numbers.into_iter().enumerate() {
            let (write, capacity) = (gathered[ring], self.places[ring].capacity as u64);
            let advanced = read.wrapping_sub(self.read[ring]);
            if advanced > write.wrapping_sub(self.read[ring]) || !read.is_multiple_of(8) {
                return Err(Corrupt::Positions { write, read, capacity });
            }
            self.read[ring] = read;
            store(segment, layout::read_position(writer, ring), read);
        }
        Ok(())
    }
}
