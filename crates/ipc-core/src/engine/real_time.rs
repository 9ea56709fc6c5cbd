//! What a thread under a deadline may ask of an engine with one link: no system call, no lock, no
//! memory.

use super::host::{Host, LinkId};
use super::link::{Link, Refusal, Reservation, Taken};
use super::{Engine, Waker};
use crate::error::{Code, Corrupt, Error, Result};
use crate::session::Draft;

impl Engine {
    /// From now on nothing sent or read on this link wakes a peer that sleeps; the waker does.
    pub fn defer_wakes(&mut self, link: LinkId) -> Option<Waker> {
        self.link_mut(link.0).map(Link::defer_wakes)
    }

    /// Defines the draft's code on its lane for the peer now, so that [`Self::try_reserve`] need
    /// not. It stays so for as long as the link lives, and no other name is given up for it.
    pub fn register(&mut self, link: LinkId, draft: &Draft) -> Result<()> {
        if let Some(found) = self.link_mut(link.0)
            && !found.has_room_for_name(draft)
        {
            let max = found.peer.agreement.limits.names_max;
            let message = format!("a lane has {max} names at most, and this one has them");
            return Err(Error::new(Code::TooManyNames, message));
        }
        self.define(link, draft)?;
        if let Some(found) = self.link_mut(link.0) {
            found.commit();
        }
        Ok(())
    }

    /// As [`Self::reserve`], for a draft that was registered.
    pub fn try_reserve(
        &mut self,
        link: LinkId,
        draft: &Draft,
        len: usize,
    ) -> Result<Reservation, Refusal> {
        self.link_mut(link.0).ok_or(Refusal::Closed)?.reserve(draft, len)
    }

    /// Takes the next message of a link if taking it costs nothing.
    pub fn take_plain(&mut self, link: LinkId, host: &mut impl Host) -> Result<Taken, Corrupt> {
        self.link_mut(link.0).map_or(Ok(Taken::Nothing), |found| found.take_plain(host))
    }

    /// Takes what [`Self::take_plain`] leaves, unless the peer has broken the protocol.
    pub fn take_others(&mut self, link: LinkId, broken: Option<Corrupt>, host: &mut impl Host) {
        let Some(found) = self.link_mut(link.0) else { return };
        let taken = broken.map_or_else(|| found.take_others(host), Err);
        if let Err(corrupt) = taken {
            found.break_off(corrupt.into());
            // So that the next drive ends it.
            self.warm(link.0);
        }
    }
}
