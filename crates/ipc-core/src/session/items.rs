//! The part of a session that is about streams: what of their items may be sent, what has come, and
//! what is granted for it.

use super::slots::Slots;
use super::stream::{Stream, item_cost};
use super::{ControlMessage, Draft, Message, Session};
use crate::error::{Code, Corrupt, Error, Result};
use crate::header::Kind;
use crate::limits::{Lane, WINDOW_MAX, WINDOW_MIN};

/// Where items go, seen from this side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Out,
    In,
}

fn is_window(window: u32) -> bool {
    (WINDOW_MIN..=WINDOW_MAX).contains(&window)
}

impl Session {
    /// What may still be sent of the items of a request, of this kind: an item may while this is
    /// not 0. `None`: the request has ended.
    pub fn credit(&mut self, kind: Kind, id: u64) -> Option<u64> {
        self.stream(kind, id, Direction::Out).map(|stream| stream.credit())
    }

    /// The application is done with items that came, of this cost in all; see [`item_cost`].
    /// Returns whether there is a control message to be written now.
    pub fn consumed(&mut self, kind: Kind, id: u64, cost: u64) -> bool {
        let Some(stream) = self.stream(kind, id, Direction::In) else { return false };
        let before = stream.unread();
        let due = stream.consume(cost);
        let read = before - stream.unread();
        self.slots_of(kind, Direction::In).items_read(read);
        if due {
            self.controls.push_back(ControlMessage::Grant { kind, id });
        }
        due
    }

    /// The credit of a [`ControlMessage::Grant`], as it stands now; `None` when it is not needed
    /// any more.
    pub fn take_grant(&mut self, kind: Kind, id: u64) -> Option<u64> {
        self.stream(kind, id, Direction::In).map(Stream::take_grant)
    }

    /// No more items go with our request. Returns whether the peer has to learn that.
    pub fn end_items(&mut self, id: u64) -> bool {
        let stream = self.calls.stream(id);
        stream.is_some_and(|stream| !std::mem::replace(&mut stream.ended, true))
    }

    /// The peer grants credit. Returns all it has granted, if that can be used.
    pub fn granted(&mut self, kind: Kind, id: u64, granted: u64) -> Result<Option<u64>, Corrupt> {
        let Some(stream) = self.stream(kind, id, Direction::Out) else {
            let of = if kind == Kind::RequestItem { &self.calls } else { &self.serving };
            return if of.is_live(id) { Err(Corrupt::NoStream { id }) } else { Ok(None) };
        };
        stream.grant(granted).map(Some).ok_or(Corrupt::Grant { id, granted })
    }

    /// Items that go with requests are sent by the caller, the others by the server.
    #[inline]
    fn stream(&mut self, kind: Kind, id: u64, direction: Direction) -> Option<&mut Stream> {
        self.slots_of(kind, direction).stream(id)
    }

    #[inline]
    fn slots_of(&mut self, kind: Kind, direction: Direction) -> &mut Slots {
        let ours = (kind == Kind::RequestItem) == (direction == Direction::Out);
        if ours { &mut self.calls } else { &mut self.serving }
    }

    #[cold]
    pub(super) fn check_stream(&self, draft: &Draft) -> Result<()> {
        if !self.streams {
            return Err(Error::new(Code::Feature, "the peer knows no streams"));
        }
        match draft.window {
            Some(window) if !is_window(window) => {
                let message =
                    format!("window must be {WINDOW_MIN} to {WINDOW_MAX} bytes, got {window}");
                Err(Error::new(Code::InvalidArgument, message))
            }
            _ => Ok(()),
        }
    }

    /// Returns whether it is wanted.
    #[inline]
    pub(super) fn send_item(&mut self, draft: &Draft, len: usize) -> Result<bool> {
        let Some(stream) = self.stream(draft.kind, draft.id, Direction::Out) else {
            let calls = if draft.kind == Kind::RequestItem { &self.calls } else { &self.serving };
            if calls.is_live(draft.id) {
                return Err(Error::new(Code::InvalidArgument, "an item of what is no stream"));
            }
            return Ok(false);
        };
        if draft.kind == Kind::RequestItem && stream.ended {
            return Err(Error::new(Code::InvalidArgument, "an item after the last"));
        }
        if !stream.take_credit(len) {
            return Err(Error::new(Code::Full, "the window is used up: wait for credit"));
        }
        Ok(true)
    }

    /// Whether an item may be sent like the one before it.
    #[inline]
    pub fn may_send_item(&mut self, kind: Kind, id: u64) -> bool {
        let Some(stream) = self.stream(kind, id, Direction::Out) else { return false };
        // The end of the items that go with a request is no end of those that come back.
        let has_ended = stream.ended && kind == Kind::RequestItem;
        !has_ended && stream.credit() > 0
    }

    /// A message like the one before it was sent: an item that may be, or a one-way message.
    #[inline]
    pub fn sent_alike(&mut self, kind: Kind, lane: Lane, id: u64, len: usize) {
        self.counters.sent.count(kind, lane);
        if kind.is_item()
            && let Some(stream) = self.stream(kind, id, Direction::Out)
        {
            stream.take_credit(len);
        }
    }

    #[inline]
    pub(super) fn receive_item(&mut self) -> Result<bool, Corrupt> {
        let Message { kind, id, len, .. } = self.message;
        if self.take_in_item(kind, id, len) { Ok(true) } else { self.receive_odd_item() }
    }

    /// Takes in an item that is wanted and has credit. False: it is not, or has none.
    #[inline]
    pub(super) fn take_in_item(&mut self, kind: Kind, id: u64, len: usize) -> bool {
        let Some(stream) = self.stream(kind, id, Direction::In) else { return false };
        if (stream.ended && kind == Kind::RequestItem) || !stream.receive(len) {
            return false;
        }
        self.slots_of(kind, Direction::In).item_arrived(item_cost(len));
        true
    }

    /// What is to be said of an item that was not taken in.
    #[cold]
    fn receive_odd_item(&mut self) -> Result<bool, Corrupt> {
        let Message { kind, id, len, .. } = self.message;
        match self.stream(kind, id, Direction::In) {
            None => self.receive_late_item(),
            Some(stream) if stream.ended && kind == Kind::RequestItem => {
                Err(Corrupt::NoStream { id })
            }
            Some(_) => Err(Corrupt::Credit { id, len }),
        }
    }

    /// It is not wanted any more; but a request that is in flight has no items it was not made for.
    #[cold]
    fn receive_late_item(&mut self) -> Result<bool, Corrupt> {
        let Message { kind, id, .. } = self.message;
        let (of, late) = match kind {
            Kind::ReplyItem => (&self.calls, &mut self.counters.late_replies),
            _ => (&self.serving, &mut self.counters.stale_requests),
        };
        if of.is_live(id) {
            return Err(Corrupt::NoStream { id });
        }
        of.check(id)?;
        *late += 1;
        Ok(false)
    }

    #[cold]
    pub(super) fn check_window(&self) -> Result<(), Corrupt> {
        let Message { kind, window, .. } = self.message;
        let window = window.unwrap_or(0);
        if kind == Kind::Request && self.streams && is_window(window) {
            return Ok(());
        }
        Err(Corrupt::Window { window })
    }
}
