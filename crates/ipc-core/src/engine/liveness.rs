//! Whether peers are there, and leaving them in good order.

use super::host::{Host, LinkId};
use super::slab::Key;
use super::{Engine, Entry, not_open};
use crate::error::Result;
use crate::time::Time;

impl Engine {
    /// Asks a peer's engine for an answer, which its next drive gives. Returns the number of the
    /// [`Event::Pong`] with the time that took. One question is on its way at a time; those
    /// asked meanwhile are one that follows it. [`Code::Feature`]: the peer does not know this.
    ///
    /// [`Event::Pong`]: super::Event::Pong
    /// [`Code::Feature`]: crate::Code::Feature
    pub fn ping(&mut self, link: LinkId) -> Result<u64> {
        let number = self.link_mut(link.0).ok_or_else(not_open)?.ping();
        self.warm(link.0);
        number
    }

    /// Announces that this side is about to leave, so that the peer sends no new requests. Returns
    /// whether it knows what that means: a peer that does closes the connection once nothing is in
    /// flight.
    pub fn leave(&mut self, link: LinkId) -> bool {
        let is_announced = self.link_mut(link.0).is_some_and(|found| found.leave());
        self.warm(link.0);
        is_announced
    }

    /// Closes a connection as [`Engine::close`] does, because this side leaves altogether: the peer
    /// is to know that it may look for a successor.
    pub fn leave_now(&mut self, link: LinkId, host: &mut impl Host) {
        self.close_as(link, true, host);
    }

    /// Whether nothing is in flight in either direction, nothing waits to be written, and nothing
    /// that came waits to be read.
    pub fn is_idle(&self, link: LinkId) -> bool {
        self.link(link.0).is_some_and(|found| found.is_idle())
    }

    /// Takes no more requests of this side, and reports once nothing is in flight, by
    /// [`Event::Idle`] behind all that came before. Whatever else is sent goes on.
    ///
    /// [`Event::Idle`]: super::Event::Idle
    pub fn quiesce(&mut self, link: LinkId) {
        if let Some(found) = self.link_mut(link.0) {
            found.quiesce();
            self.warm(link.0);
        }
    }

    /// Whether what was sent lies unread at a peer for longer than
    /// [`Bounds::unresponsive_after`](super::Bounds::unresponsive_after).
    pub fn is_unresponsive(&self, link: LinkId) -> bool {
        self.link(link.0).is_some_and(|found| found.is_unresponsive())
    }

    /// Whether a peer has said that it is about to leave.
    pub fn is_peer_leaving(&self, link: LinkId) -> bool {
        self.link(link.0).is_some_and(|found| found.session().peer_leaves())
    }

    /// A link to which this side sleeps was flushed: nothing else notices if its peer never reads.
    #[cold]
    pub(super) fn look_later(&mut self, key: Key) {
        if let Some(Entry::Link(link)) = self.entries.get_mut(key) {
            let due = link.rest();
            self.due = self.due.min(due);
            if due != Time::NEVER {
                // The host may not drive again before it sleeps.
                self.poller.wake_by(due);
            }
        }
    }
}
