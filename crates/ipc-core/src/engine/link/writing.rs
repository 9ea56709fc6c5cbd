//! What waits for room, and writing it as room comes.

use super::deferred::{DeferredSends, WRITTEN_MAX};
use super::{Carrier, Link, control_header};
use crate::engine::backlog::{Backlog, Front};
use crate::engine::host::{Event, Host};
use crate::engine::options::Overflow;
use crate::error::{Corrupt, Error};
use crate::header::{Header, Kind, frame_len};
use crate::limits::{CONTROL, Lane};
use crate::session::{ControlMessage, Draft, Ending, control};
use crate::time::Time;

/// Whether anything waits in private memory to be written or reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Waits {
    /// Nothing does.
    #[default]
    Nothing,
    /// Frames or control messages, until the peer makes room.
    ForRoom,
    /// There is room, or something to report: not all is done at once, so that others have their
    /// turn.
    ForTurn,
}

/// Messages dropped by the lanes of this side.
#[derive(Default)]
pub(super) struct Drops {
    /// By lane.
    pub all: [u64; Lane::ALL.len()],
    /// Those of which the host does not know yet.
    unreported: [u64; Lane::ALL.len()],
}

/// The state of writing.
pub(super) struct Writing {
    /// Frames that wait for room.
    pub backlogs: [Backlog; Lane::ALL.len()],
    /// Messages whose markers stand in the backlogs.
    pub deferred: DeferredSends,
    pub waits: Waits,
    /// Much more waits than may, and the connection ends then unless the peer reads some of it.
    pub stalled_by: Time,
    /// No message is dropped for having waited too long before this.
    drops_due: Time,
    pub drops: Drops,
    /// Messages refused because their lane was full.
    pub refused: u64,
    /// Lanes whose emptiness is to be reported to the host, by bit.
    drain_wanted: u8,
    /// One-way messages that waited and whose outcome is to be reported: ids, and errors of those
    /// that were dropped.
    sent: Vec<(u64, Option<Error>)>,
    /// Requests that ended because their payloads were taken away, to be reported.
    withdrawn: Vec<u64>,
    /// The epoch of the engine's names that the peer knows.
    pub names_epoch: u16,
}

impl Default for Writing {
    fn default() -> Self {
        Self {
            backlogs: Default::default(),
            deferred: DeferredSends::default(),
            waits: Waits::Nothing,
            stalled_by: Time::NEVER,
            drops_due: Time::NEVER,
            drops: Drops::default(),
            refused: 0,
            drain_wanted: 0,
            sent: Vec::new(),
            withdrawn: Vec::new(),
            names_epoch: 0,
        }
    }
}

impl Writing {
    #[inline]
    pub fn is_waiting(&self) -> bool {
        self.waits != Waits::Nothing
    }

    /// Something waits, at least for this.
    #[inline]
    pub fn wait(&mut self, waits: Waits) {
        self.waits = self.waits.max(waits);
    }

    #[inline]
    pub fn due(&self) -> Time {
        self.drops_due.min(self.stalled_by)
    }

    /// Whether frames wait for room.
    #[inline]
    pub fn has_backlog(&self) -> bool {
        self.backlogs.iter().any(|backlog| !backlog.is_empty())
    }

    /// The outcome of a message that waited; nothing is to be reported of id 0.
    pub fn settle(&mut self, id: u64, error: Option<Error>) {
        if id != 0 {
            self.sent.push((id, error));
        }
    }

    /// A request has ended because its payload was taken away.
    pub fn report_withdrawn(&mut self, call: u64) {
        self.withdrawn.push(call);
    }
}

impl<C: Carrier> Link<C> {
    /// Writes a frame to the ring, or behind what already waits for it. Returns whether it is in
    /// the ring.
    #[inline]
    pub(super) fn put(
        &mut self,
        ring: usize,
        header: Header,
        parts: &[&[u8]],
    ) -> Result<bool, Corrupt> {
        let header = header.sealed(self.peer.agreement.crc, parts);
        let backlog = &mut self.writing.backlogs[ring];
        if backlog.is_empty() && self.carrier.push(ring, header, parts)? {
            return Ok(true);
        }
        backlog.push(header, parts);
        self.writing.wait(Waits::ForRoom);
        Ok(false)
    }

    /// Whether something waits for room and there may be some.
    #[inline]
    pub(super) fn has_space(&self) -> bool {
        let has_space = |(ring, backlog): (usize, &Backlog)| {
            !backlog.is_empty() && self.carrier.has_new_space(ring)
        };
        self.writing.backlogs.iter().enumerate().any(has_space)
            || (self.session.next_control().is_some() && self.carrier.has_new_space(CONTROL))
    }

    /// Whether frames wait for room in private memory.
    #[inline]
    pub fn has_backlog(&self) -> bool {
        self.writing.has_backlog()
    }

    /// Bytes that wait for room in private memory of this link.
    pub(super) fn waiting_len(&self) -> usize {
        let backlogs = self.writing.backlogs.iter().map(Backlog::len);
        backlogs.sum::<usize>() + self.session.controls_len()
    }

    /// Bytes that wait for room in a lane.
    pub fn queued(&self, lane: Lane) -> usize {
        self.writing.deferred.queued(lane) + self.writing.backlogs[lane as usize].len()
    }

    /// Asks for [`Event::Drained`] when nothing waits in a lane any more. Returns whether anything
    /// does.
    pub fn want_drain(&mut self, lane: Lane) -> bool {
        let waits = !self.writing.backlogs[lane as usize].is_empty();
        self.writing.drain_wanted |= u8::from(waits) << lane as u8;
        waits
    }

    // ---- writing what waits ----

    /// Writes what waited for room: control messages first, then the lanes by priority.
    #[inline]
    pub(super) fn write_waiting(&mut self, host: &mut impl Host) -> Result<(), Corrupt> {
        if !self.writing.is_waiting() {
            return Ok(());
        }
        self.write_controls()?;
        self.write_backlogs()?;
        self.leave_now()?;
        if !self.has_backlog() && self.session.next_control().is_none() {
            self.writing.waits = Waits::Nothing;
        }
        self.go_on_where_uncrowded();
        self.report_written(host);
        Ok(())
    }

    /// Writes what waits for as long as there is room, however much that is, and commits.
    #[cold]
    pub fn write_out(&mut self, host: &mut impl Host) {
        while self.write_waiting(host).is_ok() && self.writing.waits == Waits::ForTurn {}
        self.commit();
    }

    /// Writes what fits of what waits in the lanes, as much as is written at once.
    pub(super) fn write_backlogs(&mut self) -> Result<(), Corrupt> {
        let mut room = WRITTEN_MAX;
        for ring in 0..self.writing.backlogs.len() {
            self.write_backlog(ring, &mut room)?;
        }
        let has_more = room == 0 && self.has_backlog();
        self.writing.waits = if has_more { Waits::ForTurn } else { Waits::ForRoom };
        Ok(())
    }

    fn write_backlog(&mut self, ring: usize, room: &mut usize) -> Result<(), Corrupt> {
        while *room > 0
            && let Some(front) = self.writing.backlogs[ring].front()
        {
            let is_written = match front {
                Front::Frame(header, payload) => {
                    let is_written = self.carrier.push(ring, header, &[payload])?;
                    // What found no room must not be taken for a turn that is over.
                    *room = room.saturating_sub(if is_written { payload.len() } else { 0 });
                    is_written
                }
                Front::Marker(key) => self.write_deferred(ring, key, room)?,
            };
            if !is_written {
                break;
            }
            self.writing.stalled_by = Time::NEVER;
            if let Some(id) = self.writing.backlogs[ring].pop() {
                self.writing.settle(id, None);
            }
        }
        Ok(())
    }

    /// There is a control message to be written, in this turn or the next.
    pub(super) fn write_soon(&mut self) {
        self.writing.wait(Waits::ForTurn);
    }

    /// Writes control messages as far as there is room.
    #[inline]
    pub(super) fn write_controls(&mut self) -> Result<(), Corrupt> {
        while let Some(message) = self.session.next_control() {
            if !self.carrier.has_room_for(CONTROL, size_of::<u64>())? {
                self.writing.wait(Waits::ForRoom);
                break;
            }
            match message {
                ControlMessage::Cancel(id) => self.write_control(control::CANCEL, id, &[])?,
                ControlMessage::Ping(id) => self.write_control(control::PING, id, &[])?,
                ControlMessage::Pong => {
                    if let Some(id) = self.session.take_pong() {
                        self.write_control(control::PONG, id, &[])?;
                    }
                }
                ControlMessage::Leaving => self.write_control(control::LEAVING, 0, &[])?,
                ControlMessage::Grant { kind, id } => {
                    let code = match kind {
                        Kind::RequestItem => control::GRANT_REQUEST_ITEMS,
                        _ => control::GRANT_REPLY_ITEMS,
                    };
                    if let Some(granted) = self.session.take_grant(kind, id) {
                        self.write_control(code, id, &granted.to_le_bytes())?;
                    }
                }
            }
            self.session.control_written();
        }
        Ok(())
    }

    fn write_control(&mut self, code: u16, id: u64, payload: &[u8]) -> Result<(), Corrupt> {
        let header = control_header(code, id, payload.len());
        let header = header.sealed(self.peer.agreement.crc, &[payload]);
        self.carrier.push(CONTROL, header, &[payload]).map(drop)
    }

    // ---- reporting what became of it ----

    fn report_written(&mut self, host: &mut impl Host) {
        let link = self.id;
        self.report_sent(host);
        let Writing { drops, drain_wanted, backlogs, .. } = &mut self.writing;
        for lane in Lane::ALL {
            let count = std::mem::take(&mut drops.unreported[lane as usize]);
            if count > 0 {
                host.event(Event::Dropped { link, lane, count });
            }
            let bit = 1 << lane as u8;
            if *drain_wanted & bit != 0 && backlogs[lane as usize].is_empty() {
                *drain_wanted &= !bit;
                host.event(Event::Drained { link, lane });
            }
        }
    }

    /// Reports the outcome of messages that waited and have an id.
    pub(super) fn report_sent(&mut self, host: &mut impl Host) {
        let link = self.id;
        for (id, error) in self.writing.sent.drain(..) {
            host.event(Event::Sent { link, id, error });
        }
        for id in self.writing.withdrawn.drain(..) {
            host.event(Event::Ended { link, id, ending: Ending::Withdrawn });
        }
    }

    // ---- dropping what has waited too long ----

    /// Drops what has waited longest, until another message has room among what may wait.
    pub(super) fn make_room(&mut self, ring: usize, len: usize) {
        let waiting_max = self.carrier.capacity(ring).min(self.bounds.backlog_max);
        let len = frame_len(len);
        while self.writing.backlogs[ring].loose_len() + len > waiting_max && self.drop_oldest(ring)
        {
        }
    }

    /// What waits from `start` on is this message, which its lane may drop if it is a one-way
    /// message.
    pub(super) fn may_drop(&mut self, draft: &Draft, start: usize) {
        if draft.kind == Kind::OneWay {
            self.loosen(draft.lane as usize, start, draft.id);
        }
    }

    /// The same of a one-way message.
    pub(super) fn loosen(&mut self, ring: usize, start: usize, id: u64) {
        let until = match self.bounds.overflow[ring] {
            Overflow::Wait(span) => Time::after(span),
            _ => Time::NEVER,
        };
        self.writing.backlogs[ring].loosen(start, until, id);
        self.writing.drops_due = self.writing.drops_due.min(until);
    }

    /// Drops what has waited too long. Returns whether there was any.
    pub(super) fn drop_overdue(&mut self, now: Time) -> bool {
        if now < self.writing.drops_due {
            return false;
        }
        let mut any = false;
        self.writing.drops_due = Time::NEVER;
        for ring in 0..self.writing.backlogs.len() {
            while self.writing.backlogs[ring].due() <= now && self.drop_oldest(ring) {
                any = true;
            }
            let due = self.writing.backlogs[ring].due();
            self.writing.drops_due = self.writing.drops_due.min(due);
        }
        any
    }

    /// Drops the message of a lane that has waited longest. Returns whether there is any.
    fn drop_oldest(&mut self, ring: usize) -> bool {
        let Some((id, key)) = self.writing.backlogs[ring].drop_oldest() else { return false };
        if let Some(key) = key {
            self.writing.deferred.forget(key);
        }
        self.writing.settle(id, Some(Error::dropped()));
        self.count_drop(ring);
        true
    }

    pub(super) fn count_drop(&mut self, ring: usize) {
        let drops = &mut self.writing.drops;
        drops.all[ring] += 1;
        drops.unreported[ring] += 1;
        self.carrier.store_dropped(ring, drops.all[ring]);
        // So that it is reported the next time something is written.
        self.writing.wait(Waits::ForTurn);
    }
}
