//! How much all clients of a server have it work on at the same time, and which of them is read
//! next when that is enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::host::LinkId;

/// Requests of all links of a listener that are being worked on. An engine is used by one thread at
/// a time, so that nothing is ordered by these words.
#[derive(Debug)]
pub(super) struct Workload {
    max: u32,
    count: AtomicU32,
    /// The link that has waited longest: while it is to read, no other is.
    turn: AtomicU32,
}

const NO_LINK: u32 = u32::MAX;

impl Workload {
    pub fn new(max: u32) -> Self {
        Self { max, count: AtomicU32::new(0), turn: AtomicU32::new(NO_LINK) }
    }

    /// Whether a link may take another request, beside `more` that were not counted yet.
    #[inline]
    pub fn has_room(&self, link: LinkId, more: u32) -> bool {
        let turn = self.turn.load(Ordering::Relaxed);
        let is_turn = turn == NO_LINK || turn == link.0;
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
            self.turn.store(NO_LINK, Ordering::Relaxed);
        }
    }

    /// A link has `now` of them, and had `before`.
    #[inline]
    pub fn update(&self, before: u32, now: u32) {
        let count = self.count.load(Ordering::Relaxed);
        self.count.store(count.saturating_add(now).saturating_sub(before), Ordering::Relaxed);
    }
}

/// A link's part of the workload of its server; of a client's link none.
#[derive(Default)]
pub(super) struct Share {
    workload: Option<Arc<Workload>>,
    /// What of this link is counted there.
    counted: u32,
    /// Nothing is read, because all links together have too much to work on.
    pub is_throttled: bool,
}

impl Share {
    pub fn join(&mut self, workload: Option<Arc<Workload>>) {
        self.workload = workload;
    }

    #[inline]
    pub fn is_joined(&self) -> bool {
        self.workload.is_some()
    }

    /// This link has `now` requests to work on.
    #[inline]
    pub fn update(&mut self, now: u32) {
        if let Some(workload) = &self.workload {
            workload.update(self.counted, now);
            self.counted = now;
        }
    }

    /// Whether all links together leave room for another request, when this one has `now`.
    #[inline]
    pub fn has_room(&self, link: LinkId, now: u32) -> bool {
        let more = now.saturating_sub(self.counted);
        self.workload.as_ref().is_none_or(|workload| workload.has_room(link, more))
    }

    pub fn give_turn(&self, link: LinkId) {
        if let Some(workload) = &self.workload {
            workload.give_turn(link);
        }
    }

    #[inline]
    pub fn end_turn(&self, link: LinkId) {
        if let Some(workload) = &self.workload {
            workload.end_turn(link);
        }
    }

    /// The link is over: what is counted of it goes with it.
    pub fn leave(&mut self, link: LinkId) {
        self.update(0);
        self.end_turn(link);
        self.workload = None;
    }
}
