//! Whether the peer of a link is there: how long its answer to a PING takes, and whether it reads
//! what was written for it.
//!
//! ```text
//!         all was read: none
//!                ^
//!   vigil: begun --- half a span ---> probed by a PING --- half a span ---> unresponsive
//!            ^                              |                                    |
//!            +------------------------- it has read <----------------------------+
//! ```
//!
//! A vigil begins where this side goes to rest while the peer has not read everything, and costs
//! messages that flow nothing. The control ring is read whatever holds the lanes back, which is
//! why a peer that has too much to do reads the PING, and one that does not turn does not. The
//! peer's positions are only compared: the worst it can do is to look responsive or unresponsive.

use std::time::Duration;

use super::{Carrier, Link};
use crate::engine::host::{Event, Host};
use crate::error::Result;
use crate::limits::RINGS;
use crate::time::Time;

/// How often a peer is looked at that is unresponsive.
const RECHECK: Duration = Duration::from_millis(100);
/// If a look is late by this part of a span, this side was stopped or busy, maybe together with its
/// peer, and the peer gets a whole span from then on.
const LATE_SHARE: u32 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begun,
    Probed,
    Unresponsive,
}

/// What this side knows of whether its peer is there.
pub(super) struct Liveness {
    /// When to look at what the peer has read.
    due: Time,
    stage: Stage,
    /// How far it had read each ring at the last look.
    read: [u64; RINGS],
    /// When the PING that is on its way was sent.
    pinged_at: Time,
}

impl Default for Liveness {
    fn default() -> Self {
        let (due, pinged_at) = (Time::NEVER, Time::default());
        Self { due, stage: Stage::Begun, read: [0; RINGS], pinged_at }
    }
}

impl<C: Carrier> Link<C> {
    // ---- asking ----

    /// Asks the peer for a PONG. Returns its number.
    pub fn ping(&mut self) -> Result<u64> {
        if !self.life.may_send() {
            return Err(self.ended_error());
        }
        let (number, is_sent) = self.session.ping()?;
        if is_sent {
            self.liveness.pinged_at = Time::now();
            self.write_now();
        }
        Ok(number)
    }

    /// The peer has answered, and `again` it is asked.
    pub(super) fn ponged(&mut self, number: u64, again: bool, host: &mut impl Host) {
        let now = Time::now();
        let took = now.saturating_since(self.liveness.pinged_at);
        host.event(Event::Pong { link: self.id, number, took });
        if again {
            self.liveness.pinged_at = now;
            self.write_soon();
        }
    }

    /// Sends LEAVING. Returns whether the peer knows what that means.
    pub fn leave(&mut self) -> bool {
        let is_announced = self.life.may_send() && self.session.leave();
        if is_announced {
            self.write_now();
        }
        is_announced
    }

    fn write_now(&mut self) {
        if let Err(corrupt) = self.write_controls() {
            self.break_off(corrupt.into());
        }
        self.commit();
    }

    // ---- looking ----

    /// Whether the peer does not read.
    pub fn is_unresponsive(&self) -> bool {
        self.liveness.stage == Stage::Unresponsive
    }

    /// When a look is due.
    pub fn look_due(&self) -> Time {
        self.liveness.due
    }

    /// This side goes to rest. Returns when to look whether the peer has read what there is.
    #[inline]
    pub fn rest(&mut self) -> Time {
        if self.liveness.due == Time::NEVER { self.begin_vigil() } else { self.liveness.due }
    }

    fn begin_vigil(&mut self) -> Time {
        let after = self.bounds.unresponsive_after;
        if after == Duration::MAX || !self.life.may_send() {
            return Time::NEVER;
        }
        let Some(read) = self.carrier.unread() else { return Time::NEVER };
        self.liveness.read = read;
        self.liveness.stage = Stage::Begun;
        self.liveness.due = Time::after(after / 2);
        self.liveness.due
    }

    /// Looks at what the peer has read, if it is time to.
    pub fn look(&mut self, now: Time, host: &mut impl Host) {
        if self.liveness.due > now {
            return;
        }
        let unread = self.carrier.unread().filter(|_| self.life.may_send());
        let was_unresponsive = self.is_unresponsive();
        let after = self.bounds.unresponsive_after;
        let Some(read) = unread else {
            self.liveness.due = Time::NEVER;
            return self.judge(Stage::Begun, was_unresponsive, host);
        };
        let has_read = std::mem::replace(&mut self.liveness.read, read) != read;
        let is_late = now.saturating_since(self.liveness.due) > after / LATE_SHARE;
        let stage = match self.liveness.stage {
            _ if has_read => Stage::Begun,
            Stage::Unresponsive => Stage::Unresponsive,
            _ if is_late => Stage::Begun,
            Stage::Begun => self.probe(),
            Stage::Probed => Stage::Unresponsive,
        };
        self.liveness.due = now + if stage == Stage::Unresponsive { RECHECK } else { after / 2 };
        self.judge(stage, was_unresponsive, host);
    }

    /// A PING is in the control ring from now on, unless the peer knows none.
    fn probe(&mut self) -> Stage {
        // It fails if the peer knows none; what that has read of the lanes has to do then.
        drop(self.ping());
        Stage::Probed
    }

    fn judge(&mut self, stage: Stage, was_unresponsive: bool, host: &mut impl Host) {
        self.liveness.stage = stage;
        match (was_unresponsive, self.is_unresponsive()) {
            (false, true) => host.event(Event::Unresponsive { link: self.id }),
            (true, false) => host.event(Event::Responsive { link: self.id }),
            _ => {}
        }
    }
}
