//! Long payloads that stay where they are until there is room for them.

use std::collections::VecDeque;

use super::{Carrier, Link, Waits};
use crate::error::{Code, Corrupt, Error};
use crate::header::Kind;
use crate::limits::Lane;
use crate::session::Draft;
use crate::session::fragments::{Fragment, Fragments};

/// A payload that is not copied before there is room for it in a ring.
pub trait Deferred: Send {
    /// The bytes, the same every time; `None` if they are not there any more, which fails the
    /// message they belong to.
    fn bytes(&self) -> Option<&[u8]>;
}

/// Bytes that are written at once of what waits, so that what is urgent has its turn.
pub(super) const WRITTEN_MAX: usize = 256 << 10;

/// A message that is written piece by piece. In the backlog of its lane stands a marker with its
/// key.
struct DeferredSend {
    key: u64,
    lane: Lane,
    /// The request it is, if it is one.
    call: Option<u64>,
    /// The one-way message it is, if its outcome is to be reported.
    id: u64,
    next: Fragment,
    rest: Fragments,
    /// Bytes of the whole payload.
    len: usize,
    /// Put in as soon as it is known that it is needed; taken out when the rest will not be sent.
    payload: Option<Box<dyn Deferred>>,
}

impl DeferredSend {
    /// Bytes that are still to be written.
    fn left(&self) -> usize {
        if self.payload.is_some() { self.len - self.next.range.start } else { 0 }
    }

    /// Whether the peer has seen some of it.
    fn is_begun(&self) -> bool {
        self.next.range.start > 0
    }
}

/// Messages that are written piece by piece, in order.
#[derive(Default)]
pub(super) struct DeferredSends {
    sends: VecDeque<DeferredSend>,
    last_key: u64,
}

impl DeferredSends {
    /// The key of the message deferred last.
    pub fn last_key(&self) -> u64 {
        self.last_key
    }

    /// Keeps the payload of the message that was deferred last.
    pub fn keep(&mut self, payload: Box<dyn Deferred>) {
        if let Some(send) = self.sends.back_mut() {
            send.payload = Some(payload);
        }
    }

    /// Bytes that are still to be written to a lane.
    pub fn queued(&self, lane: Lane) -> usize {
        let of_lane = self.sends.iter().filter(|send| send.lane == lane);
        of_lane.map(DeferredSend::left).sum()
    }

    /// The message with this key was dropped.
    pub fn forget(&mut self, key: u64) {
        self.sends.retain(|send| send.key != key);
    }

    /// The ids of those whose outcome is to be reported.
    pub fn take_ids(&mut self) -> Vec<u64> {
        self.sends.drain(..).map(|send| send.id).collect()
    }
}

impl<C: Carrier> Link<C> {
    /// Writes on with the deferred message in front of a lane, `room` bytes at most and a fragment
    /// at least. Returns whether nothing of it is left to be written.
    pub(super) fn write_deferred(
        &mut self,
        ring: usize,
        key: u64,
        room: &mut usize,
    ) -> Result<bool, Corrupt> {
        let sends = &self.writing.deferred.sends;
        let Some(place) = sends.iter().position(|send| send.key == key) else {
            return Ok(true);
        };
        let crc = self.peer.agreement.crc;
        while *room > 0 {
            let DeferredSend { next, payload, .. } = &self.writing.deferred.sends[place];
            let bytes = payload.as_ref().and_then(|payload| payload.bytes());
            let Some(piece) = bytes.and_then(|bytes| bytes.get(next.range.clone())) else {
                return self.give_up(ring, place);
            };
            let parts = [next.options.as_bytes(), piece];
            let header = next.header.sealed(crc, &parts);
            if !self.carrier.push(ring, header, &parts)? {
                return Ok(false);
            }
            *room = room.saturating_sub(piece.len());
            let send = &mut self.writing.deferred.sends[place];
            if let Some(id) = self.writing.backlogs[ring].begin() {
                send.id = id;
            }
            match send.rest.next() {
                Some(fragment) => send.next = fragment,
                None => {
                    let id = send.id;
                    self.writing.deferred.sends.remove(place);
                    self.writing.settle(id, None);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The rest of a message will not be sent: its payload is gone, or its request has ended. If
    /// the peer has seen some of it, a last frame that is empty takes that back.
    #[cold]
    fn give_up(&mut self, ring: usize, place: usize) -> Result<bool, Corrupt> {
        let send = &self.writing.deferred.sends[place];
        if send.is_begun() {
            let header = send.next.header;
            let header = header.with_more(false).with_options(false).with_len(0);
            let header = header.sealed(self.peer.agreement.crc, &[]);
            if !self.carrier.push(ring, header, &[])? {
                return Ok(false);
            }
        }
        let Some(send) = self.writing.deferred.sends.remove(place) else { return Ok(true) };
        // One that could have been dropped until now is settled here, not as if it had been
        // written.
        let id = self.writing.backlogs[ring].begin().unwrap_or(send.id);
        let message = "the payload was taken away before all of it was sent";
        self.writing.settle(id, Some(Error::new(Code::InvalidArgument, message)));
        if let Some(call) = send.call
            && self.session.cancel(call)
        {
            self.writing.report_withdrawn(call);
        }
        Ok(true)
    }

    /// A request of ours has ended: what waits of it need not be sent.
    pub(super) fn withdraw(&mut self, call: u64) {
        let sends = &mut self.writing.deferred.sends;
        let is_its = |send: &DeferredSend| send.call == Some(call);
        let Some(place) = sends.iter().position(is_its) else { return };
        if sends[place].is_begun() {
            sends[place].payload = None;
        } else {
            sends.remove(place);
        }
    }

    /// Leaves the rest of a message where it is, to be written when there is room.
    pub(super) fn defer_rest(
        &mut self,
        draft: &Draft,
        len: usize,
        next: Fragment,
        rest: Fragments,
    ) {
        let writing = &mut self.writing;
        writing.deferred.last_key += 1;
        let key = writing.deferred.last_key;
        let call = (draft.kind == Kind::Request).then_some(draft.id);
        let is_begun = next.range.start > 0;
        let id = if is_begun && draft.kind == Kind::OneWay { draft.id } else { 0 };
        writing.backlogs[draft.lane as usize].mark(key);
        let (lane, payload) = (draft.lane, None);
        let send = DeferredSend { key, lane, call, id, next, rest, len, payload };
        writing.deferred.sends.push_back(send);
        writing.wait(Waits::ForTurn);
    }
}
