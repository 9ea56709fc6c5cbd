//! The half of a link that receives, and writes what waited for room on the way.

use std::num::NonZeroU32;

use super::deferred::WRITTEN_MAX;
use super::unpacking::SLICE_COST;
use super::{End, LANES_CLOSE_TIMEOUT, Link, control_header};
use crate::engine::backlog::Front;
use crate::engine::host::{Body, BufferId, Event, Host, LinkId, Source};
use crate::error::Corrupt;
use crate::header::Kind;
use crate::lanes::Scope;
use crate::limits::{CONTROL, Lane, METHOD_LEN_MAX};
use crate::option_block::Options;
use crate::ring;
use crate::ring::mapped::MappedRegion;
use crate::session::{ControlMessage, Ending, Message, Step, control};
use crate::time::Time;

/// Frames at least this long are released one by one: their author may wait for just that space.
const LARGE_FRAME: u32 = 32 << 10;
/// What of a long frame counts as much as another frame, in the budget of what is read at once.
const FRAME_BYTES: u32 = 512;
/// Flags between the sessions that are read at once where nothing else is.
const CONTROLS_AT_ONCE: usize = 256;

impl Link {
    /// Whether there may be something to do. Two loads when there is not.
    #[inline]
    pub fn poll(&self) -> bool {
        self.lanes.incoming.has_any(self.scope())
            || self.has_work
            || (self.waits && (self.has_more || self.has_space()))
            || (self.is_ending && self.has_end())
    }

    /// What of the rings may be read now.
    #[inline]
    fn scope(&self) -> Scope {
        let scope = if self.held_back { Scope::CONTROL } else { Scope::ALL };
        scope.without(self.unpacking.lanes())
    }

    /// Whether something waits for room and there may be some.
    #[inline]
    fn has_space(&self) -> bool {
        let outgoing = &self.lanes.outgoing;
        self.backlogs
            .iter()
            .enumerate()
            .any(|(ring, backlog)| !backlog.is_empty() && outgoing.ring(ring).has_moved())
            || (self.session.next_control().is_some() && outgoing.ring(CONTROL).has_moved())
    }

    /// Whether the connection may be over, so that [`Self::is_over`] should be asked.
    fn has_end(&self) -> bool {
        match self.end {
            End::Open => self.session.is_peer_closed() && self.has_read_all(),
            End::Closing { .. } => !self.has_backlog(),
            End::PeerGone => !self.lanes.incoming.has_any(Scope::ALL) && self.has_read_all(),
            End::Broken(_) => true,
        }
    }

    /// Reads at most `budget` frames, writes what waited, and commits. Returns how many were read.
    #[inline]
    pub fn pump(&mut self, budget: u32, host: &mut impl Host) -> u32 {
        let mut frames = 0;
        let result = self.read_frames(budget, &mut frames, host);
        let result = result.and_then(|()| self.write_waiting(host));
        if let Err(corrupt) = result {
            self.break_off(corrupt.into());
        }
        self.count_work();
        if let Some(workload) = &self.workload {
            workload.end_turn(self.id);
        }
        self.commit();
        frames
    }

    /// Whether the peer has written a word between the sessions that was not read. One load.
    #[inline]
    pub fn has_controls(&self) -> bool {
        self.lanes.incoming.has_controls()
            && !matches!(self.end, End::Broken(_) | End::Closing { .. })
    }

    /// Reads words between the sessions and nothing else, and commits.
    #[cold]
    pub fn pump_controls(&mut self, host: &mut impl Host) {
        let result = self.read_controls(host);
        if let Err(corrupt) = result {
            self.break_off(corrupt.into());
        }
        self.commit();
    }

    /// Reads as many as are looked at in a moment: however many there are, there is an end.
    fn read_controls(&mut self, host: &mut impl Host) -> Result<(), Corrupt> {
        for _ in 0..CONTROLS_AT_ONCE {
            let Some(ring) = self.lanes.incoming.next(Scope::CONTROL)? else { break };
            self.take_frame(ring, host)?;
            self.lanes.incoming.advance(ring);
        }
        Ok(())
    }

    #[inline]
    fn read_frames(
        &mut self,
        budget: u32,
        frames: &mut u32,
        host: &mut impl Host,
    ) -> Result<(), Corrupt> {
        if matches!(self.end, End::Broken(_) | End::Closing { .. }) {
            return Ok(());
        }
        while *frames < budget {
            self.weigh(host);
            if self.has_work && self.go_on(frames, host)? {
                continue;
            }
            let Some(ring) = self.lanes.incoming.next(self.scope())? else { break };
            self.take_frame(ring, host)?;
            self.lanes.incoming.advance(ring);
            let len = self.lanes.incoming.frame(ring).header.len;
            *frames += 1 + len / FRAME_BYTES;
            if len >= LARGE_FRAME {
                self.commit();
            }
        }
        Ok(())
    }

    /// Goes on with what is in private memory. Returns whether there was anything to be done.
    #[cold]
    fn go_on(&mut self, frames: &mut u32, host: &mut impl Host) -> Result<bool, Corrupt> {
        if self.unpacking.lanes() != 0 {
            self.unpack_on(host)?;
            *frames += SLICE_COST;
            self.has_work = self.unpacking.lanes() != 0 || !self.parked.is_empty();
            return Ok(true);
        }
        let worked = self.deliver_parked(host);
        *frames += u32::from(worked);
        // What may not be delivered now is no work before something has changed.
        self.has_work = worked && !self.parked.is_empty();
        Ok(worked)
    }

    #[inline]
    pub(super) fn take_frame(&mut self, ring: usize, host: &mut impl Host) -> Result<(), Corrupt> {
        let mut payload = self.lanes.incoming.payload(ring);
        let header = &self.lanes.incoming.frame(ring).header;
        let found;
        // By reference: of a value, what most frames do not have would be moved byte by byte.
        let options = if header.options() {
            found = payload.take_options()?;
            &found
        } else {
            &Options::NONE
        };
        let step = self.session.receive(ring, header, options, payload.len(), Time::after)?;
        while let Some(id) = self.session.take_abandoned() {
            self.parked.tell_abandoned(self.id, id, host);
        }
        if options.unpacked_len.is_some() || self.unpacking.is_open(ring) {
            let mut packed = vec![0; payload.len()];
            payload.copy_to(&mut packed)?;
            let unpacked_len = options.unpacked_len.map(NonZeroU32::get);
            return self.take_packed(ring, step, unpacked_len, &packed, host);
        }
        match step {
            Step::Deliver => {
                let message = self.session.message();
                if self.has_to_wait(ring, message) {
                    let message = *message;
                    let buffer = copy_out(self.id, &message, payload, host)?;
                    self.park(ring, message, buffer);
                    return Ok(());
                }
                host.message(self.id, message, Body(Source::Ring(payload)))?;
                self.session.delivered();
            }
            Step::Open => {
                let buffer = host.open(self.id, self.session.message());
                self.buffers[ring] = Some(buffer);
                host.fill(buffer, 0, Body(Source::Ring(payload)))?;
            }
            Step::Fill { offset } => {
                if let Some(buffer) = self.buffers[ring] {
                    host.fill(buffer, offset, Body(Source::Ring(payload)))?;
                }
            }
            Step::Finish { offset } => {
                if let Some(buffer) = self.buffers[ring] {
                    host.fill(buffer, offset, Body(Source::Ring(payload)))?;
                    self.buffers[ring] = None;
                    let message = *self.session.message();
                    self.hand_over(ring, message, buffer, host);
                }
            }
            Step::Abandon => {
                payload.check()?;
                if let Some(buffer) = self.buffers[ring].take() {
                    host.discard(buffer);
                }
            }
            Step::Define { code } => {
                let mut name = [0; METHOD_LEN_MAX];
                let len = payload.len();
                let name = name.get_mut(..len).ok_or(Corrupt::Name { code, len })?;
                payload.copy_to(name)?;
                if self.session.define(Lane::ALL[ring], code, name)? {
                    self.named(ring, code, host);
                }
            }
            Step::Grant { kind, id } => {
                let mut granted = [0; size_of::<u64>()];
                payload.copy_to(&mut granted)?;
                let granted = u64::from_le_bytes(granted);
                if let Some(granted) = self.session.granted(kind, id, granted)? {
                    host.event(Event::Granted { link: self.id, kind, id, granted });
                }
            }
            Step::ItemsEnd { id } => {
                payload.check()?;
                self.items_ended(ring, id, host);
            }
            Step::LaneClosed => {
                payload.check()?;
                if self.lanes_close_by == Time::NEVER {
                    self.lanes_close_by = Time::after(LANES_CLOSE_TIMEOUT);
                }
            }
            Step::PeerClosed => {
                payload.check()?;
                self.lanes_close_by = Time::NEVER;
                self.is_ending = true;
            }
            Step::Skip | Step::Done => payload.check()?,
        }
        Ok(())
    }

    /// Writes what waited for room: the control ring's words first, then the lanes by priority.
    #[inline]
    pub(super) fn write_waiting(&mut self, host: &mut impl Host) -> Result<(), Corrupt> {
        if !self.waits {
            return Ok(());
        }
        let was_full = self.waiting() > self.bounds.backlog_max;
        self.write_controls()?;
        self.write_backlogs()?;
        self.waits = self.has_backlog() || self.session.next_control().is_some();
        if was_full && self.waiting() <= self.bounds.backlog_max {
            // The peer has read, and may have this side work for it again.
            self.let_go();
        }
        self.tell_written(host);
        Ok(())
    }

    /// Writes what fits of what waits in the lanes, as much as is written at once.
    pub(super) fn write_backlogs(&mut self) -> Result<(), Corrupt> {
        let mut room = WRITTEN_MAX;
        for ring in 0..self.backlogs.len() {
            self.write_backlog(ring, &mut room)?;
        }
        self.has_more = room == 0 && self.has_backlog();
        Ok(())
    }

    /// Says what became of what waited.
    fn tell_written(&mut self, host: &mut impl Host) {
        let link = self.id;
        self.tell_sent(host);
        for lane in Lane::ALL {
            let count = std::mem::take(&mut self.untold_drops[lane as usize]);
            if count > 0 {
                host.event(Event::Dropped { link, lane, count });
            }
            let bit = 1 << lane as u8;
            if self.drain_wanted & bit != 0 && self.backlogs[lane as usize].is_empty() {
                self.drain_wanted &= !bit;
                host.event(Event::Drained { link, lane });
            }
        }
    }

    /// Writes what waits for as long as there is room, however much that is, and commits.
    #[cold]
    pub fn write_out(&mut self, host: &mut impl Host) {
        while self.write_waiting(host).is_ok() && self.has_more {}
        self.commit();
    }

    fn write_backlog(&mut self, ring: usize, room: &mut usize) -> Result<(), Corrupt> {
        while *room > 0
            && let Some(front) = self.backlogs[ring].front()
        {
            let is_written = match front {
                Front::Frame(header, payload) => {
                    let is_written = self.lanes.outgoing.push(ring, header, &[payload])?;
                    // What found no room must not look as if only its turn were over.
                    *room = room.saturating_sub(if is_written { payload.len() } else { 0 });
                    is_written
                }
                Front::Marker(key) => self.write_deferred(ring, key, room)?,
            };
            if !is_written {
                break;
            }
            self.stalled_by = Time::NEVER;
            if let Some(id) = self.backlogs[ring].pop() {
                self.settle(id, None);
            }
        }
        Ok(())
    }

    /// Says what became of messages that waited, to those who want to know.
    pub(super) fn tell_sent(&mut self, host: &mut impl Host) {
        let link = self.id;
        for (id, error) in self.sent.drain(..) {
            host.event(Event::Sent { link, id, error });
        }
        for id in self.withdrawn.drain(..) {
            host.event(Event::Ended { link, id, ending: Ending::Withdrawn });
        }
    }

    #[inline]
    pub(super) fn write_controls(&mut self) -> Result<(), Corrupt> {
        while let Some(word) = self.session.next_control() {
            if !self.lanes.outgoing.has_room_for(CONTROL, size_of::<u64>())? {
                self.waits = true;
                break;
            }
            match word {
                ControlMessage::Cancel(id) => self.write_control(control::CANCEL, id, &[])?,
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
        self.lanes.outgoing.push(CONTROL, header, &[payload]).map(drop)
    }

    /// Whether frames wait for room in private memory.
    #[inline]
    pub fn has_backlog(&self) -> bool {
        self.backlogs.iter().any(|backlog| !backlog.is_empty())
    }

    /// Asks for [`Event::Drained`] when nothing waits in a lane any more. Returns whether anything does.
    pub fn want_drain(&mut self, lane: Lane) -> bool {
        let waits = !self.backlogs[lane as usize].is_empty();
        self.drain_wanted |= u8::from(waits) << lane as u8;
        waits
    }
}

/// Copies the only frame of a message to a buffer of the host's.
#[cold]
fn copy_out(
    link: LinkId,
    message: &Message,
    payload: ring::Payload<'_, MappedRegion>,
    host: &mut impl Host,
) -> Result<BufferId, Corrupt> {
    let buffer = host.open(link, message);
    match host.fill(buffer, 0, Body(Source::Ring(payload))) {
        Ok(()) => Ok(buffer),
        Err(corrupt) => {
            host.discard(buffer);
            Err(corrupt)
        }
    }
}
