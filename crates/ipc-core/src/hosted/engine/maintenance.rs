//! Keeping a server findable is up to the host.

use std::convert::Infallible;

use super::Engine;
use super::claim::Claim;
use super::os::socket::Numbered;
use super::slab::Key;
use crate::hosted::imports::Number;
use crate::time::Time;

/// The files of a listener, which are the host's.
pub(super) struct Maintenance(Claim);

/// Files are watched by the host.
pub(super) struct Watch(Infallible);

impl Numbered for Watch {
    fn number(&self) -> Option<Number> {
        match self.0 {}
    }
}

impl Maintenance {
    pub fn of(claim: Claim) -> Self {
        Self(claim)
    }

    pub fn claim_mut(&mut self) -> &mut Claim {
        &mut self.0
    }

    /// Ends: the files are another's to keep.
    pub fn end(&mut self) {}

    pub fn watch(&self) -> Option<&Watch> {
        None
    }

    /// When to check at the latest.
    pub fn due(&self) -> Time {
        Time::NEVER
    }
}

impl Engine {
    /// Begins to watch the files of a listener.
    pub(super) fn watch_files(&mut self, _: Key) {}
}
