//! The half of a link that sends.

use std::num::NonZeroU32;
use std::time::Duration;

use super::deferred::{Deferred, WRITTEN_MAX};
use super::{End, Link, Sent, control_header};
use crate::compression;
use crate::engine::bell;
use crate::engine::names::{Names, epoch_of, number_of};
use crate::engine::options::Overflow;
use crate::error::{Code, Corrupt, Error, Result};
use crate::header::{Header, Kind, frame_len};
use crate::limits::{FRAME_LEN_MAX, Lane};
use crate::option_block::Options;
use crate::session::fragments::Fragments;
use crate::session::{Draft, control};
use crate::sys::kill_point;
use crate::time::Time;

/// Bytes of a fragment: the peer copies one out while the next is copied in.
const FRAGMENT_LEN: usize = 64 << 10;
/// Of the backlog's limit, each lane has this part for itself, so that none waits for another.
const LANE_SHARE: usize = 16;
/// A connection ends when answers and items have made more wait than so many times the backlog's limit, and
/// the peer reads nothing of it for so long.
const BOUND_FACTOR: usize = 4;
const STALL_MAX: Duration = Duration::from_secs(1);
/// How often to look for the space a fragment needs before it waits in private memory: some 50 µs.
const SPACE_LOOKS: u32 = 2000;

impl Link {
    /// Sends a message, or queues it, or refuses it with the reason. `names` are ours, by code.
    #[inline]
    pub fn send(&mut self, draft: &Draft, payload: &[u8], names: &Names) -> Result<Sent> {
        if !matches!(self.end, End::Open) {
            return Err(self.ended_error());
        }
        let sent = self.send_open(draft, payload, names);
        if let Err(error) = &sent
            && error.code() == Code::Corrupt
        {
            self.break_off(Error::new(Code::Corrupt, error.to_string()));
        }
        sent
    }

    /// The same for a long payload that is not copied before there is room for it.
    pub fn send_deferred(
        &mut self,
        draft: &Draft,
        payload: Box<dyn Deferred>,
        names: &Names,
    ) -> Result<Sent> {
        let Some(bytes) = payload.bytes() else {
            return Err(Error::new(Code::InvalidArgument, "the payload is not there"));
        };
        self.may_defer = true;
        let sent = self.send(draft, bytes, names);
        self.may_defer = false;
        if let Some(lending) = self.deferred_sends.back_mut()
            && lending.payload.is_none()
        {
            lending.payload = Some(payload);
        }
        sent
    }

    #[inline]
    fn send_open(&mut self, draft: &Draft, payload: &[u8], names: &Names) -> Result<Sent> {
        let packed = if draft.compress { self.pack(draft.kind, payload) } else { None };
        match &packed {
            None => self.send_as(draft, draft.options(), payload, payload.len(), names),
            Some(packed) => {
                let unpacked_len = u32::try_from(payload.len()).ok().and_then(NonZeroU32::new);
                let options = Options { unpacked_len, ..draft.options() };
                self.send_as(draft, options, packed, payload.len(), names)
            }
        }
    }

    /// What goes in place of a payload that is to be compressed.
    #[cold]
    fn pack(&self, kind: Kind, payload: &[u8]) -> Option<Vec<u8>> {
        let is_item = matches!(kind, Kind::RequestItem | Kind::ReplyItem);
        let max = self.peer.agreement.limits.message_len_max;
        let goes = self.peer.agreement.compression && !is_item && payload.len() as u64 <= max;
        if goes { compression::pack(payload) } else { None }
    }

    /// Sends a payload as it is, which stands for one of `len` bytes.
    #[inline]
    fn send_as(
        &mut self,
        draft: &Draft,
        options: Options,
        payload: &[u8],
        len: usize,
        names: &Names,
    ) -> Result<Sent> {
        let ring = draft.lane as usize;
        // Answers are always taken: they free what the peer waits with, and their number is bounded
        // by what it was allowed to ask. They carry their request's code, which its maker knows.
        // So are items, whose number is bounded by what they were granted.
        let code = match draft.kind {
            Kind::Request | Kind::OneWay => {
                if !self.has_room(ring, draft.kind, payload.len())? {
                    return Ok(Sent::Dropped);
                }
                if draft.kind == Kind::Request && self.held_back {
                    // From now on there is something to look for behind what is held back.
                    self.let_go();
                }
                self.define(draft, names)?
            }
            Kind::RequestItem | Kind::ReplyItem => {
                self.check_bound()?;
                0
            }
            _ => {
                self.check_bound()?;
                // One request less is being worked on, so the next may be read.
                self.let_go();
                0
            }
        };
        let Some(header) = self.session.send(draft, code, len, Time::after)? else {
            return Ok(Sent::Unwanted);
        };
        let block = options.encode();
        let len = block.as_bytes().len() + payload.len();
        if len > self.lanes.outgoing.ring(ring).payload_max().min(FRAME_LEN_MAX) {
            return self.send_fragments(header, draft, options, payload);
        }
        let header = header.with_options(!block.as_bytes().is_empty()).with_len(len);
        let start = self.backlogs[ring].end();
        if self.put(ring, header, &[block.as_bytes(), payload])? {
            return Ok(Sent::Written);
        }
        self.may_drop(draft, start);
        Ok(Sent::Queued)
    }

    /// What the peer knows a name of ours by in a lane; it is told first, unless it knows.
    #[inline]
    pub fn define(&mut self, draft: &Draft, names: &Names) -> Result<u16> {
        match self.code(draft) {
            Some(code) => Ok(code),
            None => self.define_anew(draft, names),
        }
    }

    /// What the peer knows a name of ours by in a lane, if it does.
    #[inline]
    pub fn code(&self, draft: &Draft) -> Option<u16> {
        let code = self.session.code(draft.lane, number_of(draft.code))?;
        (epoch_of(draft.code) == self.names_epoch).then_some(code)
    }

    #[cold]
    fn define_anew(&mut self, draft: &Draft, names: &Names) -> Result<u16> {
        let name = names.name(draft.code)?;
        if self.names_epoch != names.epoch() {
            self.names_epoch = names.epoch();
            self.session.forget_ours();
        }
        let code = self.session.define_ours(draft.lane, number_of(draft.code));
        let header = control_header(control::DEFINE, u64::from(code), name.len());
        self.put(draft.lane as usize, header, &[name.as_bytes()])?;
        Ok(code)
    }

    /// Whether defining this name now would take no other name's code away.
    pub fn has_room_for_name(&self, draft: &Draft) -> bool {
        self.code(draft).is_some() || self.session.has_room_for_name(draft.lane)
    }

    #[cold]
    fn send_fragments(
        &mut self,
        header: Header,
        draft: &Draft,
        options: Options,
        payload: &[u8],
    ) -> Result<Sent> {
        let ring = draft.lane as usize;
        let fragment_max = self.lanes.outgoing.ring(ring).payload_max().min(FRAGMENT_LEN);
        let crc = self.peer.agreement.crc;
        let start = self.backlogs[ring].end();
        let mut sent = Sent::Written;
        let mut is_begun = false;
        let may_defer = self.may_defer && options.unpacked_len.is_none();
        // What is lent need not be written at once, and then it does not keep others waiting.
        let at_once = if may_defer { WRITTEN_MAX } else { usize::MAX };
        let mut fragments = Fragments::new(header, options, payload.len(), fragment_max);
        while let Some(fragment) = fragments.next() {
            let parts = [fragment.options.as_bytes(), &payload[fragment.range.clone()]];
            let sealed = fragment.header.sealed(crc, &parts);
            let is_next = sent == Sent::Written && fragment.range.start < at_once;
            if is_next && self.push_patiently(ring, sealed, &parts)? {
                // The peer reads this fragment while the next is being written.
                self.commit();
                is_begun = true;
            } else if may_defer {
                let is_whole = fragment.range.start == 0;
                let (kind, id) = (draft.kind, draft.id);
                self.defer_rest(kind, draft.lane, id, payload.len(), fragment, fragments);
                if is_whole {
                    self.may_drop(draft, start);
                }
                return Ok(Sent::Queued);
            } else {
                self.backlogs[ring].push(sealed, &parts);
                self.waits = true;
                sent = Sent::Queued;
            }
        }
        if is_begun && sent == Sent::Queued && draft.kind == Kind::OneWay {
            // The rest is sure to follow.
            self.settle(draft.id, None);
        } else if sent == Sent::Queued {
            self.may_drop(draft, start);
        }
        Ok(sent)
    }

    /// Writes a frame of a long message. A peer that is reading frees space as fast as it is filled,
    /// so a short wait is cheaper than another copy; but it is a short one.
    fn push_patiently(
        &mut self,
        ring: usize,
        header: [u64; 3],
        parts: &[&[u8]],
    ) -> Result<bool, Corrupt> {
        if !self.backlogs[ring].is_empty() {
            return Ok(false);
        }
        for _ in 0..SPACE_LOOKS {
            if self.lanes.outgoing.push(ring, header, parts)? {
                return Ok(true);
            }
            std::hint::spin_loop();
        }
        Ok(false)
    }

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
        let backlog = &mut self.backlogs[ring];
        if backlog.is_empty() && self.lanes.outgoing.push(ring, header, parts)? {
            return Ok(true);
        }
        backlog.push(header, parts);
        self.waits = true;
        Ok(false)
    }

    /// Whether a message of this length may be sent or queued; `false`: its lane drops it.
    #[inline]
    fn has_room(&mut self, ring: usize, kind: Kind, len: usize) -> Result<bool> {
        let fits = match self.bounds.overflow[ring] {
            Overflow::Wait(_) => !self.waits || self.may_wait(ring),
            Overflow::DropOldest => self.make_room(ring, len),
            Overflow::Fail | Overflow::DropNewest => {
                self.backlogs[ring].is_empty() && self.lanes.outgoing.has_room_for(ring, len)?
            }
        };
        if fits { Ok(true) } else { self.overflow(ring, kind) }
    }

    /// Whether another message may wait for room in a lane: while less than the backlog's limit waits
    /// for the peer in all, or hardly anything in this lane. What is lent takes no memory of ours.
    #[cold]
    fn may_wait(&self, ring: usize) -> bool {
        let max = self.bounds.backlog_max;
        self.waiting() <= max || self.backlogs[ring].len() <= max / LANE_SHARE
    }

    #[cold]
    fn overflow(&mut self, ring: usize, kind: Kind) -> Result<bool> {
        if kind == Kind::OneWay && self.bounds.overflow[ring] == Overflow::DropNewest {
            self.count_drop(ring);
            return Ok(false);
        }
        self.refused += 1;
        let queued = self.queued(Lane::ALL[ring]);
        let message = format!("lane {ring} is full and {queued} bytes wait for it already");
        Err(Error::new(Code::Full, message))
    }

    /// What answers the peer is always taken, but not without end: a peer that does not read and has
    /// this side work for it all the same is left alone.
    #[inline]
    fn check_bound(&mut self) -> Result<()> {
        if self.waits { self.check_backlog() } else { Ok(()) }
    }

    #[cold]
    fn check_backlog(&mut self) -> Result<()> {
        if self.waiting() > self.bounds.backlog_max {
            // What the peer has read meanwhile makes room.
            self.write_backlogs()?;
        }
        let max = self.bounds.backlog_max.saturating_mul(BOUND_FACTOR);
        if self.stalled_by == Time::NEVER && self.waiting() > max {
            self.stalled_by = Time::after(STALL_MAX);
        }
        Ok(())
    }

    /// The peer has had this side work for it and does not read what comes of it.
    #[cold]
    pub(super) fn let_peer_go(&mut self) {
        let (waiting, pid) = (self.waiting(), self.peer.pid);
        let message = format!("process {pid} does not read, and {waiting} bytes wait for it");
        self.break_off(Error::new(Code::Full, message));
    }

    /// Drops what has waited longest, until another message has room among what may wait.
    fn make_room(&mut self, ring: usize, len: usize) -> bool {
        let waiting_max = self.lanes.outgoing.ring(ring).capacity().min(self.bounds.backlog_max);
        let len = frame_len(len);
        while self.backlogs[ring].loose_len() + len > waiting_max && self.drop_oldest(ring) {}
        !self.waits || self.may_wait(ring)
    }

    /// What waits from `start` on is this message, which its lane may drop if nobody answers it.
    fn may_drop(&mut self, draft: &Draft, start: usize) {
        if draft.kind != Kind::OneWay {
            return;
        }
        let ring = draft.lane as usize;
        let until = match self.bounds.overflow[ring] {
            Overflow::Wait(span) => Time::after(span),
            _ => Time::NEVER,
        };
        self.backlogs[ring].loosen(start, until, draft.id);
        self.drops_due = self.drops_due.min(until);
    }

    /// Drops what has waited too long.
    pub(super) fn drop_overdue(&mut self, now: Time) {
        if now < self.drops_due {
            return;
        }
        self.drops_due = Time::NEVER;
        for ring in 0..self.backlogs.len() {
            while self.backlogs[ring].due() <= now && self.drop_oldest(ring) {}
            self.drops_due = self.drops_due.min(self.backlogs[ring].due());
        }
    }

    /// Drops the message of a lane that has waited longest. Returns whether there is any.
    pub(super) fn drop_oldest(&mut self, ring: usize) -> bool {
        let Some((id, key)) = self.backlogs[ring].drop_oldest() else { return false };
        self.deferred_sends.retain(|lending| Some(lending.key) != key);
        self.settle(id, Some(Error::dropped()));
        self.count_drop(ring);
        true
    }

    /// What became of a message that waited; 0: nobody wants to know.
    pub(super) fn settle(&mut self, id: u64, error: Option<Error>) {
        if id != 0 {
            self.sent.push((id, error));
        }
    }

    fn count_drop(&mut self, ring: usize) {
        self.dropped[ring] += 1;
        self.untold_drops[ring] += 1;
        // So that the host is told the next time something is written.
        (self.waits, self.has_more) = (true, true);
        self.own_flags.store_dropped(ring, self.dropped[ring]);
    }

    /// Gives a request up. Returns whether it was in flight.
    pub fn cancel(&mut self, id: u64) -> bool {
        let ended = self.session.cancel(id);
        if ended {
            self.withdraw(id);
            if let Err(corrupt) = self.write_controls() {
                self.break_off(corrupt.into());
            }
        }
        ended
    }

    /// No more items go with a request; the peer hears of it behind those that were sent.
    pub fn end_items(&mut self, lane: Lane, id: u64) {
        if !matches!(self.end, End::Open) || !self.session.end_items(id) {
            return;
        }
        if let Err(corrupt) = self.put(lane as usize, control_header(control::END, id, 0), &[]) {
            self.break_off(corrupt.into());
        }
    }

    /// What may still be sent of the items of a request; `None`: nobody waits for them any more.
    pub fn credit(&mut self, kind: Kind, id: u64) -> Option<u64> {
        self.session.credit(kind, id)
    }

    /// The application is done with items that came.
    pub fn consumed(&mut self, kind: Kind, id: u64, cost: u64) {
        if self.held_back {
            self.let_go();
        }
        if self.session.consumed(kind, id, cost)
            && let Err(corrupt) = self.write_controls()
        {
            self.break_off(corrupt.into());
        }
    }

    /// Shows the peer what was written and gives back what was read; wakes it if it asked for that.
    #[inline]
    pub fn commit(&mut self) {
        if self.lanes.commit() {
            self.rings += 1;
            kill_point("before the bell");
            match &self.waker {
                None => bell::ring(&self.socket),
                Some(waker) => waker.owe(),
            }
            kill_point("bell");
        }
    }
}
