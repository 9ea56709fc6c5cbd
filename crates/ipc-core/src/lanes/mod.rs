//! The rings of one direction: four lanes by priority and the control ring, behind one published
//! word and one doorbell.
//!
//! [`Outgoing`] and [`Incoming`] are the two ends of a direction. A publish covers all lanes at
//! once, so polling a quiet direction reads one word of one cache line.

pub(crate) mod mapped;
#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;

use std::array;

use crate::doorbell::{Flags, Interest, Ringer, Sleeper};
use crate::error::Corrupt;
use crate::limits::{CONTROL, RINGS};
use crate::ring::{Consumer, Frame, Payload, Producer, Region};
use crate::sys::kill_point;

/// What each ring may be read in one round before those behind it get their turn: a frame costs its
/// bytes and [`FRAME_COST`]. What is urgent waits for no more than one round of what is not, and
/// what is not gets its turn in every round, so that it cannot starve.
const QUOTA: [i64; RINGS] = [256 << 10, 128 << 10, 64 << 10, 16 << 10, i64::MAX];
const FRAME_COST: i64 = 1 << 10;

/// What a frame with `len` bytes behind its header costs of a quota.
#[inline]
pub(crate) fn frame_cost(len: u32) -> i64 {
    FRAME_COST + i64::from(len)
}

const CONTROL_BIT: u8 = 1 << CONTROL;

/// The end of a direction that writes.
pub(crate) struct Outgoing<R, W> {
    rings: [Producer<R>; RINGS],
    own: W,
    published: u64,
    /// Rings written to since the last publish, by bit.
    dirty: u8,
}

impl<R: Region, W: Flags> Outgoing<R, W> {
    pub fn new(rings: [Producer<R>; RINGS], own: W) -> Self {
        Self { rings, own, published: 0, dirty: 0 }
    }

    /// Writes a frame whose payload lies in `parts`. Returns whether there was room.
    #[inline]
    pub fn push(
        &mut self,
        ring: usize,
        header: [u64; 3],
        parts: &[&[u8]],
    ) -> Result<bool, Corrupt> {
        let pushed = self.rings[ring].push(header, parts)?;
        self.dirty |= u8::from(pushed) << ring;
        Ok(pushed)
    }

    /// Bytes of whole frames there is room for in one piece, up to `want`.
    #[inline]
    pub fn room(&mut self, ring: usize, want: usize) -> Result<usize, Corrupt> {
        self.rings[ring].room(want)
    }

    /// Writes whole frames there is room for.
    #[inline]
    pub fn push_frames(&mut self, ring: usize, frames: &[u8]) {
        self.rings[ring].push_frames(frames);
        self.dirty |= 1 << ring;
    }

    /// Whether a message of `len` bytes would fit into a ring as a whole.
    pub fn has_room_for(&mut self, ring: usize, len: usize) -> Result<bool, Corrupt> {
        self.rings[ring].has_room_for(len)
    }

    /// Finds room for a frame with `len` bytes after its header, which [`Self::commit`] completes
    /// before anything else is written to that ring. Returns where it will start.
    pub fn reserve(&mut self, ring: usize, len: usize) -> Result<Option<usize>, Corrupt> {
        self.rings[ring].reserve(len)
    }

    /// Copies bytes into a reserved frame; `at` counts from the start of the ring.
    pub fn fill(&mut self, ring: usize, at: usize, bytes: &[u8]) {
        self.rings[ring].fill(at, bytes);
    }

    /// Completes a reserved frame.
    pub fn commit(&mut self, ring: usize, offset: usize, header: [u64; 3], len: usize) {
        self.rings[ring].commit(offset, header, len);
        self.dirty |= 1 << ring;
    }

    /// Bytes of a ring that the peer has not released, as of now.
    pub fn undelivered(&mut self, ring: usize) -> u64 {
        self.rings[ring].undelivered()
    }

    /// Bytes of all frames that were written.
    pub fn written(&self) -> u64 {
        self.rings.iter().map(Producer::written).sum()
    }

    #[inline]
    pub fn ring(&self, ring: usize) -> &Producer<R> {
        &self.rings[ring]
    }

    /// The peer's read position of each ring; `None`: it has read all that was published.
    pub fn unread(&self) -> Option<[u64; RINGS]> {
        let read = array::from_fn(|ring| self.rings[ring].load_read());
        let all_read = self.rings.iter().zip(read).all(|(ring, read)| ring.published() == read);
        (!all_read).then_some(read)
    }

    /// Shows the peer everything written. Returns whether there was anything; then the peer may
    /// have to be rung.
    #[inline]
    pub fn publish(&mut self) -> bool {
        if self.dirty == 0 {
            return false;
        }
        for (index, ring) in self.rings.iter_mut().enumerate() {
            if self.dirty & 1 << index != 0 {
                ring.publish();
            }
        }
        self.dirty = 0;
        self.published = self.published.wrapping_add(1);
        self.own.store_published(self.published);
        kill_point("count");
        true
    }
}

/// The end of a direction that reads.
pub(crate) struct Incoming<R, W> {
    rings: [Consumer<R>; RINGS],
    peer: W,
    /// The publish count as of which the rings were refreshed.
    seen: u64,
    /// Rings with frames that were seen and not read, by bit.
    ready: u8,
    /// Rings with some of their quota left in this round, by bit.
    in_turn: u8,
    quota: [i64; RINGS],
}

/// Which rings to read, by bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scope(u8);

impl<R: Region, W: Flags> Incoming<R, W> {
    pub fn new(rings: [Consumer<R>; RINGS], peer: W) -> Self {
        Self { rings, peer, seen: 0, ready: 0, in_turn: u8::MAX, quota: QUOTA }
    }

    /// Whether something was published since the rings were refreshed. One load.
    #[inline]
    pub fn has_news(&self) -> bool {
        self.peer.load_published() != self.seen
    }

    /// Whether there is something to read in `scope`.
    #[inline]
    pub fn has_any(&self, scope: Scope) -> bool {
        self.ready & scope.0 != 0 || self.has_news()
    }

    /// Whether there is a control message as of now, whatever else was published.
    #[inline]
    pub fn has_controls(&self) -> bool {
        self.rings[CONTROL].has_any()
    }

    /// The ring in which the next frame by priority lies; [`Self::advance`] steps over it.
    #[inline]
    pub fn next(&mut self, scope: Scope) -> Result<Option<usize>, Corrupt> {
        loop {
            let eligible = self.ready & self.in_turn & scope.0;
            if eligible == 0 {
                if !self.start_round(scope)? {
                    return Ok(None);
                }
                continue;
            }
            // Control messages first, because they free what the others wait for.
            let ring = if eligible & CONTROL_BIT != 0 {
                CONTROL
            } else {
                eligible.trailing_zeros() as usize
            };
            if self.rings[ring].peek()? {
                return Ok(Some(ring));
            }
            self.ready &= !(1 << ring);
        }
    }

    /// Whether another frame of this ring may be read before those of the others: some of its quota
    /// is left, and nothing more urgent was seen in this round.
    #[inline]
    pub fn next_in(&mut self, ring: usize) -> Result<bool, Corrupt> {
        let turn = self.ready & self.in_turn;
        Ok(turn & 1 << ring != 0 && self.rings[ring].peek()?)
    }

    /// The frame [`Self::next`] found in a ring.
    #[inline]
    pub fn frame(&self, ring: usize) -> &Frame {
        self.rings[ring].frame()
    }

    /// Its payload.
    #[inline]
    pub fn payload(&self, ring: usize) -> Payload<'_, R> {
        self.rings[ring].payload()
    }

    /// Steps over it.
    #[inline]
    pub fn advance(&mut self, ring: usize) {
        let consumer = &mut self.rings[ring];
        let cost = frame_cost(consumer.frame().header.len);
        consumer.advance();
        self.spend(ring, cost);
    }

    /// What is left to a ring in this round.
    #[inline]
    pub fn quota(&self, ring: usize) -> i64 {
        self.quota[ring]
    }

    /// Copies what was seen of a ring, from the next frame on. Returns how much that is.
    #[inline]
    pub fn copy_ahead(&self, ring: usize, bytes: &mut [u8]) -> usize {
        self.rings[ring].copy_ahead(bytes)
    }

    /// Steps over `len` bytes of frames that were read in a copy; they cost so much of the quota.
    #[inline]
    pub fn skip(&mut self, ring: usize, len: usize, cost: i64) {
        self.rings[ring].skip(len);
        self.spend(ring, cost);
    }

    #[inline]
    fn spend(&mut self, ring: usize, cost: i64) {
        let quota = &mut self.quota[ring];
        *quota -= cost;
        if *quota <= 0 {
            self.in_turn &= !(1 << ring);
        }
        if self.rings[ring].is_exhausted() {
            self.ready &= !(1 << ring);
        }
    }

    /// Bytes of all frames that were read.
    pub fn consumed(&self) -> u64 {
        self.rings.iter().map(Consumer::consumed).sum()
    }

    /// Gives space back to the peer. Returns whether there was any; then it may have to be rung.
    #[inline]
    pub fn release(&mut self) -> bool {
        self.rings.iter_mut().fold(false, |any, ring| ring.release() | any)
    }

    /// Refreshes what was published and gives every ring its quota. Returns whether there is
    /// anything to read. Only here the peer's positions are loaded, because each load may have to
    /// fetch their line from the core that writes it.
    #[inline]
    fn start_round(&mut self, scope: Scope) -> Result<bool, Corrupt> {
        // Loaded before the positions: what is published meanwhile shows as news.
        let published = self.peer.load_published();
        if published != self.seen {
            self.seen = published;
            for (index, ring) in self.rings.iter_mut().enumerate() {
                self.ready |= u8::from(ring.refresh()?) << index;
            }
        }
        if self.in_turn != u8::MAX {
            self.in_turn = u8::MAX;
            self.quota = QUOTA;
        }
        Ok(self.ready & scope.0 != 0)
    }
}

impl Scope {
    /// All of them.
    pub const ALL: Self = Self(u8::MAX);
    /// Only the control ring: the lanes are held back on purpose.
    pub const CONTROL: Self = Self(CONTROL_BIT);

    /// The same without these lanes.
    #[inline]
    pub const fn without(self, lanes: u8) -> Self {
        Self(self.0 & !lanes)
    }
}

/// One end of a connection: the direction it writes, the direction it reads, when the peer has to
/// be rung, and when this end may sleep.
pub(crate) struct Lanes<R, W> {
    pub outgoing: Outgoing<R, W>,
    pub incoming: Incoming<R, W>,
    ringer: Ringer,
    sleeper: Sleeper,
}

impl<R: Region, W: Flags> Lanes<R, W> {
    pub fn new(outgoing: Outgoing<R, W>, incoming: Incoming<R, W>) -> Self {
        Self { outgoing, incoming, ringer: Ringer::default(), sleeper: Sleeper::default() }
    }

    /// Asks the peer to ring, and then polls for all it could ring for. Returns whether this end
    /// may sleep: `poll` has found nothing.
    #[inline]
    pub fn arm(&self, interest: Interest, poll: impl FnOnce() -> bool) -> bool {
        self.sleeper.arm(&self.outgoing.own, interest, poll)
    }

    /// Awake: the peer need not ring.
    #[inline]
    pub fn disarm(&self) {
        self.sleeper.disarm(&self.outgoing.own);
    }

    /// Publishes what was written and releases what was read. True: the peer sleeps and has to be
    /// rung, now.
    #[inline]
    pub fn commit(&mut self) -> bool {
        let published = self.outgoing.publish();
        let released = self.incoming.release();
        if released {
            kill_point("release");
        }
        let what = match (published, released) {
            (false, false) => return false,
            (true, false) => Interest::DATA,
            (false, true) => Interest::SPACE,
            (true, true) => Interest::DATA.and(Interest::SPACE),
        };
        self.ringer.must_ring(&self.incoming.peer, what)
    }
}
