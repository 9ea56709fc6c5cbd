//! Long payloads that stay where they are until there is room for them.

use super::Link;
use crate::error::{Code, Corrupt, Error};
use crate::session::fragments::{Fragment, Fragments};

/// A payload that is not copied before there is room for it in a ring.
pub trait Lent: Send {
    /// The bytes, the same every time; `None` if they are not there any more, which ends the connection
    /// they were to go to.
    fn bytes(&self) -> Option<&[u8]>;
}

/// Bytes that are written at once of what waits, or of what is lent, so that what is urgent has its turn.
pub(super) const WRITTEN_MAX: usize = 256 << 10;

/// A message that is written piece by piece. In the backlog of its lane stands a marker with its key.
pub(super) struct Lending {
    pub key: u64,
    /// Who waits for it to be written, if anyone.
    pub id: u64,
    pub next: Fragment,
    pub rest: Fragments,
    /// Put in as soon as it is known that it is needed.
    pub payload: Option<Box<dyn Lent>>,
}

impl Lending {
    /// Bytes that are still to be written.
    pub fn left(&self) -> usize {
        let len = self.payload.as_ref().and_then(|payload| payload.bytes()).map_or(0, <[u8]>::len);
        len.saturating_sub(self.next.range.start)
    }
}

impl Link {
    /// Writes on with the lent message in front of a lane, `room` bytes at most and a fragment at least.
    /// Returns whether all of it is written.
    pub(super) fn write_lent(
        &mut self,
        ring: usize,
        key: u64,
        room: &mut usize,
    ) -> Result<bool, Corrupt> {
        let Some(place) = self.lendings.iter().position(|lending| lending.key == key) else {
            return Ok(true);
        };
        let crc = self.peer.agreement.crc;
        while *room > 0 {
            let Lending { next, payload, .. } = &self.lendings[place];
            let bytes = payload.as_ref().and_then(|payload| payload.bytes());
            let Some(piece) = bytes.and_then(|bytes| bytes.get(next.range.clone())) else {
                let message = "a payload was taken away while it was being sent";
                self.break_off(Error::new(Code::InvalidArgument, message));
                return Ok(false);
            };
            let parts = [next.options.as_bytes(), piece];
            let header = next.header.sealed(crc, &parts);
            if !self.lanes.outgoing.push(ring, header, &parts)? {
                return Ok(false);
            }
            *room = room.saturating_sub(piece.len());
            if let Some(id) = self.backlogs[ring].begin() {
                self.lendings[place].id = id;
            }
            let lending = &mut self.lendings[place];
            match lending.rest.next() {
                Some(fragment) => lending.next = fragment,
                None => {
                    let id = lending.id;
                    self.lendings.remove(place);
                    self.settle(id, None);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
