//! What of a peer's messages may be read now, and what was read and not delivered.

use super::life::Life;
use super::parked::Parked;
use super::unpacking::Unpacking;
use super::{Carrier, Link};
use crate::engine::host::{BufferId, Event, Host, Readiness};
use crate::lanes::Scope;
use crate::limits::Lane;

/// What becomes of messages in the lanes. Control messages are always read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Gate {
    /// All are read and delivered.
    #[default]
    Open,
    /// All are read, because a handler may wait for what lies behind what it has no room for.
    /// Requests are set aside, and so are one-way messages if `events`.
    Sorting { events: bool },
    /// None are read. Of those that were read already, the same are set aside.
    Shut { events: bool },
    /// None are read, and nothing that was read already is delivered: the host takes nothing.
    Closed,
    /// The thread under a deadline reads and delivers them, and the other one none.
    Elsewhere,
}

impl Gate {
    /// Whether messages in the lanes are left there.
    #[inline]
    pub fn is_shut(self) -> bool {
        matches!(self, Self::Shut { .. } | Self::Closed | Self::Elsewhere)
    }

    /// Whether nothing has to be set aside.
    #[inline]
    pub fn delivers_all(self) -> bool {
        matches!(self, Self::Open | Self::Elsewhere)
    }

    /// Whether one-way messages are set aside.
    pub fn holds_events(self) -> bool {
        matches!(self, Self::Sorting { events: true } | Self::Shut { events: true } | Self::Closed)
    }

    /// The thread under a deadline asks for the next message, whatever the other has to leave.
    pub fn read_elsewhere(&mut self) {
        *self = if self.is_shut() { Self::Elsewhere } else { Self::Open };
    }
}

/// The state of reading.
#[derive(Default)]
pub(super) struct Reading {
    pub gate: Gate,
    /// Messages that arrived compressed, and are not unpacked yet.
    pub unpacking: Unpacking,
    /// Messages that may not be delivered yet.
    pub parked: Parked,
    /// Buffers of the host for the messages being assembled.
    pub buffers: [Option<BufferId>; Lane::ALL.len()],
    /// There is something in `unpacking` or `parked` to go on with.
    pub has_work: bool,
    /// A request has ended without an answer, which makes room for another.
    pub is_freed: bool,
    /// Nothing is read because too much waits for the peer.
    is_crowded: bool,
    /// The host knows that more items wait for the application to read them than may.
    reported_unread: bool,
}

impl Reading {
    /// What of the rings may be read now.
    #[inline]
    pub fn scope(&self) -> Scope {
        let scope = if self.gate.is_shut() { Scope::CONTROL } else { Scope::ALL };
        scope.without(self.unpacking.lanes())
    }

    /// What was held back may be delivered by now, so it has to be tried.
    #[inline]
    pub fn open_gate(&mut self) {
        self.gate = Gate::Open;
        self.has_work = !self.is_drained();
    }

    /// The same, if a request has ended without an answer.
    #[inline]
    pub fn go_on_where_freed(&mut self) {
        if std::mem::take(&mut self.is_freed) {
            self.open_gate();
        }
    }

    /// Whether all that is read is delivered at once.
    #[inline]
    pub fn delivers_all(&self) -> bool {
        self.gate.delivers_all() && self.is_drained()
    }

    /// Whether nothing that was read is kept from the host.
    #[inline]
    pub fn is_drained(&self) -> bool {
        self.parked.is_empty() && self.unpacking.lanes() == 0
    }

    /// The host's buffers of everything that was not delivered.
    pub fn take_buffers(&mut self) -> Vec<BufferId> {
        let Self { buffers, unpacking, parked, .. } = self;
        let assembled = buffers.iter_mut().filter_map(Option::take);
        assembled.chain(unpacking.take_buffers()).chain(parked.take_buffers()).collect()
    }
}

impl<C: Carrier> Link<C> {
    /// The host may be ready again for what was held back.
    pub fn resume(&mut self) {
        self.reading.open_gate();
        self.share.is_throttled = false;
    }

    /// Finds out what may be delivered now, and with that, what may be read.
    #[inline]
    pub(super) fn set_gate(&mut self, host: &mut impl Host) {
        // A peer that is gone takes no answers, so its requests are not held back for them.
        let readiness = host.readiness(self.id);
        let is_busy = (self.session.serving_live() >= self.bounds.serving_max
            || self.writing.is_waiting()
            || self.share.is_joined())
            && self.is_busy();
        let has_unread = self.session.unread() > self.bounds.unread_max;
        if has_unread != self.reading.reported_unread {
            self.reading.reported_unread = has_unread;
            host.event(Event::Unread { link: self.id, is_too_much: has_unread });
        }
        // The application has to read what has arrived before it can be given more of anything.
        let readiness = if has_unread { Readiness::Nothing } else { readiness };
        if is_busy || readiness != Readiness::All {
            self.narrow_gate(readiness);
        } else if self.reading.gate != Gate::Open {
            self.reading.open_gate();
        }
    }

    #[cold]
    fn narrow_gate(&mut self, readiness: Readiness) {
        if readiness == Readiness::Nothing {
            self.reading.gate = Gate::Closed;
            return;
        }
        let events = readiness != Readiness::All;
        // Behind what is held back may lie what a handler waits for.
        let is_awaiting = self.session.calls_live() > 0 || self.session.serving_streams() > 0;
        // What a peer that is gone has sent is bounded by its rings.
        let has_room = self.reading.parked.len() <= self.bounds.backlog_max
            || matches!(self.life, Life::PeerGone);
        let reads_behind = is_awaiting && has_room;
        let gate = if reads_behind { Gate::Sorting { events } } else { Gate::Shut { events } };
        self.reading.gate = gate;
    }

    /// Whether there is enough to work on. Streams do not count: their items lie behind requests.
    #[cold]
    fn is_busy(&mut self) -> bool {
        if self.life.takes_no_answers() {
            self.share.is_throttled = false;
            return false;
        }
        self.share.is_throttled = !self.has_room_for_work();
        if self.share.is_throttled || self.working() >= self.bounds.serving_max {
            return true;
        }
        self.reading.is_crowded = self.waiting_len() > self.bounds.backlog_max;
        self.reading.is_crowded
    }

    /// Less may wait for the peer than did. If it was too much, the peer may have this side work
    /// for it again.
    #[inline]
    pub(super) fn go_on_where_uncrowded(&mut self) {
        if self.reading.is_crowded && self.waiting_len() <= self.bounds.backlog_max {
            self.reading.is_crowded = false;
            self.reading.open_gate();
        }
    }
}
