//! The lanes of one end of a connection as they lie in a segment.

#![allow(unsafe_code)]

use std::array;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Incoming, Lanes, Outgoing};
use crate::doorbell::Flags;
use crate::limits::{Agreement, Lane};
use crate::memory::Segment;
use crate::memory::layout::{self, Side};
use crate::ring::mapped::MappedRegion;
use crate::ring::{Consumer, Producer};
use crate::sync::{OBSERVE, PUBLISH};

/// The lanes of a real connection.
pub(crate) type MappedLanes = Lanes<MappedRegion, MappedFlags>;

impl MappedLanes {
    /// The lanes `side` writes and reads in a fresh segment.
    pub fn over(segment: &Arc<Segment>, agreement: &Agreement, side: Side) -> Self {
        let region = |writer, ring| MappedRegion::new(segment, &agreement.geometry, writer, ring);
        let producers = array::from_fn(|ring| Producer::new(region(side, ring)));
        let consumers =
            array::from_fn(|ring| Consumer::new(region(side.peer(), ring), agreement.crc));
        Self::new(
            Outgoing::new(producers, MappedFlags::new(segment, side)),
            Incoming::new(consumers, MappedFlags::new(segment, side.peer())),
        )
    }
}

/// The flags one end of a connection writes.
pub(crate) struct MappedFlags {
    published: NonNull<AtomicU64>,
    armed: NonNull<AtomicU64>,
    sync_wait: NonNull<AtomicU64>,
    dropped: [NonNull<AtomicU64>; Lane::ALL.len()],
    _segment: Arc<Segment>,
}

// SAFETY: the pointers lead to words of the segment, which is `Send + Sync` and kept alive here.
unsafe impl Send for MappedFlags {}

impl MappedFlags {
    /// The flags `side` writes.
    pub fn new(segment: &Arc<Segment>, side: Side) -> Self {
        let word = |offset| NonNull::from(segment.word64(offset));
        Self {
            published: word(layout::published(side)),
            armed: word(layout::armed(side)),
            sync_wait: word(layout::sync_wait(side)),
            dropped: array::from_fn(|lane| word(layout::dropped(side, lane))),
            _segment: Arc::clone(segment),
        }
    }

    /// Publishes the request this end waits for, doing nothing else until it is answered; 0 for
    /// none. Release: a peer that sees this sees all answers published before.
    pub fn store_sync_wait(&self, id: u64) {
        // SAFETY: the word lies in the segment kept alive here.
        unsafe { self.sync_wait.as_ref() }.store(id, Ordering::Release);
    }

    /// What [`Self::store_sync_wait`] stored last.
    pub fn load_sync_wait(&self) -> u64 {
        // SAFETY: as above.
        unsafe { self.sync_wait.as_ref() }.load(Ordering::Acquire)
    }

    /// Publishes how many messages a lane has dropped: a number for statistics.
    pub fn store_dropped(&self, lane: usize, count: u64) {
        // SAFETY: as above.
        unsafe { self.dropped[lane].as_ref() }.store(count, Ordering::Relaxed);
    }

    /// What [`Self::store_dropped`] stored last.
    pub fn load_dropped(&self, lane: usize) -> u64 {
        // SAFETY: as above.
        unsafe { self.dropped[lane].as_ref() }.load(Ordering::Relaxed)
    }
}

impl Flags for MappedFlags {
    #[inline]
    fn load_published(&self) -> u64 {
        // SAFETY: the word lies in the segment kept alive here.
        unsafe { self.published.as_ref() }.load(OBSERVE)
    }

    #[inline]
    fn store_published(&self, count: u64) {
        // SAFETY: as above.
        unsafe { self.published.as_ref() }.store(count, PUBLISH);
    }

    #[inline]
    fn load_armed(&self) -> u64 {
        // SAFETY: as above.
        unsafe { self.armed.as_ref() }.load(Ordering::Relaxed)
    }

    #[inline]
    fn store_armed(&self, word: u64) {
        // SAFETY: as above.
        unsafe { self.armed.as_ref() }.store(word, Ordering::Relaxed);
    }
}
