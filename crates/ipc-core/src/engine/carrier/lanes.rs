//! The carrier of shared memory: the lanes of one end of a connection, and the words beside them.

use std::ptr::NonNull;
use std::sync::Arc;

use super::{Carrier, Payload};
use crate::doorbell::Interest;
use crate::engine::host::{Body, Source};
use crate::error::Corrupt;
use crate::header::Header;
use crate::lanes::Scope;
use crate::lanes::mapped::{MappedFlags, MappedLanes};
use crate::limits::{Agreement, RINGS};
use crate::memory::Segment;
use crate::memory::layout::Side;
use crate::option_block::Options;
use crate::ring;
use crate::ring::mapped::MappedRegion;

pub(in crate::engine) struct SharedLanes {
    lanes: MappedLanes,
    own_flags: MappedFlags,
    peer_flags: MappedFlags,
    /// The memory all of this lies in.
    segment: Arc<Segment>,
}

impl SharedLanes {
    /// The lanes `side` writes and reads in a fresh segment.
    pub fn over(segment: Arc<Segment>, agreement: &Agreement, side: Side) -> Self {
        Self {
            lanes: MappedLanes::over(&segment, agreement, side),
            own_flags: MappedFlags::new(&segment, side),
            peer_flags: MappedFlags::new(&segment, side.peer()),
            segment,
        }
    }
}

impl Carrier for SharedLanes {
    type Payload<'a> = ring::Payload<'a, MappedRegion>;

    #[inline]
    fn has_any(&self, scope: Scope) -> bool {
        self.lanes.incoming.has_any(scope)
    }

    #[inline]
    fn has_controls(&self) -> bool {
        self.lanes.incoming.has_controls()
    }

    #[inline]
    fn next(&mut self, scope: Scope) -> Result<Option<usize>, Corrupt> {
        self.lanes.incoming.next(scope)
    }

    #[inline]
    fn next_in(&mut self, ring: usize) -> Result<bool, Corrupt> {
        self.lanes.incoming.next_in(ring)
    }

    #[inline]
    fn header(&self, ring: usize) -> &Header {
        &self.lanes.incoming.frame(ring).header
    }

    #[inline]
    fn quota(&self, ring: usize) -> i64 {
        self.lanes.incoming.quota(ring)
    }

    #[inline]
    fn copy_ahead(&self, ring: usize, bytes: &mut [u8]) -> usize {
        self.lanes.incoming.copy_ahead(ring, bytes)
    }

    #[inline]
    fn skip(&mut self, ring: usize, len: usize, cost: i64) {
        self.lanes.incoming.skip(ring, len, cost);
    }

    #[inline]
    fn payload(&self, ring: usize) -> Self::Payload<'_> {
        self.lanes.incoming.payload(ring)
    }

    #[inline]
    fn advance(&mut self, ring: usize) {
        self.lanes.incoming.advance(ring);
    }

    #[inline]
    fn push(&mut self, ring: usize, header: [u64; 3], parts: &[&[u8]]) -> Result<bool, Corrupt> {
        self.lanes.outgoing.push(ring, header, parts)
    }

    #[inline]
    fn room(&mut self, ring: usize, want: usize) -> Result<usize, Corrupt> {
        self.lanes.outgoing.room(ring, want)
    }

    #[inline]
    fn push_frames(&mut self, ring: usize, frames: &[u8]) {
        self.lanes.outgoing.push_frames(ring, frames);
    }

    #[inline]
    fn has_room_for(&mut self, ring: usize, len: usize) -> Result<bool, Corrupt> {
        self.lanes.outgoing.has_room_for(ring, len)
    }

    #[inline]
    fn has_new_space(&self, ring: usize) -> bool {
        self.lanes.outgoing.ring(ring).has_moved()
    }

    fn undelivered(&mut self, ring: usize) -> u64 {
        self.lanes.outgoing.undelivered(ring)
    }

    #[inline]
    fn payload_max(&self, ring: usize) -> usize {
        self.lanes.outgoing.ring(ring).payload_max()
    }

    fn unread(&self) -> Option<[u64; RINGS]> {
        self.lanes.outgoing.unread()
    }

    #[inline]
    fn capacity(&self, ring: usize) -> usize {
        self.lanes.outgoing.ring(ring).capacity()
    }

    #[inline]
    fn reserve(&mut self, ring: usize, len: usize) -> Result<Option<usize>, Corrupt> {
        self.lanes.outgoing.reserve(ring, len)
    }

    #[inline]
    fn fill(&mut self, ring: usize, at: usize, bytes: &[u8]) {
        self.lanes.outgoing.fill(ring, at, bytes);
    }

    #[inline]
    fn pointer(&self, ring: usize, at: usize, len: usize) -> NonNull<u8> {
        self.lanes.outgoing.ring(ring).pointer(at, len)
    }

    #[inline]
    fn checksum(&self, ring: usize, at: usize, len: usize, running: u32) -> u32 {
        self.lanes.outgoing.ring(ring).checksum(at, len, running)
    }

    #[inline]
    fn complete(&mut self, ring: usize, start: usize, header: [u64; 3], len: usize) {
        self.lanes.outgoing.commit(ring, start, header, len);
    }

    fn carried(&self) -> (u64, u64) {
        (self.lanes.outgoing.written(), self.lanes.incoming.consumed())
    }

    #[inline]
    fn commit(&mut self) -> bool {
        self.lanes.commit()
    }

    #[inline]
    fn arm(&self, for_space: bool, poll: impl FnOnce() -> bool) -> bool {
        let interest = if for_space { Interest::DATA.and(Interest::SPACE) } else { Interest::DATA };
        self.lanes.arm(interest, poll)
    }

    #[inline]
    fn disarm(&self) {
        self.lanes.disarm();
    }

    fn is_lost(&self) -> bool {
        self.segment.is_lost()
    }

    fn store_sync_wait(&self, id: u64) {
        self.own_flags.store_sync_wait(id);
    }

    fn load_sync_wait(&self) -> u64 {
        self.peer_flags.load_sync_wait()
    }

    fn store_dropped(&self, lane: usize, count: u64) {
        self.own_flags.store_dropped(lane, count);
    }

    fn load_dropped(&self, lane: usize) -> u64 {
        self.peer_flags.load_dropped(lane)
    }
}

impl<'a> Payload<'a> for ring::Payload<'a, MappedRegion> {
    #[inline]
    fn len(&self) -> usize {
        Self::len(self)
    }

    #[inline]
    fn take_options(&mut self) -> Result<Options, Corrupt> {
        Self::take_options(self)
    }

    #[inline]
    fn copy_to(self, bytes: &mut [u8]) -> Result<(), Corrupt> {
        Self::copy_to(self, bytes)
    }

    #[inline]
    fn check(self) -> Result<(), Corrupt> {
        Self::check(self)
    }

    #[inline]
    fn into_body(self) -> Body<'a> {
        Body(Source::Ring(self))
    }
}
