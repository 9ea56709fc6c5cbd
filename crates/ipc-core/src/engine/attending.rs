//! What an engine attends to beside sockets: files, directories, and a descriptor of its host's.

use std::os::fd::AsFd;

use super::Engine;
use super::host::{Event, Host};
use super::os::poller::Source;
use crate::error::Result;
use crate::time::Now;

impl Engine {
    /// From now on the engine is woken, too, when this descriptor can be read:
    /// [`Event::Readable`]. A host has one of that kind, for what it watches beside connections.
    pub fn attend(&mut self, descriptor: impl AsFd) -> Result<()> {
        self.poller.watch(descriptor, Source::Attended)
    }

    /// Attends to the descriptor no longer.
    pub fn ignore(&mut self, descriptor: impl AsFd) {
        self.poller.forget(descriptor);
    }

    /// Something has happened to what is no socket.
    pub(super) fn look_around(&mut self, source: Source, now: &Now, host: &mut impl Host) {
        match source {
            Source::Files(key) => self.check_files(key, now, host),
            Source::Arrivals => self.arrived(now),
            Source::Attended => host.event(Event::Readable),
            Source::Timer | Source::Listener(_) | Source::Socket(_) => {}
        }
    }
}
