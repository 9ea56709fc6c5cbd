//! Messages that come compressed: unpacked piece by piece into a buffer of the host's, before the
//! host learns more than their length, and only where their method allows it.

use super::{Carrier, Link};
use crate::compression::{PIECE_LEN, Unpacker};
use crate::engine::host::{Body, BufferId, Event, Host, Source};
use crate::error::{Code, Corrupt, Error};
use crate::header::Kind;
use crate::limits::Lane;
use crate::option_block::UNPACKED_LEN;
use crate::remote_error::RemoteError;
use crate::session::{Draft, Ending, Message, Step};
use crate::time::Time;

/// Pieces that are unpacked before others have their turn.
const PIECES_AT_ONCE: usize = 4;
/// What those count, in the budget of frames that are read at once.
pub(super) const SLICE_COST: u32 = 512;

/// A compressed message of which not all is unpacked yet.
enum Partial {
    Wanted {
        unpacker: Unpacker,
        message: Message,
        buffer: BufferId,
        /// All of it has arrived.
        is_whole: bool,
    },
    /// Nothing of it is unpacked, because it was not to come compressed.
    Refused,
}

#[derive(Default)]
pub(super) struct Unpacking {
    partials: [Option<Partial>; Lane::ALL.len()],
    /// Lanes with a message of which more has arrived than is unpacked, by bit. They are not read
    /// on.
    lanes: u8,
}

impl Unpacking {
    /// Lanes that are not read on before what has arrived there is unpacked.
    #[inline]
    pub fn lanes(&self) -> u8 {
        self.lanes
    }

    /// Whether what comes next on a ring belongs to a compressed message.
    #[inline]
    pub fn is_open(&self, ring: usize) -> bool {
        self.partials.get(ring).is_some_and(Option::is_some)
    }

    /// The host's buffers of all messages.
    pub fn take_buffers(&mut self) -> impl Iterator<Item = BufferId> {
        let partials = std::mem::take(self).partials.into_iter().flatten();
        partials.filter_map(|partial| match partial {
            Partial::Wanted { buffer, .. } => Some(buffer),
            Partial::Refused => None,
        })
    }
}

impl<C: Carrier> Link<C> {
    /// Takes a frame of a compressed message, whose first frame holds its length.
    #[cold]
    pub(super) fn take_packed(
        &mut self,
        ring: usize,
        step: Step,
        unpacked_len: Option<u32>,
        packed: &[u8],
        host: &mut impl Host,
    ) -> Result<(), Corrupt> {
        if matches!(step, Step::Skip) {
            return Ok(());
        }
        let is_first = matches!(step, Step::Deliver | Step::Open);
        if unpacked_len.is_some() != is_first {
            // Only the first frame of a message marks it as compressed.
            return Err(Corrupt::Option { kind: UNPACKED_LEN });
        }
        let is_whole = matches!(step, Step::Deliver | Step::Finish { .. });
        let message = *self.session.message();
        if let Some(len) = unpacked_len {
            self.reading.unpacking.partials[ring] = Some(self.begin_packed(&message, len, host)?);
        }
        match &mut self.reading.unpacking.partials[ring] {
            Some(Partial::Wanted { unpacker, is_whole: all, .. }) => {
                unpacker.add(packed);
                *all = is_whole;
                if matches!(step, Step::Abandon) {
                    self.abandon_packed(ring, host);
                    return Ok(());
                }
                self.reading.unpacking.lanes |= 1 << ring;
                self.reading.has_work = true;
                Ok(())
            }
            Some(Partial::Refused) => {
                if is_whole || matches!(step, Step::Abandon) {
                    self.reading.unpacking.partials[ring] = None;
                }
                if is_whole {
                    let error = "the payload is compressed, which its method does not take";
                    return self.refuse(&message, Code::InvalidPayload, error, host);
                }
                Ok(())
            }
            None => Err(Corrupt::Option { kind: UNPACKED_LEN }),
        }
    }

    fn begin_packed(
        &mut self,
        message: &Message,
        len: u32,
        host: &mut impl Host,
    ) -> Result<Partial, Corrupt> {
        let agreement = &self.peer.agreement;
        if !agreement.compression {
            return Err(Corrupt::Option { kind: UNPACKED_LEN });
        }
        let (total, max) = (u64::from(len), agreement.limits.message_len_max);
        if total > max {
            return Err(Corrupt::MessageLength { total, max });
        }
        let is_wanted = match message.kind {
            Kind::Reply => self.session.asked_packed(message.id),
            _ => {
                let name = self.session.name(message.lane, message.code);
                name.is_some_and(|name| host.accepts_packed(self.id, name))
            }
        };
        if !is_wanted {
            return Ok(Partial::Refused);
        }
        let message = Message { len: len as usize, ..*message };
        let buffer = host.open(self.id, &message);
        Ok(Partial::Wanted { unpacker: Unpacker::new(len), message, buffer, is_whole: false })
    }

    fn abandon_packed(&mut self, ring: usize, host: &mut impl Host) {
        if let Some(Partial::Wanted { buffer, .. }) = self.reading.unpacking.partials[ring].take() {
            host.discard(buffer);
        }
        self.reading.unpacking.lanes &= !(1 << ring);
    }

    /// Unpacks a slice of what has arrived, wherever there is more than that.
    #[cold]
    pub(super) fn unpack_on(&mut self, host: &mut impl Host) -> Result<(), Corrupt> {
        let ring = self.reading.unpacking.lanes.trailing_zeros() as usize;
        self.unpack(ring, host)
    }

    fn unpack(&mut self, ring: usize, host: &mut impl Host) -> Result<(), Corrupt> {
        let Some(Partial::Wanted { unpacker, buffer, message, is_whole }) =
            &mut self.reading.unpacking.partials[ring]
        else {
            return Ok(());
        };
        let (buffer, message, is_whole) = (*buffer, *message, *is_whole);
        let is_done = unpacker.unpack(PIECES_AT_ONCE, |offset, piece| {
            debug_assert!(piece.len() <= PIECE_LEN);
            host.fill(buffer, offset, Body(Source::Private(piece)))
        })?;
        if !is_done {
            return Ok(());
        }
        self.reading.unpacking.lanes &= !(1 << ring);
        if is_whole {
            unpacker.finish()?;
            self.reading.unpacking.partials[ring] = None;
            self.hand_over(ring, message, buffer, host);
        }
        Ok(())
    }

    /// A whole message in a buffer of the host's is delivered, or set aside.
    pub(super) fn hand_over(
        &mut self,
        ring: usize,
        message: Message,
        buffer: BufferId,
        host: &mut impl Host,
    ) {
        if self.has_to_wait(ring, &message) {
            return self.park(ring, message, buffer);
        }
        // Its maker may have given it up while it was being unpacked.
        let is_wanted = match message.kind {
            Kind::Request => self.session.is_serving(message.id),
            kind if kind.is_answer() => self.session.is_calling(message.id),
            _ => true,
        };
        if is_wanted {
            host.finish(self.id, &message, buffer);
        } else {
            host.discard(buffer);
        }
        self.session.delivered_as(&message, Time::now);
    }

    /// A message that is not taken, for a reason its sender receives.
    #[cold]
    pub(super) fn refuse(
        &mut self,
        message: &Message,
        code: Code,
        why: &'static str,
        host: &mut impl Host,
    ) -> Result<(), Corrupt> {
        self.session.delivered_as(message, Time::now);
        let link = self.id;
        match message.kind {
            Kind::Request => {
                let error = RemoteError::new(code.as_str(), why).encode();
                self.answer(message, &error)?;
            }
            Kind::OneWay => {
                let error = Error::new(code, why);
                host.event(Event::Unreadable { link, route: message.route(), error });
            }
            _ => host.event(Event::Ended { link, id: message.id, ending: Ending::Unreadable }),
        }
        Ok(())
    }

    /// Answers a request of the peer with a short error of this side's own.
    fn answer(&mut self, request: &Message, error: &[u8]) -> Result<(), Corrupt> {
        let draft = Draft::error(request);
        let header = self.session.send(&draft, 0, error.len(), |_| Time::NEVER);
        match header {
            Ok(Some(header)) => {
                let header = header.with_len(error.len());
                self.put(request.lane as usize, header, &[error]).map(drop)
            }
            _ => Ok(()),
        }
    }
}
