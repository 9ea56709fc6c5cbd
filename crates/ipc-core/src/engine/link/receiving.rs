//! The half of a link that receives, and writes what waited for room on the way.

use std::num::NonZeroU32;

use super::lent::WRITTEN_MAX;
use super::{End, Link, control_header};
use crate::engine::backlog::Front;
use crate::engine::host::{Body, Event, Host, Source};
use crate::error::Corrupt;
use crate::header::Kind;
use crate::lanes::Scope;
use crate::limits::{Agreement, CONTROL, METHOD_LEN_MAX};
use crate::option_block::{Options, UNPACKED_LEN};
use crate::session::{Message, Step, Word, control};
use crate::time::Time;

/// Frames at least this long are released one by one: their author may wait for just that space.
const LARGE_FRAME: u32 = 32 << 10;
/// What of a long frame counts as much as another frame, in the budget of what is read at once.
const FRAME_BYTES: u32 = 512;

impl Link {
    /// Whether there may be something to do. Two loads when there is not.
    #[inline]
    pub fn look(&self) -> bool {
        self.lanes.incoming.has_any(self.scope())
            || (self.waits && (self.has_more || self.has_space()))
            || (self.is_ending && self.has_end())
    }

    /// What of the rings may be read now.
    #[inline]
    fn scope(&self) -> Scope {
        if self.held_back { Scope::Control } else { Scope::All }
    }

    /// Whether something waits for room and there may be some.
    #[inline]
    fn has_space(&self) -> bool {
        let outgoing = &self.lanes.outgoing;
        self.backlogs
            .iter()
            .enumerate()
            .any(|(ring, backlog)| !backlog.is_empty() && outgoing.ring(ring).has_moved())
            || (self.session.next_word().is_some() && outgoing.ring(CONTROL).has_moved())
    }

    /// Whether the connection may be over, so that [`Self::is_over`] should be asked.
    fn has_end(&self) -> bool {
        match self.end {
            End::Open => self.session.is_peer_closed(),
            End::Closing { .. } => !self.has_backlog(),
            End::PeerGone => !self.lanes.incoming.has_any(Scope::All),
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
    pub fn has_words(&self) -> bool {
        self.lanes.incoming.has_words() && !matches!(self.end, End::Broken(_) | End::Closing { .. })
    }

    /// Reads the words between the sessions and nothing else, and commits.
    #[cold]
    pub fn pump_words(&mut self, host: &mut impl Host) {
        let result = self.read_words(host);
        if let Err(corrupt) = result {
            self.break_off(corrupt.into());
        }
        self.commit();
    }

    fn read_words(&mut self, host: &mut impl Host) -> Result<(), Corrupt> {
        while let Some(ring) = self.lanes.incoming.next(Scope::Control)? {
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
            // A peer that is gone takes no answers, so its requests are not held back for them.
            let busy = (self.session.serving_live() >= self.flow.serving_max
                || self.workload.is_some())
                && self.is_busy();
            self.held_back = busy || !host.is_ready(self.id);
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

    /// Whether there is enough to work on. Streams do not count: their items lie behind requests.
    #[cold]
    fn is_busy(&mut self) -> bool {
        let is_gone = matches!(self.end, End::PeerGone);
        self.is_crowded = !is_gone && !self.has_room_for_work();
        self.is_crowded || !is_gone && self.working() >= self.flow.serving_max
    }

    #[inline]
    pub(super) fn take_frame(&mut self, ring: usize, host: &mut impl Host) -> Result<(), Corrupt> {
        let mut payload = self.lanes.incoming.payload(ring);
        let header = &self.lanes.incoming.frame(ring).header;
        let options = if header.options() { payload.take_options()? } else { Options::default() };
        let step = self.session.receive(ring, header, &options, payload.len(), Time::after)?;
        while let Some(id) = self.session.take_abandoned() {
            host.event(Event::Abandoned { link: self.id, id });
        }
        let is_frame = matches!(
            step,
            Step::Deliver | Step::Open | Step::Fill { .. } | Step::Finish { .. } | Step::Abandon
        );
        if is_frame && (options.unpacked_len.is_some() || self.packed.is_open(ring)) {
            let unpacked_len = options.unpacked_len.map(NonZeroU32::get);
            if let Some(len) = unpacked_len {
                let (kind, agreement) = (header.kind(), &self.peer.agreement);
                check_unpacked_len(len, kind, agreement)?;
            }
            if let Some(payload) = self.packed.take(ring, &step, unpacked_len, payload)? {
                self.deliver_unpacked(&payload, host)?;
            }
            return Ok(());
        }
        match step {
            Step::Deliver => {
                host.message(self.id, self.session.message(), Body(Source::Ring(payload)))?;
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
                    host.finish(self.id, self.session.message(), buffer);
                    self.session.delivered();
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
                if self.session.define(code, name)?
                    && let Some(name) = self.session.name(code)
                {
                    host.event(Event::Named { link: self.id, code, name });
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
                host.event(Event::ItemsEnd { link: self.id, id });
            }
            Step::PeerClosed => {
                payload.check()?;
                self.is_ending = true;
            }
            Step::Skip | Step::Done => payload.check()?,
        }
        Ok(())
    }

    #[cold]
    fn deliver_unpacked(&mut self, payload: &[u8], host: &mut impl Host) -> Result<(), Corrupt> {
        let message = Message { len: payload.len(), ..*self.session.message() };
        let buffer = host.open(self.id, &message);
        host.fill(buffer, 0, Body(Source::Unpacked(payload)))?;
        host.finish(self.id, &message, buffer);
        self.session.delivered();
        Ok(())
    }

    /// Writes what waited for room: the control ring's words first, then the lanes by priority.
    #[inline]
    pub(super) fn write_waiting(&mut self, host: &mut impl Host) -> Result<(), Corrupt> {
        if !self.waits {
            return Ok(());
        }
        self.write_words()?;
        let mut room = WRITTEN_MAX;
        for ring in 0..self.backlogs.len() {
            self.write_backlog(ring, &mut room)?;
        }
        self.has_more = room == 0;
        self.tell_sent(host);
        self.waits = self.has_backlog() || self.session.next_word().is_some();
        if self.drain_wanted && !self.has_backlog() {
            self.drain_wanted = false;
            host.event(Event::Drained { link: self.id });
        }
        Ok(())
    }

    /// Writes what waits for as long as there is room, however much that is, and commits.
    #[cold]
    pub fn write_out(&mut self, host: &mut impl Host) {
        let mut written = self.write_waiting(host);
        while written.is_ok() && self.has_more {
            written = self.write_waiting(host);
        }
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
                Front::Marker(key) => self.write_lent(ring, key, room)?,
            };
            if !is_written {
                break;
            }
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
    }

    #[inline]
    pub(super) fn write_words(&mut self) -> Result<(), Corrupt> {
        while let Some(word) = self.session.next_word() {
            if !self.lanes.outgoing.has_room_for(CONTROL, size_of::<u64>())? {
                self.waits = true;
                break;
            }
            match word {
                Word::Cancel(id) => self.write_word(control::CANCEL, id, &[])?,
                Word::Grant { kind, id } => {
                    let code = match kind {
                        Kind::RequestItem => control::GRANT_REQUEST_ITEMS,
                        _ => control::GRANT_REPLY_ITEMS,
                    };
                    if let Some(granted) = self.session.take_grant(kind, id) {
                        self.write_word(code, id, &granted.to_le_bytes())?;
                    }
                }
            }
            self.session.word_written();
        }
        Ok(())
    }

    fn write_word(&mut self, code: u16, id: u64, payload: &[u8]) -> Result<(), Corrupt> {
        let header = control_header(code, id, payload.len());
        let header = header.sealed(self.peer.agreement.crc, &[payload]);
        self.lanes.outgoing.push(CONTROL, header, &[payload]).map(drop)
    }

    /// Whether frames wait for room in private memory.
    #[inline]
    pub fn has_backlog(&self) -> bool {
        self.backlogs.iter().any(|backlog| !backlog.is_empty())
    }

    /// Asks for [`Event::Drained`] when nothing waits any more. Returns whether something does.
    pub fn want_drain(&mut self) -> bool {
        self.drain_wanted = self.has_backlog();
        self.drain_wanted
    }
}

#[cold]
fn check_unpacked_len(len: u32, kind: Kind, agreement: &Agreement) -> Result<(), Corrupt> {
    let is_item = matches!(kind, Kind::RequestItem | Kind::ReplyItem);
    if is_item || !agreement.compression {
        return Err(Corrupt::Option { kind: UNPACKED_LEN });
    }
    let (total, max) = (u64::from(len), agreement.limits.message_len_max);
    if total > max { Err(Corrupt::MessageLength { total, max }) } else { Ok(()) }
}
