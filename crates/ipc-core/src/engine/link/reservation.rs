//! Frames that are filled where they will lie: room is found first, the caller writes the payload
//! into the ring, and the header comes last.

use std::ptr::NonNull;

use super::{Carrier, Link};
use crate::error::{Code, Corrupt, Error, Result};
use crate::header::HEADER_LEN;
use crate::session::Draft;
use crate::time::Time;

/// A place for one frame at the end of a ring. The peer does not see it before it is completed, and
/// the next reservation takes the place of one that is not.
#[derive(Clone, Copy, Debug)]
pub struct Reservation {
    ring: usize,
    /// Where the frame starts.
    offset: usize,
    /// What the peer knows its name by.
    code: u16,
    /// Bytes of its option block.
    block_len: usize,
    /// Bytes of its payload.
    pub len: usize,
}

impl Reservation {
    /// Where the payload starts.
    fn start(&self) -> usize {
        self.offset + HEADER_LEN + self.block_len
    }
}

/// Why there is no room. Plain values, for callers that may not allocate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not now: the peer has to read on first.
    Full,
    /// Never: no single frame of this lane takes so much.
    TooLarge {
        /// Bytes of the message.
        len: usize,
        /// Bytes of the longest.
        max: usize,
    },
    /// The connection is ending or over.
    Closed,
    /// The peer does not know the name.
    Unnamed,
    /// The peer broke the protocol.
    Corrupt(Corrupt),
}

impl From<Corrupt> for Refusal {
    fn from(corrupt: Corrupt) -> Self {
        Self::Corrupt(corrupt)
    }
}

impl<C: Carrier> Link<C> {
    /// Finds room for a message of `len` bytes in one frame. Costs no memory and no system call.
    pub fn reserve(&mut self, draft: &Draft, len: usize) -> Result<Reservation, Refusal> {
        if !self.life.may_send_all() && self.refusal(draft.kind).is_some() {
            return Err(Refusal::Closed);
        }
        let code = self.code(draft).ok_or(Refusal::Unnamed)?;
        let ring = draft.lane as usize;
        let block_len = draft.options().encode().as_bytes().len();
        let max = self.reservation_len_max(ring, block_len);
        if len > max {
            return Err(Refusal::TooLarge { len, max });
        }
        // What waits for this ring in private memory comes first.
        let offset = if self.writing.backlogs[ring].is_empty() {
            self.carrier.reserve(ring, block_len + len)?
        } else {
            None
        };
        match offset {
            Some(offset) => Ok(Reservation { ring, offset, code, block_len, len }),
            None => {
                self.writing.refused += 1;
                Err(Refusal::Full)
            }
        }
    }

    /// Copies bytes to `at` in the payload.
    pub fn fill(&mut self, reservation: &Reservation, at: usize, bytes: &[u8]) {
        let fits = at <= reservation.len && bytes.len() <= reservation.len - at;
        assert!(fits, "{} bytes at {at} of {} reserved", bytes.len(), reservation.len);
        self.carrier.fill(reservation.ring, reservation.start() + at, bytes);
    }

    /// Where the payload lies.
    pub fn pointer(&self, reservation: &Reservation) -> NonNull<u8> {
        self.carrier.pointer(reservation.ring, reservation.start(), reservation.len)
    }

    /// Makes a message of what was filled in. The peer sees it after the next commit.
    pub fn complete(&mut self, draft: &Draft, reservation: &Reservation) -> Result<()> {
        let block = draft.options().encode();
        debug_assert_eq!(
            block.as_bytes().len(),
            reservation.block_len,
            "the draft of the reservation"
        );
        let Some(header) =
            self.session.send(draft, reservation.code, reservation.len, Time::after)?
        else {
            return Err(Error::new(Code::InvalidArgument, "the request of this answer has ended"));
        };
        let Reservation { ring, offset, block_len, .. } = *reservation;
        let (start, len) = (offset + HEADER_LEN, block_len + reservation.len);
        self.carrier.fill(ring, start, block.as_bytes());
        let header = header.with_options(block_len > 0).with_len(len);
        let header = header.sealed_over(self.peer.agreement.crc, |running| {
            self.carrier.checksum(ring, start, len, running)
        });
        self.carrier.complete(ring, offset, header, len);
        Ok(())
    }

    /// A refusal as an error; a link whose peer broke the protocol is broken off.
    #[cold]
    pub fn refusal_error(&mut self, refusal: Refusal) -> Error {
        match refusal {
            Refusal::Full => Error::new(Code::Full, "the lane has no room for this message now"),
            Refusal::TooLarge { len, max } => {
                let message = format!("{len} bytes, at most {max} fit into a frame of this lane");
                Error::new(Code::TooLarge, message)
            }
            Refusal::Closed => self.ended_error(),
            Refusal::Unnamed => {
                Error::new(Code::InvalidArgument, "the name belongs to another link")
            }
            Refusal::Corrupt(corrupt) => {
                self.break_off(corrupt.into());
                corrupt.into()
            }
        }
    }

    /// Bytes of the longest payload that fits into one frame behind its option block and that both
    /// sides agreed to.
    fn reservation_len_max(&self, ring: usize, block_len: usize) -> usize {
        let agreed = self.peer.agreement.limits.message_len_max;
        let frame = self.carrier.payload_max(ring) - block_len;
        frame.min(usize::try_from(agreed).unwrap_or(usize::MAX))
    }
}
