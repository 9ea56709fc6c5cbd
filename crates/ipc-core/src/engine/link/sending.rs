//! The half of a link that sends.

use std::num::NonZeroU32;
use std::time::Duration;

use super::deferred::{Deferred, WRITTEN_MAX};
use super::{Carrier, Link, Sent, Waits, control_header};
use crate::compression;
use crate::engine::names::{Names, epoch_of, number_of};
use crate::engine::options::{Bounds, Overflow};
use crate::error::{Code, Corrupt, Error, Result};
use crate::header::{Header, Kind};
use crate::limits::{FRAME_LEN_MAX, Lane};
use crate::option_block::Options;
use crate::session::fragments::Fragments;
use crate::session::{Draft, control};
use crate::time::Time;

/// Bytes of a fragment: the peer copies one out while the next is copied in.
const FRAGMENT_LEN: usize = 64 << 10;
/// A connection ends when answers and items have made more wait than so many times the backlog's
/// limit, and the peer reads nothing of it for so long.
const BOUND_FACTOR: usize = 4;
const STALL_MAX: Duration = Duration::from_secs(1);
/// How often to poll for the space a fragment needs before it waits in private memory: some 50 µs.
const SPACE_POLLS: u32 = 2000;

/// A payload on its way out.
#[derive(Clone, Copy)]
struct Outbound<'a> {
    options: Options,
    bytes: &'a [u8],
    /// Bytes of the message: more than there are if they are compressed.
    len: usize,
    /// What does not fit now stays where it is, and is not copied.
    may_defer: bool,
}

impl<C: Carrier> Link<C> {
    /// Sends a message, or queues it, or refuses it with the reason. `names` are ours, by code.
    #[inline]
    pub fn send(&mut self, draft: &Draft, payload: &[u8], names: &Names) -> Result<Sent> {
        self.send_if_open(draft, payload, names, false)
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
        let last_key = self.writing.deferred.last_key();
        let sent = self.send_if_open(draft, bytes, names, true);
        if self.writing.deferred.last_key() != last_key {
            self.writing.deferred.keep(payload);
        }
        sent
    }

    #[inline]
    fn send_if_open(
        &mut self,
        draft: &Draft,
        payload: &[u8],
        names: &Names,
        may_defer: bool,
    ) -> Result<Sent> {
        if !self.life.may_send_all()
            && let Some(error) = self.refusal(draft.kind)
        {
            return Err(error);
        }
        let sent = self.send_open(draft, payload, names, may_defer);
        if let Err(error) = &sent
            && error.code() == Code::Corrupt
        {
            self.break_off(Error::new(Code::Corrupt, error.to_string()));
        }
        sent
    }

    #[inline]
    fn send_open(
        &mut self,
        draft: &Draft,
        payload: &[u8],
        names: &Names,
        may_defer: bool,
    ) -> Result<Sent> {
        let packed = if draft.compress { self.pack(draft.kind, payload) } else { None };
        let (options, len) = (draft.options(), payload.len());
        match &packed {
            None => {
                let outbound = Outbound { options, bytes: payload, len, may_defer };
                self.send_as(draft, outbound, names)
            }
            Some(packed) => {
                let unpacked_len = u32::try_from(len).ok().and_then(NonZeroU32::new);
                let options = Options { unpacked_len, ..options };
                let outbound = Outbound { options, bytes: packed, len, may_defer: false };
                self.send_as(draft, outbound, names)
            }
        }
    }

    /// What goes in place of a payload that is to be compressed.
    #[cold]
    fn pack(&self, kind: Kind, payload: &[u8]) -> Option<Vec<u8>> {
        let max = self.peer.agreement.limits.message_len_max;
        let goes =
            self.peer.agreement.compression && !kind.is_item() && payload.len() as u64 <= max;
        if goes { compression::pack(payload) } else { None }
    }

    #[inline]
    fn send_as(&mut self, draft: &Draft, outbound: Outbound<'_>, names: &Names) -> Result<Sent> {
        let ring = draft.lane as usize;
        // Answers are always taken: they free what the peer waits with, and their number is bounded
        // by what it was allowed to ask. They carry their request's code, which its maker knows.
        // So are items, whose number is bounded by what they were granted.
        let code = match draft.kind {
            kind if kind.has_name() => {
                if !self.has_room(ring, draft.kind, outbound.bytes.len())? {
                    return Ok(Sent::Dropped);
                }
                if draft.kind == Kind::Request && self.reading.gate.is_shut() {
                    // From now on the answer may lie behind what is held back.
                    self.reading.open_gate();
                }
                self.define(draft, names)?
            }
            kind if kind.is_item() => {
                self.check_bound()?;
                0
            }
            _ => {
                self.check_bound()?;
                // One request less is being worked on, so the next may be read.
                self.reading.open_gate();
                0
            }
        };
        let Some(header) = self.session.send(draft, code, outbound.len, Time::after)? else {
            return Ok(Sent::Unwanted);
        };
        let block = outbound.options.encode();
        let len = block.as_bytes().len() + outbound.bytes.len();
        if len > self.carrier.payload_max(ring).min(FRAME_LEN_MAX) {
            return self.send_fragments(header, draft, outbound);
        }
        let header = header.with_options(!block.as_bytes().is_empty()).with_len(len);
        let start = self.writing.backlogs[ring].end();
        if self.put(ring, header, &[block.as_bytes(), outbound.bytes])? {
            return Ok(Sent::Written);
        }
        self.may_drop(draft, start);
        Ok(Sent::Queued)
    }

    #[cold]
    fn send_fragments(
        &mut self,
        header: Header,
        draft: &Draft,
        outbound: Outbound<'_>,
    ) -> Result<Sent> {
        let Outbound { options, bytes: payload, may_defer, .. } = outbound;
        let ring = draft.lane as usize;
        let fragment_max = self.carrier.payload_max(ring).min(FRAGMENT_LEN);
        let crc = self.peer.agreement.crc;
        let start = self.writing.backlogs[ring].end();
        let mut sent = Sent::Written;
        let mut is_begun = false;
        // What is deferred need not be written at once, and then it does not keep others waiting.
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
                self.defer_rest(draft, payload.len(), fragment, fragments);
                if is_whole {
                    self.may_drop(draft, start);
                }
                return Ok(Sent::Queued);
            } else {
                self.writing.backlogs[ring].push(sealed, &parts);
                self.writing.wait(Waits::ForRoom);
                sent = Sent::Queued;
            }
        }
        if is_begun && sent == Sent::Queued && draft.kind == Kind::OneWay {
            // The rest is sure to follow.
            self.writing.settle(draft.id, None);
        } else if sent == Sent::Queued {
            self.may_drop(draft, start);
        }
        Ok(sent)
    }

    /// Writes a frame of a long message. A peer that is reading frees space as fast as it is
    /// filled, so a short wait is cheaper than another copy; but it is a short one.
    fn push_patiently(
        &mut self,
        ring: usize,
        header: [u64; 3],
        parts: &[&[u8]],
    ) -> Result<bool, Corrupt> {
        if !self.writing.backlogs[ring].is_empty() {
            return Ok(false);
        }
        let polls = if self.is_polled() { SPACE_POLLS } else { 1 };
        for _ in 0..polls {
            if self.carrier.push(ring, header, parts)? {
                return Ok(true);
            }
            std::hint::spin_loop();
        }
        Ok(false)
    }

    // ---- names ----

    /// The peer's code for a name of ours in a lane, which is defined first if the peer does not
    /// have it.
    #[inline]
    pub fn define(&mut self, draft: &Draft, names: &Names) -> Result<u16> {
        match self.code(draft) {
            Some(code) => Ok(code),
            None => self.define_anew(draft, names),
        }
    }

    /// The peer's code for a name of ours in a lane, if it has one.
    #[inline]
    pub fn code(&self, draft: &Draft) -> Option<u16> {
        let code = self.session.code(draft.lane, number_of(draft.code))?;
        (epoch_of(draft.code) == self.writing.names_epoch).then_some(code)
    }

    #[cold]
    fn define_anew(&mut self, draft: &Draft, names: &Names) -> Result<u16> {
        let name = names.name(draft.code)?;
        if self.writing.names_epoch != names.epoch() {
            self.writing.names_epoch = names.epoch();
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

    // ---- what may wait ----

    /// Whether a message of this length may be sent or queued; `false`: its lane drops it.
    #[inline]
    fn has_room(&mut self, ring: usize, kind: Kind, len: usize) -> Result<bool> {
        let fits = match self.bounds.overflow[ring] {
            Overflow::Wait(_) => !self.writing.is_waiting() || self.may_wait(ring),
            Overflow::DropOldest => {
                self.make_room(ring, len);
                !self.writing.is_waiting() || self.may_wait(ring)
            }
            Overflow::Fail | Overflow::DropNewest => {
                self.writing.backlogs[ring].is_empty() && self.carrier.has_room_for(ring, len)?
            }
        };
        if fits { Ok(true) } else { self.overflow(ring, kind) }
    }

    /// Whether another message may wait for room in a lane: while less than the backlog's limit
    /// waits for the peer in all, or hardly anything in this lane. What is deferred takes no memory
    /// of ours.
    #[cold]
    pub(super) fn may_wait(&self, ring: usize) -> bool {
        let max = self.bounds.backlog_max;
        self.waiting_len() <= max || self.writing.backlogs[ring].len() <= max / Bounds::LANE_SHARE
    }

    #[cold]
    fn overflow(&mut self, ring: usize, kind: Kind) -> Result<bool> {
        if kind == Kind::OneWay && self.bounds.overflow[ring] == Overflow::DropNewest {
            self.count_drop(ring);
            return Ok(false);
        }
        self.writing.refused += 1;
        let queued = self.queued(Lane::ALL[ring]);
        let message =
            format!("lane {ring} is full, and {queued} bytes already wait for room in it");
        Err(Error::new(Code::Full, message))
    }

    /// What answers the peer is always taken, but not without end: a peer that does not read and
    /// has this side work for it all the same is left alone.
    #[inline]
    fn check_bound(&mut self) -> Result<()> {
        if self.writing.is_waiting() { self.check_backlog() } else { Ok(()) }
    }

    #[cold]
    fn check_backlog(&mut self) -> Result<()> {
        if self.waiting_len() > self.bounds.backlog_max {
            // What the peer has read meanwhile makes room.
            self.write_backlogs()?;
            self.go_on_where_uncrowded();
        }
        let max = self.bounds.backlog_max.saturating_mul(BOUND_FACTOR);
        if self.writing.stalled_by == Time::NEVER && self.waiting_len() > max {
            self.writing.stalled_by = Time::after(STALL_MAX);
        }
        Ok(())
    }

    /// The peer has had this side work for it and does not read what comes of it.
    #[cold]
    pub(super) fn end_stalled(&mut self) {
        let (waiting, pid) = (self.waiting_len(), self.peer.pid);
        let message = format!("process {pid} does not read, and {waiting} bytes wait for it");
        self.break_off(Error::new(Code::Full, message));
    }

    // ---- requests and their items ----

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

    /// No more items go with a request; the peer learns so behind those that were sent.
    pub fn end_items(&mut self, lane: Lane, id: u64) {
        if !self.life.may_send() || !self.session.end_items(id) {
            return;
        }
        if let Err(corrupt) = self.put(lane as usize, control_header(control::END, id, 0), &[]) {
            self.break_off(corrupt.into());
        }
    }

    /// What may still be sent of the items of a request; `None`: the request has ended.
    pub fn credit(&mut self, kind: Kind, id: u64) -> Option<u64> {
        self.session.credit(kind, id)
    }

    /// The application is done with items that arrived.
    pub fn consumed(&mut self, kind: Kind, id: u64, cost: u64) {
        if self.reading.gate.is_shut() {
            self.reading.open_gate();
        }
        if self.session.consumed(kind, id, cost)
            && let Err(corrupt) = self.write_controls()
        {
            self.break_off(corrupt.into());
        }
    }
}
