//! Runs of one-way messages, or of items of a stream, that differ in nothing but their payload.
//! What has to be known of such a message is found out once: whether it may be sent, under which
//! code, and what its header says.

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
    /// Whether each takes credit of a stream.
    is_item: bool,
    /// The longest payload that goes as one frame.
    len_max: usize,
}

impl Link {
    /// `None`: such messages are to be sent one by one, because they carry options, wait for room,
    /// may be dropped, or have a name that the peer does not know yet.
    #[inline]
    pub fn run(&mut self, draft: &Draft) -> Option<Run<'_>> {
        let (kind, ring) = (draft.kind, draft.lane as usize);
        let is_plain = draft.trace.is_none()
            && !draft.compress
            && self.life.may_send()
            && !self.writing.is_waiting();
        if !is_plain {
            return None;
        }
        let code = match kind {
            Kind::OneWay if draft.id == 0 => {
                matches!(self.bounds.overflow[ring], Overflow::Wait(_)).then_some(())?;
                self.code(draft)?
            }
            kind if kind.is_item() => 0,
            _ => return None,
        };
        let header = Header::new(kind, code, draft.id).with_codec(draft.codec);
        let agreed = self.peer.agreement.limits.message_len_max;
        let frame_max = self.carrier.payload_max(ring).min(FRAME_LEN_MAX);
        let len_max = usize::try_from(agreed).map_or(frame_max, |agreed| agreed.min(frame_max));
        Some(Run { link: self, ring, header, is_item: kind.is_item(), len_max })
    }
}

impl Run<'_> {
    /// Writes one more. False: it was not written, and is to be sent by itself.
    #[inline]
    pub fn push(&mut self, payload: &[u8]) -> bool {
        let Self { link, ring, header, is_item, len_max } = self;
        let (kind, id) = (header.kind(), header.id);
        if payload.len() > *len_max || (*is_item && !link.session.may_send_item(kind, id)) {
            return false;
        }
        let header = header.with_len(payload.len()).sealed(link.peer.agreement.crc, &[payload]);
        // A ring that is corrupt is found again, and reported, when the message is sent by itself.
        let is_written = matches!(link.carrier.push(*ring, header, &[payload]), Ok(true));
        if is_written {
            link.session.sent_alike(kind, id, payload.len());
        }
        is_written
    }
}
