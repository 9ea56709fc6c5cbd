//! Runs of one-way messages that differ in nothing but their payload. What has to be known of such
//! a message is found out once: whether it may be sent, under which code, and what its header says.

use super::Link;
use crate::engine::carrier::Carrier;
use crate::engine::options::Overflow;
use crate::header::{Header, Kind};
use crate::limits::FRAME_LEN_MAX;
use crate::session::Draft;

/// A run of messages on a link, from [`Engine::run`](crate::Engine::run).
pub struct Run<'a> {
    link: &'a mut Link,
    ring: usize,
    /// Of each message, but for its length.
    header: Header,
    /// The longest payload that goes as one frame.
    len_max: usize,
}

impl Link {
    /// `None`: such messages are to be sent one by one, because they carry options, wait for room,
    /// may be dropped, or have a name that the peer does not know yet.
    #[inline]
    pub fn run(&mut self, draft: &Draft) -> Option<Run<'_>> {
        let is_plain = draft.kind == Kind::OneWay
            && draft.id == 0
            && draft.trace.is_none()
            && !draft.compress
            && self.life.may_send()
            && !self.writing.is_waiting();
        let ring = draft.lane as usize;
        if !is_plain || !matches!(self.bounds.overflow[ring], Overflow::Wait(_)) {
            return None;
        }
        let header = Header::new(Kind::OneWay, self.code(draft)?, 0).with_codec(draft.codec);
        let agreed = self.peer.agreement.limits.message_len_max;
        let frame_max = self.carrier.payload_max(ring).min(FRAME_LEN_MAX);
        let len_max = usize::try_from(agreed).map_or(frame_max, |agreed| agreed.min(frame_max));
        Some(Run { link: self, ring, header, len_max })
    }
}

impl Run<'_> {
    /// Writes one more. False: it was not written, and is to be sent by itself.
    #[inline]
    pub fn push(&mut self, payload: &[u8]) -> bool {
        if payload.len() > self.len_max {
            return false;
        }
        let Self { link, ring, header, .. } = self;
        let header = header.with_len(payload.len()).sealed(link.peer.agreement.crc, &[payload]);
        // A ring that is corrupt is found again, and reported, when the message is sent by itself.
        let is_written = matches!(link.carrier.push(*ring, header, &[payload]), Ok(true));
        if is_written {
            link.session.count_sent();
        }
        is_written
    }
}
