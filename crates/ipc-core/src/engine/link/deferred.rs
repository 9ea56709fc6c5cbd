//! Long payloads that stay where they are until there is room for them.

use super::Link;
use crate::error::{Code, Corrupt, Error};
use crate::header::Kind;
use crate::limits::Lane;
use crate::session::fragments::{Fragment, Fragments};

/// A payload that is not copied before there is room for it in a ring.
pub trait Deferred: Send {
    /// The bytes, the same every time; `None` if they are not there any more, which fails the message
    /// they belong to.
    fn bytes(&self) -> Option<&[u8]>;
}

/// Bytes that are written at once of what waits, or of what is lent, so that what is urgent has its turn.
pub(super) const WRITTEN_MAX: usize = 256 << 10;

/// A message that is written piece by piece. In the backlog of its lane stands a marker with its key.
pub(super) struct DeferredSend {
    pub key: u64,
    pub lane: Lane,
    /// The request it is, if it is one.
    pub call: Option<u64>,
    /// Who waits for it to be written, if anyone.
    pub id: u64,
    pub next: Fragment,
    pub rest: Fragments,
    /// Bytes of the whole payload.
    pub len: usize,
    /// Put in as soon as it is known that it is needed; taken out when the rest will not be sent.
    pub payload: Option<Box<dyn Deferred>>,
}

impl DeferredSend {
    /// Bytes that are still to be written.
    pub fn left(&self) -> usize {
        if self.payload.is_some() { self.len - self.next.range.start } else { 0 }
    }

    /// Whether the peer has seen some of it.
    fn is_begun(&self) -> bool {
        self.next.range.start > 0
    }
}

impl Link {
    /// Writes on with the lent message in front of a lane, `room` bytes at most and a fragment at least.
    /// Returns whether nothing of it is left to be written.
    pub(super) fn write_deferred(
        &mut self,
        ring: usize,
        key: u64,
        room: &mut usize,
    ) -> Result<bool, Corrupt> {
        let Some(place) = self.deferred_sends.iter().position(|lending| lending.key == key) else {
            return Ok(true);
        };
        let crc = self.peer.agreement.crc;
        while *room > 0 {
            let DeferredSend { next, payload, .. } = &self.deferred_sends[place];
            let bytes = payload.as_ref().and_then(|payload| payload.bytes());
            let Some(piece) = bytes.and_then(|bytes| bytes.get(next.range.clone())) else {
                return self.give_up(ring, place);
            };
            let parts = [next.options.as_bytes(), piece];
            let header = next.header.sealed(crc, &parts);
            if !self.lanes.outgoing.push(ring, header, &parts)? {
                return Ok(false);
            }
            *room = room.saturating_sub(piece.len());
            if let Some(id) = self.backlogs[ring].begin() {
                self.deferred_sends[place].id = id;
            }
            let lending = &mut self.deferred_sends[place];
            match lending.rest.next() {
                Some(fragment) => lending.next = fragment,
                None => {
                    let id = lending.id;
                    self.deferred_sends.remove(place);
                    self.settle(id, None);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The rest of a message will not be sent: its payload is gone, or its request has ended. Where the
    /// peer has seen some of it, it is told with a last frame that is empty.
    #[cold]
    fn give_up(&mut self, ring: usize, place: usize) -> Result<bool, Corrupt> {
        if self.deferred_sends[place].is_begun() {
            let header = self.deferred_sends[place].next.header;
            let header = header.with_more(false).with_options(false).with_len(0);
            let header = header.sealed(self.peer.agreement.crc, &[]);
            if !self.lanes.outgoing.push(ring, header, &[])? {
                return Ok(false);
            }
        }
        let Some(lending) = self.deferred_sends.remove(place) else { return Ok(true) };
        // One that could have been dropped until now is settled here, not as if it had been written.
        let id = self.backlogs[ring].begin().unwrap_or(lending.id);
        let message = "the payload was taken away before all of it was sent";
        self.settle(id, Some(Error::new(Code::InvalidArgument, message)));
        if let Some(call) = lending.call
            && self.session.cancel(call)
        {
            self.withdrawn.push(call);
        }
        Ok(true)
    }

    /// A request of ours has ended: what waits of it need not be sent.
    pub(super) fn withdraw(&mut self, call: u64) {
        let is_its = |lending: &DeferredSend| lending.call == Some(call);
        let Some(place) = self.deferred_sends.iter().position(is_its) else { return };
        if self.deferred_sends[place].is_begun() {
            self.deferred_sends[place].payload = None;
        } else {
            self.deferred_sends.remove(place);
        }
    }

    /// Leaves the rest of a message where it is, to be written when there is room.
    pub(super) fn defer_rest(
        &mut self,
        kind: Kind,
        lane: Lane,
        id: u64,
        len: usize,
        next: Fragment,
        rest: Fragments,
    ) {
        self.deferred_keys += 1;
        let key = self.deferred_keys;
        let call = (kind == Kind::Request).then_some(id);
        let id = if next.range.start > 0 && kind == Kind::OneWay { id } else { 0 };
        self.backlogs[lane as usize].mark(key);
        self.deferred_sends.push_back(DeferredSend {
            key,
            lane,
            call,
            id,
            next,
            rest,
            len,
            payload: None,
        });
        (self.waits, self.has_more) = (true, true);
    }
}
