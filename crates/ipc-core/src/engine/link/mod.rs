//! One open connection: a session over what carries its frames, with its doorbell.
//!
//! ```text
//!   sending    drafts -> session -> carrier, or what waits for room     (state: `writing`)
//!   receiving  carrier -> session -> host, or what is set aside         (state: `reading`)
//!   life       open, closing, over: the one place that decides
//! ```

mod alike;
mod deferred;
mod life;
mod liveness;
mod parked;
mod reading;
#[cfg(not(target_family = "wasm"))]
mod real_time;
mod receiving;
mod reservation;
mod run;
mod sending;
mod stats;
mod unpacking;
mod writing;

use std::sync::Arc;

use super::carrier::{Carrier, SharedLanes};
use super::connecting::Agreed;
use super::host::{Event, Host, LinkId, Peer};
use super::options::Bounds;
use super::os::bell::Bell;
use super::slab::Key;
use super::status::Shown;
use super::workload::{Share, Workload};
use crate::header::{Header, Kind};
use crate::latency::Histogram;
use crate::limits::{Lane, RINGS};
use crate::session::{Ending, Session};
use crate::time::Time;

pub use deferred::Deferred;
use life::Life;
use liveness::Liveness;
use reading::Reading;
#[cfg(not(target_family = "wasm"))]
pub use real_time::Taken;
pub use reservation::{Refusal, Reservation};
pub use run::Run;
pub use stats::{LinkStats, Totals};
use writing::{Waits, Writing};

/// What became of a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the ring.
    Written,
    /// It waits for room.
    Queued,
    /// Its lane was full and dropped it.
    Dropped,
    /// It answers a request that has ended, and was dropped.
    Unwanted,
}

/// Whether the engine polls a link, or its peer has to ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Attention {
    /// In the engine's hot list, and so many polls in a row have found nothing.
    Hot { idle_polls: u32 },
    /// Armed; and since when something has been unread without a ring, see the engine's backstop.
    Asleep { unrung_since: Option<Time> },
}

impl Attention {
    pub const HOT: Self = Self::Hot { idle_polls: 0 };
    pub const ASLEEP: Self = Self::Asleep { unrung_since: None };

    #[inline]
    pub fn is_hot(self) -> bool {
        matches!(self, Self::Hot { .. })
    }

    /// Polls in a row that have found nothing.
    pub fn idle_polls(self) -> u32 {
        match self {
            Self::Hot { idle_polls } => idle_polls,
            Self::Asleep { .. } => 0,
        }
    }

    /// Counts another one.
    #[inline]
    pub fn count_idle(&mut self) -> u32 {
        match self {
            Self::Hot { idle_polls } => {
                *idle_polls += 1;
                *idle_polls
            }
            Self::Asleep { .. } => 0,
        }
    }
}

pub(super) struct Link<C: Carrier = SharedLanes> {
    pub id: LinkId,
    pub peer: Peer,
    /// The listener it was accepted by.
    pub listener: Option<Key>,
    pub attention: Attention,
    /// In the engine's list of links to be flushed.
    pub unflushed: bool,
    /// In the engine's list of links to be looked at, or never in there.
    pub touched: bool,
    /// What was last shown of it to those who look from outside.
    pub shown: Option<Box<Shown>>,
    pub bell: Bell,
    carrier: C,
    session: Session,
    bounds: Bounds,
    life: Life,
    reading: Reading,
    writing: Writing,
    liveness: Liveness,
    /// Its part of what its server works on.
    share: Share,
}

impl Link {
    pub fn new(
        id: LinkId,
        agreed: Agreed,
        bell: Bell,
        bounds: Bounds,
        listener: Option<Key>,
    ) -> Self {
        let Agreed { side, segment, peer } = agreed;
        Self {
            id,
            listener,
            attention: Attention::ASLEEP,
            unflushed: false,
            touched: true,
            shown: None,
            bell,
            carrier: SharedLanes::over(segment, &peer.agreement, side),
            session: Session::new(peer.agreement.limits, peer.agreement.streams)
                .with_liveness(peer.agreement.liveness),
            bounds,
            life: Life::Open,
            reading: Reading::default(),
            writing: Writing::default(),
            liveness: Liveness::default(),
            share: Share::default(),
            peer,
        }
    }
}

impl<C: Carrier> Link<C> {
    /// Takes what has come behind the handshake.
    pub fn begin(&mut self, bytes: &[u8]) {
        if let Err(corrupt) = self.bell.begin(bytes) {
            self.break_off(corrupt.into());
        }
    }

    // ---- sleeping ----

    /// Whether there is any use in polling it: what is sent over a socket comes with an event.
    #[inline]
    pub fn is_polled(&self) -> bool {
        !self.bell.is_stream()
    }

    /// Asks the peer to ring, and sleeps if that was in time: if there is nothing to do. Returns
    /// whether it sleeps.
    #[inline]
    pub fn arm(&mut self) -> bool {
        let for_space = self.writing.is_waiting();
        let is_asleep = self.carrier.arm(for_space, || self.poll());
        if is_asleep {
            self.attention = Attention::ASLEEP;
        }
        is_asleep
    }

    /// The engine polls this link from now on. Returns whether it did not before.
    #[inline]
    pub fn wake(&mut self) -> bool {
        let was_asleep = !self.attention.is_hot();
        self.attention = Attention::HOT;
        if was_asleep {
            self.carrier.disarm();
        }
        was_asleep
    }

    /// Shows the peer what was written and gives back what was read; wakes it if it asked for that.
    #[inline]
    pub fn commit(&mut self) {
        if self.carrier.commit() {
            self.bell.ring();
        }
    }

    /// Whether what this side shares with the peer is gone.
    pub fn is_lost(&self) -> bool {
        self.carrier.is_lost()
    }

    // ---- the work of all clients of a server ----

    /// It shares a limit with the other clients of its server.
    pub fn share(&mut self, workload: Option<Arc<Workload>>) {
        self.share.join(workload);
    }

    /// Requests of the peer being worked on that are no streams.
    fn working(&self) -> u32 {
        self.session.serving_live() - self.session.serving_streams() - self.reading.parked.plain()
    }

    /// Brings what all clients have this side work on up to date.
    #[inline]
    pub fn count_work(&mut self) {
        if self.share.is_joined() {
            let now = self.working();
            self.share.update(now);
        }
    }

    /// Whether all clients together leave room for another request.
    #[inline]
    pub fn has_room_for_work(&self) -> bool {
        !self.share.is_joined() || self.share.has_room(self.id, self.working())
    }

    /// Whether nothing is read because all clients together have this side work on too much.
    #[inline]
    pub fn is_throttled(&self) -> bool {
        self.share.is_throttled
    }

    /// Reads on, if there is room. Returns whether there was.
    pub fn take_turn(&mut self) -> bool {
        if !self.has_room_for_work() {
            return false;
        }
        self.resume();
        if self.poll() {
            self.share.give_turn(self.id);
        }
        true
    }

    // ---- waiting synchronously ----

    /// Publishes that this side does nothing before request `id` is answered; 0: it does.
    pub fn wait_synchronously(&mut self, id: u64) {
        self.carrier.store_sync_wait(id);
        if self.bell.is_stream() {
            self.bell.ring();
        }
    }

    /// The request the peer waits for synchronously.
    pub fn peer_waits_for(&self) -> Option<u64> {
        Some(self.carrier.load_sync_wait()).filter(|id| *id != 0)
    }

    /// Whether the peer's request `id` has no answer yet. To be asked when the rings have been
    /// found empty after asking [`Self::peer_waits_for`].
    pub fn is_unanswered(&self, id: u64) -> bool {
        self.session.is_unanswered(id)
    }

    // ---- time ----

    /// Nothing is due before this.
    #[inline]
    pub fn due(&self) -> Time {
        self.session.due().min(self.writing.due()).min(self.life.due())
    }

    /// Ends what is due.
    pub fn expire(&mut self, now: Time, host: &mut impl Host) {
        let (mut calls, mut served) = (Vec::new(), Vec::new());
        self.session.expire(now, &mut calls, &mut served);
        self.report_ended(calls, Ending::Timeout, served, host);
        let has_dropped = self.drop_overdue(now);
        if self.writing.stalled_by <= now {
            self.end_stalled();
        }
        if let Err(corrupt) = self.write_controls().and_then(|()| self.write_waiting(host)) {
            self.break_off(corrupt.into());
        }
        self.count_work();
        self.commit();
        // Nothing else may be sent for long, and the peer is to know.
        if has_dropped && self.bell.is_stream() {
            self.bell.ring();
        }
    }

    fn report_ended(
        &mut self,
        calls: Vec<u64>,
        ending: Ending,
        served: Vec<u64>,
        host: &mut impl Host,
    ) {
        for id in calls {
            self.withdraw(id);
            host.event(Event::Ended { link: self.id, id, ending });
        }
        for id in served {
            self.reading.parked.report_abandoned(self.id, id, host);
            self.reading.is_freed = true;
        }
        self.reading.go_on_where_freed();
    }

    // ---- inspecting ----

    pub fn session(&self) -> &Session {
        &self.session
    }

    pub fn calls_live(&self) -> u32 {
        self.session.calls_live()
    }

    /// What it has counted, and how long its requests took.
    pub fn totals(&self) -> Totals {
        Totals::of(self.stats(), self.session.latencies())
    }

    pub fn stats(&self) -> LinkStats {
        let counters = self.session.counters();
        let (bytes_sent, bytes_received) = self.carrier.carried();
        LinkStats {
            sent: counters.sent.total(),
            received: counters.received.total(),
            sent_by: counters.sent,
            received_by: counters.received,
            bytes_sent,
            bytes_received,
            failed: counters.failed,
            timed_out: counters.timed_out,
            latency: self.session.latencies().map(Histogram::summary).unwrap_or_default(),
            late_replies: counters.late_replies,
            stale_requests: counters.stale_requests,
            refused: self.writing.refused,
            dropped: self.writing.drops.all,
            peer_dropped: std::array::from_fn(|lane| self.carrier.load_dropped(lane)),
            rings: self.bell.rings(),
            queued: Lane::ALL.iter().map(|lane| self.queued(*lane)).sum(),
            calls: self.session.calls_live(),
            serving: self.session.serving_live(),
        }
    }
}

fn control_header(code: u16, id: u64, len: usize) -> Header {
    Header::new(Kind::Control, code, id).with_len(len)
}

const _: () = assert!(RINGS == Lane::ALL.len() + 1, "every lane has a backlog and a buffer");
