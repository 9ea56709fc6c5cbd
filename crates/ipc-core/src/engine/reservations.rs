//! Messages whose payload the caller writes into the ring, instead of having it copied there.

use std::ptr::NonNull;

use super::link::Reservation;
use super::{Engine, Entry, LinkId, not_open};
use crate::error::Result;
use crate::header::Kind;
use crate::session::Draft;

impl Engine {
    /// Finds room for a message of `len` bytes, which is filled and then sent with the same draft
    /// before anything else is sent on that lane. A full lane and a message longer than one of its
    /// frames are errors at once.
    pub fn reserve(&mut self, link: LinkId, draft: &Draft, len: usize) -> Result<Reservation> {
        self.define(link, draft)?;
        let found = self.link_mut(link.0).ok_or_else(not_open)?;
        found.reserve(draft, len).map_err(|refusal| found.refusal_error(refusal))
    }

    /// Defines the draft's code on its lane for the peer, unless that has been done.
    pub(super) fn define(&mut self, link: LinkId, draft: &Draft) -> Result<()> {
        let Some(Entry::Link(found)) = self.entries.get_mut(link.0) else {
            return Err(not_open());
        };
        found.define(draft, &self.names)?;
        if found.has_backlog() {
            // Something waits for room: the link has to be polled.
            self.warm(link.0);
        }
        Ok(())
    }

    /// Copies bytes to `at` in a reserved payload.
    pub fn fill(&mut self, link: LinkId, reservation: &Reservation, at: usize, bytes: &[u8]) {
        if let Some(found) = self.link_mut(link.0) {
            found.fill(reservation, at, bytes);
        }
    }

    /// Where a reserved payload lies; dangling when the connection is over.
    pub fn reserved_pointer(&self, link: LinkId, reservation: &Reservation) -> NonNull<u8> {
        self.link(link.0).map_or(NonNull::dangling(), |found| found.pointer(reservation))
    }

    /// Sends what was filled in, and shows it to the peer.
    pub fn send_reserved(
        &mut self,
        link: LinkId,
        draft: &Draft,
        reservation: &Reservation,
    ) -> Result<()> {
        let found = self.link_mut(link.0).ok_or_else(not_open)?;
        found.complete(draft, reservation)?;
        found.commit();
        if draft.kind == Kind::Request {
            let due = found.due();
            self.due = self.due.min(due);
            // An answer will come.
            self.warm(link.0);
        }
        Ok(())
    }
}
