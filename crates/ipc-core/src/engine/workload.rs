//! How much all clients of a server have it work on at the same time, and whose turn it is when that
//! is enough.

use std::sync::atomic::{AtomicU32, Ordering};

use super::host::LinkId;

/// Requests of all links of a listener that are being worked on. An engine is used by one thread at a
/// time, so that nothing is ordered by these words.
#[derive(Debug)]
pub(super) struct Workload {
    max: u32,
    count: AtomicU32,
    /// The link that has waited longest: while it is to read, no other is.
    turn: AtomicU32,
}

const NOBODY: u32 = u32::MAX;

impl Workload {
    pub fn new(max: u32) -> Self {
        Self { max, count: AtomicU32::new(0), turn: AtomicU32::new(NOBODY) }
    }

    /// Whether a link may take another request, beside `more` that were not counted yet.
    #[inline]
    pub fn has_room(&self, link: LinkId, more: u32) -> bool {
        let turn = self.turn.load(Ordering::Relaxed);
        let is_turn = turn == NOBODY || turn == link.0;
        is_turn && self.count.load(Ordering::Relaxed).saturating_add(more) < self.max
    }

    /// It is this link's turn, until it has read.
    pub fn give_turn(&self, link: LinkId) {
        self.turn.store(link.0, Ordering::Relaxed);
    }

    /// The link has read, or will not any more.
    #[inline]
    pub fn end_turn(&self, link: LinkId) {
        if self.turn.load(Ordering::Relaxed) == link.0 {
            self.turn.store(NOBODY, Ordering::Relaxed);
        }
    }

    /// A link has `now` of them, and had `before`.
    #[inline]
    pub fn update(&self, before: u32, now: u32) {
        let count = self.count.load(Ordering::Relaxed);
        self.count.store(count.saturating_add(now).saturating_sub(before), Ordering::Relaxed);
    }
}
