//! The transport without shared memory: each side keeps a segment of its own, in the place of the
//! one that both would have, and what a side writes there is sent to the other as records.
//!
//! ```text
//!   lanes  ->  own segment  ->  Outgoing: gather  ~~ records, over a socket ~~>  peer
//!   lanes  <-  own segment  <-  Incoming: take    <~ records, over a socket ~~   peer
//! ```
//!
//! So the lanes need not know: what comes is checked, and then written as the peer would have
//! written it. A record is its head, eight bytes, and what follows:
//!
//! ```text
//!    0      1       2     4       8
//!    +------+-------+-----+-------+----------------------------------------------------+
//!    | what | flags |  0  | length| bytes of ring `what`, or read positions, or words  |
//!    +------+-------+-----+-------+----------------------------------------------------+
//! ```
//!
//! Nothing here makes a system call: bytes go in and come out.

mod incoming;
mod outgoing;
#[cfg(all(test, not(loom)))]
mod tests;

use std::array;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::error::Corrupt;
use crate::header::FRAME_ALIGN;
use crate::limits::{Geometry, Lane, RINGS};
use crate::memory::Segment;
use crate::memory::layout::{self, Side};

use incoming::Incoming;
use outgoing::Outgoing;

/// The longest part of a ring that one record holds.
const PART_LEN_MAX: usize = 64 << 10;
/// What a record of read positions is; below are the rings.
const POSITIONS: u8 = 8;
/// What a record of words is.
const WORDS: u8 = 9;
/// Numbers of either.
const NUMBERS: usize = RINGS;
/// Flag: all of the ring up to here is whole frames, to be read from now on.
const PUBLISHED: u8 = 1;
/// Flag: what follows is the start of the ring; the rest of this lap is left out.
const LAP: u8 = 2;
/// An arming word that asks for whatever comes: its number is above these bits.
const ARMED: u64 = 3;

const _: () = assert!(NUMBERS == 1 + Lane::ALL.len(), "either record has as many numbers");

/// The first bytes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The number of a ring, or one of those above.
    pub what: u8,
    pub flags: u8,
    /// Bytes that follow.
    pub len: usize,
}

impl Head {
    pub const LEN: usize = 8;

    pub fn encode(self) -> [u8; Self::LEN] {
        let [a, b, c, d] = u32::try_from(self.len).expect("a record is short").to_le_bytes();
        [self.what, self.flags, 0, 0, a, b, c, d]
    }

    /// Reads a head, and checks it by itself.
    pub fn decode(bytes: [u8; Self::LEN]) -> Result<Self, Corrupt> {
        let [what, flags, reserved @ .., a, b, c, d] = bytes;
        let len = u32::from_le_bytes([a, b, c, d]);
        let this = Self { what, flags, len: usize::try_from(len).unwrap_or(usize::MAX) };
        let is_known = match what {
            POSITIONS | WORDS => flags == 0 && this.len == NUMBERS * size_of::<u64>(),
            _ => {
                usize::from(what) < RINGS
                    && flags & !(PUBLISHED | LAP) == 0
                    && (1..=PART_LEN_MAX).contains(&this.len)
                    && this.len.is_multiple_of(FRAME_ALIGN)
            }
        };
        if is_known && reserved == [0; 2] {
            Ok(this)
        } else {
            Err(Corrupt::Record { what, flags, len })
        }
    }
}

/// Where a ring lies in the segment.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    capacity: usize,
}

impl Place {
    fn of(geometry: &Geometry, writer: Side, ring: usize) -> Self {
        let start = layout::ring_start(geometry, writer, ring);
        Self { start, capacity: geometry.rings[ring] as usize }
    }

    /// How far into the ring a position is.
    #[expect(clippy::cast_possible_truncation, reason = "masked to the capacity, a usize")]
    fn offset(self, position: u64) -> usize {
        position as usize & (self.capacity - 1)
    }

    /// Bytes from a position to the end of its lap.
    fn lap_rest(self, position: u64) -> usize {
        self.capacity - self.offset(position)
    }

    /// A stretch of the ring as the two that lie in one piece: where the first does, and the length
    /// of each.
    fn pieces(self, position: u64, len: usize) -> (usize, usize, usize) {
        let first = len.min(self.lap_rest(position));
        (self.start + self.offset(position), first, len - first)
    }
}

/// The segment of one side, and what plays the peer in it.
pub(crate) struct Mirror {
    segment: Arc<Segment>,
    /// The side whose segment it is.
    side: Side,
    outgoing: Outgoing,
    incoming: Incoming,
    /// How far this side has said that it has read each ring.
    told: [u64; RINGS],
    /// Numbers the armings of the peer.
    armings: u64,
}

impl Mirror {
    /// Of a fresh segment.
    pub fn over(segment: Arc<Segment>, geometry: &Geometry, side: Side) -> Self {
        let mut this = Self {
            segment,
            side,
            outgoing: Outgoing::new(geometry, side),
            incoming: Incoming::new(geometry, side.peer()),
            told: [0; RINGS],
            armings: 0,
        };
        this.arm();
        this
    }

    /// Finds the next that is to be sent, unless some of the last is left. Returns whether there is
    /// anything.
    pub fn gather(&mut self) -> bool {
        self.arm();
        let Self { segment, side, outgoing, told, .. } = self;
        if !outgoing.is_sent() {
            return true;
        }
        let read = array::from_fn(|ring| load(segment, layout::read_position(*side, ring)));
        outgoing.gather(segment, *side, read, told)
    }

    /// What [`Self::gather`] has found, or is left of it.
    pub fn unsent(&self) -> &[u8] {
        self.outgoing.unsent()
    }

    /// So much of it was sent.
    pub fn sent(&mut self, len: usize) {
        self.outgoing.sent(len);
    }

    /// Takes what has come from the peer.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Corrupt> {
        let Self { segment, side, outgoing, incoming, told, .. } = self;
        incoming.take(bytes, segment, side.peer(), told, &outgoing.gathered())
    }

    /// The peer wants to be woken for whatever there is: it is sent all that.
    fn arm(&mut self) {
        self.armings = self.armings.wrapping_add(ARMED + 1);
        store(&self.segment, layout::armed(self.side.peer()), self.armings | ARMED);
    }
}

/// One thread reads and writes the segment, so that nothing has to be ordered.
fn load(segment: &Segment, offset: usize) -> u64 {
    segment.word64(offset).load(Relaxed)
}

fn store(segment: &Segment, offset: usize, word: u64) {
    segment.word64(offset).store(word, Relaxed);
}

/// The words of a side, as a record holds them.
fn words(side: Side) -> [usize; NUMBERS] {
    array::from_fn(|index| match index.checked_sub(1) {
        None => layout::sync_wait(side),
        Some(lane) => layout::dropped(side, lane),
    })
}
