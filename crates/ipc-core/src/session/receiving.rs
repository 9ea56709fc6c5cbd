//! Taking in the peer's frames: which message each belongs to, and what is to be done about it.

use std::num::NonZeroU32;
use std::time::Duration;

use super::slots::Admission;
use super::{Assembly, Message, Session, Step, control};
use crate::error::Corrupt;
use crate::header::{Codec, Header, Kind};
use crate::limits::{CONTROL, Lane};
use crate::option_block::Options;
use crate::time::Time;

impl Session {
    /// Takes in a frame from ring `ring` with its options already read; `len` payload bytes follow.
    #[inline]
    pub fn receive(
        &mut self,
        ring: usize,
        header: &Header,
        options: &Options,
        len: usize,
        after: impl FnOnce(Duration) -> Time,
    ) -> Result<Step, Corrupt> {
        if header.kind() == Kind::Control {
            return self.receive_control(ring, header, len);
        }
        let Some(lane) = Lane::ALL.get(ring).copied() else {
            return Err(Corrupt::Misplaced { kind: header.kind() as u8 });
        };
        if self.closed_lanes != 0 && self.closed_lanes & 1 << ring != 0 {
            return Err(Corrupt::AfterClose { lane: lane as u8 });
        }
        if self.assemblies[ring].is_some() {
            return self.continue_message(ring, header, len);
        }
        if !header.more() && options.total_len.is_some()
            || header.more() && options.total_len.is_none()
        {
            let total = options.total_len.unwrap_or(0);
            return Err(Corrupt::Fragment { id: header.id, received: 0, total, len });
        }
        let total = options.total_len.unwrap_or(len as u64);
        if total > self.limits.message_len_max {
            return Err(Corrupt::MessageLength { total, max: self.limits.message_len_max });
        }
        let total_len = usize::try_from(total).expect("bounded by the agreed maximum");
        if total_len < len || header.more() && (total_len == len || len == 0) {
            return Err(Corrupt::Fragment { id: header.id, received: 0, total, len });
        }
        let deadline = match options.budget_us {
            Some(budget) => after(Duration::from_micros(budget)),
            None => Time::NEVER,
        };
        self.message = Message {
            kind: header.kind(),
            lane,
            codec: header.codec(),
            code: header.code(),
            id: header.id,
            len: total_len,
            deadline,
            trace: options.trace,
            replayed: options.replayed,
            window: options.window.map(NonZeroU32::get),
        };
        if header.options() && header.kind() != Kind::Request {
            options.check(header.kind())?;
        }
        if options.window.is_some() {
            self.check_window()?;
        }
        if header.kind().has_name() && !self.names.is_defined(lane, header.code()) {
            return Err(Corrupt::UndefinedName { code: header.code() });
        }
        if header.more() {
            let skip = !self.is_awaited()?;
            let assembly = Assembly { message: self.message, received: len, skip };
            self.assemblies[ring] = Some(assembly);
            return Ok(if skip { Step::Skip } else { Step::Open });
        }
        Ok(if self.complete()? { Step::Deliver } else { Step::Skip })
    }

    /// Whether frames like this one need no more than [`Self::receive_alike`]: answers, items, and
    /// one-way messages of a name that is known, of one frame and without options. Then
    /// [`Self::message`] is one of them.
    #[inline]
    pub fn receives_alike(&mut self, ring: usize, header: &Header) -> bool {
        let (kind, code) = (header.kind(), header.code());
        let Some(lane) = Lane::ALL.get(ring).copied() else { return false };
        let is_eligible = (kind == Kind::OneWay || kind.is_answer() || kind.is_item())
            && !header.more()
            && !header.options()
            && self.closed_lanes & 1 << ring == 0
            && self.assemblies[ring].is_none()
            && (!kind.has_name() || self.names.is_defined(lane, code));
        if is_eligible {
            let (codec, id) = (header.codec(), header.id);
            self.message = Message { kind, lane, codec, code, id, ..Message::NONE };
        }
        is_eligible
    }

    /// Takes in another message like the one before it. False: there is something about it that
    /// takes [`Self::receive`] to say.
    #[inline]
    pub fn receive_alike(&mut self, id: u64, len: usize) -> bool {
        if len as u64 > self.limits.message_len_max {
            return false;
        }
        let is_wanted = match self.message.kind {
            Kind::OneWay => true,
            kind if kind.is_answer() => self.calls.is_live(id),
            kind => self.take_in_item(kind, id, len),
        };
        if is_wanted {
            (self.message.id, self.message.len) = (id, len);
        }
        is_wanted
    }

    #[inline]
    fn continue_message(
        &mut self,
        ring: usize,
        header: &Header,
        len: usize,
    ) -> Result<Step, Corrupt> {
        let assembly = self.assemblies[ring].as_ref().expect("checked by the caller");
        let Assembly { message, received, skip } = *assembly;
        self.message = message;
        let missing = message.len - received;
        let last = !header.more();
        // A last frame that is empty ends a message its sender gave up.
        let gives_up = last && len == 0;
        let fits = if last { gives_up || len == missing } else { 0 < len && len < missing };
        let is_same = header.id == message.id
            && header.kind() == message.kind
            && header.code() == message.code
            && header.codec() == message.codec;
        if !is_same || header.options() || !fits {
            let (received, total) = (received as u64, message.len as u64);
            return Err(Corrupt::Fragment { id: header.id, received, total, len });
        }
        // The caller may have stopped waiting since the first frame.
        let awaited = !skip && self.is_awaited()?;
        self.assemblies[ring] =
            (!last).then(|| Assembly { message, received: received + len, skip: !awaited });
        if last && !awaited && !gives_up {
            match message.kind {
                Kind::RequestItem => self.counters.stale_requests += 1,
                _ => self.counters.late_replies += 1,
            }
        }
        if skip {
            return Ok(Step::Skip);
        }
        if !awaited || gives_up {
            return Ok(Step::Abandon);
        }
        if !last {
            return Ok(Step::Fill { offset: received });
        }
        Ok(if self.complete()? { Step::Finish { offset: received } } else { Step::Abandon })
    }

    /// The message is whole. Returns whether it is wanted.
    #[inline]
    fn complete(&mut self) -> Result<bool, Corrupt> {
        let message = &self.message;
        match message.kind {
            Kind::Request => {
                match self.serving.admit(message.id, message.deadline, message.window)? {
                    Admission::New { abandoned } => {
                        self.abandoned.extend(abandoned);
                        Ok(true)
                    }
                    Admission::Stale => {
                        self.counters.stale_requests += 1;
                        Ok(false)
                    }
                }
            }
            kind if kind.is_answer() && !self.calls.is_live(message.id) => {
                self.calls.check(message.id)?;
                self.counters.late_replies += 1;
                Ok(false)
            }
            kind if kind.is_item() => self.receive_item(),
            _ => Ok(true),
        }
    }

    /// Whether a message that comes in parts is still waited for; requests and one-way messages
    /// always are.
    fn is_awaited(&self) -> Result<bool, Corrupt> {
        let Message { kind, id, .. } = self.message;
        let slots = match kind {
            Kind::Reply | Kind::Error | Kind::ReplyItem => &self.calls,
            Kind::RequestItem => &self.serving,
            _ => return Ok(true),
        };
        let is_live = slots.is_live(id);
        if !is_live {
            slots.check(id)?;
        }
        Ok(is_live)
    }

    #[cold]
    fn receive_control(
        &mut self,
        ring: usize,
        header: &Header,
        len: usize,
    ) -> Result<Step, Corrupt> {
        let lane = u8::try_from(ring).expect("five rings");
        let malformed = Corrupt::Control { code: header.code(), len, lane };
        if self.closed_lanes & 1 << ring != 0 {
            return Err(Corrupt::AfterClose { lane });
        }
        let is_plain = !header.more() && !header.options() && header.codec() == Codec::Bytes;
        if !is_plain || (ring != CONTROL && self.assemblies[ring].is_some()) {
            return Err(malformed);
        }
        match (header.code(), ring) {
            (control::CANCEL, CONTROL) if len == 0 => {
                self.abandoned.extend(self.serving.cancel(header.id)?);
                Ok(Step::Done)
            }
            (control::GRANT_REQUEST_ITEMS, CONTROL) if len == size_of::<u64>() => {
                self.calls.check(header.id)?;
                Ok(Step::Grant { kind: Kind::RequestItem, id: header.id })
            }
            (control::GRANT_REPLY_ITEMS, CONTROL) if len == size_of::<u64>() => {
                self.serving.check(header.id)?;
                Ok(Step::Grant { kind: Kind::ReplyItem, id: header.id })
            }
            (control::END, 0..CONTROL) if len == 0 => {
                self.serving.check(header.id)?;
                let is_live = self.serving.is_live(header.id);
                match self.serving.stream(header.id) {
                    Some(stream) if !stream.ended => {
                        stream.ended = true;
                        Ok(Step::ItemsEnd { id: header.id })
                    }
                    None if !is_live => Ok(Step::Done),
                    _ => Err(malformed),
                }
            }
            (control::DEFINE, 0..CONTROL) => {
                let code = u16::try_from(header.id).map_err(|_| malformed)?;
                Ok(Step::Define { code })
            }
            (control::CLOSE, 0..CONTROL) if len == 0 => {
                self.closed_lanes |= 1 << ring;
                Ok(if self.is_peer_closed() { Step::PeerClosed } else { Step::LaneClosed })
            }
            (code, CONTROL) if len == 0 => self.receive_liveness(code, header.id).ok_or(malformed),
            _ => Err(malformed),
        }
    }
}
