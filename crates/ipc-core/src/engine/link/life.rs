//! How far a connection is between open and over. Here, and nowhere else, it is decided that a link
//! is over, and what that leaves behind is cleaned up.

use std::time::Duration;

use super::{Carrier, Link, control_header};
use crate::engine::backlog::Backlog;
use crate::engine::host::{Event, Host};
use crate::error::{Code, Corrupt, Error};
use crate::header::Kind;
use crate::lanes::Scope;
use crate::limits::Lane;
use crate::session::{Ending, control};
use crate::time::{Now, Time};

/// How long a peer may take from closing its first lane to closing its last: longer than what
/// waited there may be written for.
const LANES_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a connection stands.
#[derive(Debug)]
pub(super) enum Life {
    /// Both sides send.
    Open,
    /// The same, but this side makes no new requests, and the host is to know once nothing is in
    /// flight.
    Quiescing,
    /// The same, and the host knows.
    Quiescent,
    /// The peer has closed some of its lanes, and has to have closed all of them by then.
    PeerClosing { by: Time },
    /// The peer has closed all of its lanes: what it sent is delivered first.
    PeerClosed,
    /// This side closes: what waits is written first, but not later than this. If it `leaves`, the
    /// peer is to be sent LEAVING and CLOSE behind that.
    Closing { deadline: Time, leaves: bool },
    /// The peer's end of file was seen: what is in the rings is read first.
    PeerGone,
    /// The peer broke the protocol: nothing more is read or written.
    Broken(Error),
}

impl Life {
    /// Whether this side may send whatever it has.
    #[inline]
    pub fn may_send_all(&self) -> bool {
        matches!(self, Self::Open | Self::PeerClosing { .. } | Self::PeerClosed)
    }

    /// Whether it may send at all.
    pub fn may_send(&self) -> bool {
        !matches!(self, Self::Closing { .. } | Self::PeerGone | Self::Broken(_))
    }

    /// Whether what the peer sends is read.
    #[inline]
    pub fn may_read(&self) -> bool {
        !matches!(self, Self::Closing { .. } | Self::Broken(_))
    }

    /// Whether the peer takes no answers any more.
    pub fn takes_no_answers(&self) -> bool {
        matches!(self, Self::PeerClosed | Self::PeerGone)
    }

    /// Whether the link may be over without any deadline having passed.
    #[inline]
    pub fn is_ending(&self) -> bool {
        !matches!(self, Self::Open | Self::PeerClosing { .. } | Self::Quiescent)
    }

    #[inline]
    pub fn due(&self) -> Time {
        match self {
            Self::PeerClosing { by } => *by,
            Self::Closing { deadline, .. } => *deadline,
            _ => Time::NEVER,
        }
    }

    /// The peer has closed one of its lanes.
    pub fn lane_closed(&mut self) {
        if matches!(self, Self::Open | Self::Quiescing | Self::Quiescent) {
            *self = Self::PeerClosing { by: Time::after(LANES_CLOSE_TIMEOUT) };
        }
    }

    /// The peer has closed the last of its lanes.
    pub fn all_lanes_closed(&mut self) {
        if self.may_send() {
            *self = Self::PeerClosed;
        }
    }
}

impl<C: Carrier> Link<C> {
    /// Starts to close: nothing new is taken, what waits is still written. One that `leaves` sends
    /// LEAVING before CLOSE, so that the peer looks for a successor.
    pub fn close(&mut self, deadline: Time, leaves: bool, host: &mut impl Host) {
        if matches!(self.life, Life::PeerGone) {
            // There is nobody to write to, and what the peer has sent may be held back for ever.
            self.end_all(Ending::Closed, host);
            self.life = Life::Closing { deadline: Time::default(), leaves: false };
            return;
        }
        if !self.life.may_send() {
            return;
        }
        self.end_all(Ending::Closed, host);
        self.life = Life::Closing { deadline, leaves };
        let closed = if leaves { self.leave_now() } else { self.close_lanes() };
        if let Err(corrupt) = closed {
            self.break_off(corrupt.into());
        }
        self.commit();
    }

    /// Sends LEAVING and CLOSE, if that is to be done and all that has waited is written: a peer
    /// that was sent LEAVING closes once it has read what is there, and must not be closed on while
    /// more is to come.
    pub(super) fn leave_now(&mut self) -> Result<(), Corrupt> {
        if !matches!(self.life, Life::Closing { leaves: true, .. }) || self.has_backlog() {
            return Ok(());
        }
        self.session.leave();
        self.write_controls()?;
        if self.session.next_control().is_some() {
            return Ok(());
        }
        // Published by itself: a peer that sees CLOSE has seen LEAVING.
        self.commit();
        if let Life::Closing { leaves, .. } = &mut self.life {
            *leaves = false;
        }
        self.close_lanes()
    }

    /// A marker in every lane, behind what waits there: nothing comes after it.
    fn close_lanes(&mut self) -> Result<(), Corrupt> {
        let header = control_header(control::CLOSE, 0, 0);
        Lane::ALL.iter().try_for_each(|lane| self.put(*lane as usize, header, &[]).map(drop))
    }

    /// The peer's end of the socket is closed. What it sent last may still be in the rings.
    pub fn peer_gone(&mut self, host: &mut impl Host) {
        match &mut self.life {
            life if life.may_send() => *life = Life::PeerGone,
            // What waits has no reader any more.
            Life::Closing { deadline, .. } => return *deadline = Time::default(),
            _ => return,
        }
        // Requests were held back for answers the peer does not take any more.
        self.resume();
        // Our own requests may still find their answers in the rings.
        let mut served = Vec::new();
        self.session.abandon_serving(&mut served);
        self.report_ended(Vec::new(), Ending::PeerLost, served, host);
    }

    /// The peer broke the protocol: nothing of it is read any more.
    pub fn break_off(&mut self, error: Error) {
        if !matches!(self.life, Life::Broken(_)) {
            self.life = Life::Broken(error);
        }
    }

    /// Whether the connection is ending, so that [`Self::is_over`] should be asked.
    #[inline]
    pub fn is_ending(&self) -> bool {
        self.life.is_ending()
    }

    /// Whether the connection is over now. Then [`Self::finish`] ends it.
    pub fn is_over(&self, now: &Now) -> bool {
        self.is_over_at(|| now.get())
    }

    /// The same without the deadlines: whether there is nothing left to wait for.
    pub(super) fn has_nothing_left(&self) -> bool {
        match self.life {
            Life::Quiescing => self.is_idle(),
            _ => self.is_over_at(Time::default),
        }
    }

    /// Ends what this side asked a peer that is gone or has closed, once all that it has sent is
    /// read: the host may wait for just that before it takes what is held back, and the connection
    /// is over only after that.
    pub fn end_unanswered(&mut self, host: &mut impl Host) {
        if self.life.takes_no_answers()
            && self.session.calls_live() > 0
            && self.reading.unpacking.lanes() == 0
            && !self.carrier.has_any(Scope::ALL)
        {
            let mut calls = Vec::new();
            self.session.abandon_calls(&mut calls);
            self.report_ended(calls, Ending::PeerLost, Vec::new(), host);
        }
    }

    // ---- idleness ----

    /// Whether nothing is in flight in either direction, and nothing waits here.
    pub fn is_idle(&self) -> bool {
        self.session.calls_live() == 0
            && self.session.serving_live() == 0
            && !self.writing.is_waiting()
            && self.reading.is_drained()
            && !self.carrier.has_any(Scope::ALL)
    }

    /// No more requests of this side are taken, and [`Event::Idle`] is to come; the end of the
    /// connection comes in place of it.
    pub fn quiesce(&mut self) {
        if matches!(self.life, Life::Open | Life::Quiescent) {
            self.life = Life::Quiescing;
        }
    }

    /// Reports that it is idle, if that was asked for and is so.
    pub fn report_idle(&mut self, host: &mut impl Host) {
        if matches!(self.life, Life::Quiescing) && self.is_idle() {
            self.life = Life::Quiescent;
            host.event(Event::Idle { link: self.id });
        }
    }

    fn is_over_at(&self, now: impl FnOnce() -> Time) -> bool {
        match self.life {
            Life::Open | Life::Quiescing | Life::Quiescent => false,
            Life::PeerClosing { by } => by <= now(),
            // A LEAVING says what its end means.
            Life::PeerClosed => self.reading.is_drained() && !self.carrier.has_controls(),
            // What is in the rings, or in the socket, stays there for the peer to read.
            Life::Closing { deadline, leaves } => {
                let is_written = !self.has_backlog() && !self.bell.has_unsent();
                (!leaves && is_written) || deadline <= now()
            }
            // What is left in the rings is read first, if it takes the host's time.
            Life::PeerGone => !self.carrier.has_any(Scope::ALL) && self.reading.is_drained(),
            Life::Broken(_) => true,
        }
    }

    /// Ends everything that still waits for something, and reports it.
    pub fn finish(mut self, host: &mut impl Host) {
        self.share.leave(self.id);
        let undelivered = Lane::ALL
            .map(|lane| self.carrier.undelivered(lane as usize) + self.queued(lane) as u64);
        self.end_all(Ending::PeerLost, host);
        for buffer in self.reading.take_buffers() {
            host.discard(buffer);
        }
        let dropped = self.writing.backlogs.iter_mut();
        let dropped = dropped.flat_map(|lane| std::iter::from_fn(|| Backlog::drop_oldest(lane)));
        let dropped: Vec<_> = dropped.map(|(id, _)| id).collect();
        for id in dropped.into_iter().chain(self.writing.deferred.take_ids()) {
            let error = self.ended_error();
            self.writing.settle(id, Some(error));
        }
        self.report_sent(host);
        host.ended(self.id, self.totals());
        let is_closed = self.session.is_peer_closed();
        let error = match self.life {
            Life::Broken(error) => Some(error),
            Life::PeerGone if !is_closed => {
                Some(Error::new(Code::PeerLost, "the peer ended without closing the connection"))
            }
            Life::PeerClosing { .. } => {
                Some(Error::new(Code::PeerLost, "the peer has closed some of its lanes only"))
            }
            _ => None,
        };
        host.event(Event::Closed { link: self.id, error, undelivered });
    }

    fn end_all(&mut self, ending: Ending, host: &mut impl Host) {
        let (mut calls, mut served) = (Vec::new(), Vec::new());
        self.session.end_all(&mut calls, &mut served);
        self.report_ended(calls, ending, served, host);
    }

    /// Why a message of this kind cannot be sent now, where not all can.
    #[cold]
    pub(super) fn refusal(&self, kind: Kind) -> Option<Error> {
        if !self.life.may_send() {
            return Some(self.ended_error());
        }
        let side = if self.session.peer_leaves() { "the peer" } else { "this side" };
        let message = || format!("{side} is leaving, and no new requests are made");
        (kind == Kind::Request).then(|| Error::new(Code::Closed, message()))
    }

    /// Why nothing can be sent any more.
    #[cold]
    pub(super) fn ended_error(&self) -> Error {
        match &self.life {
            Life::PeerGone => Error::new(Code::PeerLost, "the peer went away"),
            Life::Broken(error) => Error::new(Code::PeerLost, error.to_string()),
            _ => Error::new(Code::Closed, "the connection is closed"),
        }
    }
}
