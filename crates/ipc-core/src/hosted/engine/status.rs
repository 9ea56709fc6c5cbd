//! What a server does is not shown to others: there is no file to write it into.

use std::convert::Infallible;

use super::Engine;
use super::link::Link;
use super::slab::Key;
use crate::time::Time;

/// The status file of a listener, which has none.
pub(super) struct Status(Infallible);

/// What was last shown of a connection: nothing.
pub(super) struct Shown(Infallible);

/// When that is brought up to date: never.
#[derive(Default)]
pub(super) struct Pulse;

impl Status {
    pub fn show_server(&mut self, _: usize, _: u64, _: Time) {
        match self.0 {}
    }

    pub fn leave(&mut self) {
        match self.0 {}
    }
}

impl Pulse {
    #[inline]
    pub fn touch(&mut self, _: Key, _: &mut Link) {}
}

impl Engine {
    pub(super) fn publish_status(&mut self, _: Key) {}

    #[inline]
    pub(super) fn begin_turn(&mut self) {}

    /// Returns when there is something to bring up to date.
    #[inline]
    pub(super) fn end_turn(&mut self, _: bool) -> Time {
        Time::NEVER
    }

    pub(super) fn show_opened(&mut self, _: Key) {}

    pub(super) fn show_closed(&mut self, _: &mut Link) {}
}
