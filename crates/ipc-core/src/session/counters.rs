//! What a session counts.

use crate::header::Kind;
use crate::limits::Lane;

/// Numbers of kinds are below this, so that they need no check.
const KINDS: usize = 8;

/// How many messages there were, by [`Kind`] and [`Lane`].
///
/// ```
/// # use ipc_core::{Kind, Lane, Traffic};
/// assert_eq!(Traffic::default().get(Kind::Request, Lane::Normal), 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic([[u64; Lane::ALL.len()]; KINDS]);

impl Traffic {
    /// There was one more.
    #[inline]
    pub(crate) fn count(&mut self, kind: Kind, lane: Lane) {
        self.0[kind as usize][lane as usize] += 1;
    }

    /// How many there were of this kind in this lane.
    pub fn get(&self, kind: Kind, lane: Lane) -> u64 {
        self.0[kind as usize][lane as usize]
    }

    /// How many there were altogether.
    pub fn total(&self) -> u64 {
        self.0.as_flattened().iter().sum()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let others = other.0.as_flattened();
        self.0.as_flattened_mut().iter_mut().zip(others).for_each(|(own, more)| *own += more);
    }
}

/// What a session has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages sent.
    pub sent: Traffic,
    /// Messages received whole.
    pub received: Traffic,
    /// Answers that came after their request had ended.
    pub late_replies: u64,
    /// Requests, and items that go with them, that had ended before they arrived.
    pub stale_requests: u64,
    /// Requests of this side that were answered with an error.
    pub failed: u64,
    /// Requests of this side that ended at their deadline.
    pub timed_out: u64,
}
