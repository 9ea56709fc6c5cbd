//! Runs of one-way messages, or of items of a stream, that differ in nothing but their payload.
//! What has to be known of such a message is found out once: whether it may be sent, under which
//! code, and what its header says.

use super::{Link, Sent};
use crate::checksum::CrcMode;
use crate::engine::carrier::Carrier;
use crate::engine::options::Overflow;
use crate::header::{HEADER_LEN, Header, Kind, words_to_bytes};
use crate::limits::{FRAME_LEN_MAX, Lane};
use crate::session::Draft;

/// A run of messages on a link, from [`Engine::run`](crate::Engine::run).
pub struct Run<'a> {
    link: &'a mut Link,
    lane: Lane,
    /// Of each message, but for its length.
    header: Header,
    /// Whether each takes credit of a stream.
    is_item: bool,
    /// The longest payload that goes as one frame.
    len_max: usize,
    /// The header sealed last, which is that of all payloads as long.
    sealed: [u64; 3],
    sealed_len: usize,
}

impl Link {
    /// `None`: such messages are to be sent one by one, because they carry options, may be dropped
    /// at once, or have a name that the peer does not know yet.
    #[inline]
    pub fn run(&mut self, draft: &Draft) -> Option<Run<'_>> {
        let (kind, lane) = (draft.kind, draft.lane);
        let ring = lane as usize;
        if draft.trace.is_some() || draft.compress || !self.life.may_send() {
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
        let (is_item, sealed, sealed_len) = (kind.is_item(), [0; 3], usize::MAX);
        Some(Run { link: self, lane, header, is_item, len_max, sealed, sealed_len })
    }
}

impl Run<'_> {
    /// Writes one more, or puts it behind those that wait for room. `None`: neither, and it is to
    /// be sent by itself.
    #[inline]
    pub fn push(&mut self, payload: &[u8]) -> Option<Sent> {
        if !self.may_write(payload.len()) {
            return None;
        }
        if self.link.writing.is_waiting() {
            return self.queue(payload);
        }
        let header = self.sealed(payload);
        // A ring that is corrupt is found again, and reported, when the message is sent by itself.
        let is_written =
            matches!(self.link.carrier.push(self.lane as usize, header, &[payload]), Ok(true));
        if !is_written {
            return None;
        }
        self.sent(payload.len());
        Some(Sent::Written)
    }

    /// What waits in another lane may leave room in this one, which is not found out here.
    #[inline(never)]
    fn queue(&mut self, payload: &[u8]) -> Option<Sent> {
        let ring = self.lane as usize;
        let is_behind = !self.is_item && !self.link.writing.backlogs[ring].is_empty();
        if !is_behind || !self.link.may_wait(ring) {
            return None;
        }
        let start = self.link.writing.backlogs[ring].end();
        self.link.put(ring, self.header.with_len(payload.len()), &[payload]).ok()?;
        self.link.loosen(ring, start, self.header.id);
        self.sent(payload.len());
        Some(Sent::Queued)
    }

    /// Bytes of frames there is room for in one piece, up to `want`. 0 is no reason not to
    /// [`Self::push`]: one frame may find room elsewhere.
    #[inline]
    pub fn room(&mut self, want: usize) -> usize {
        if self.link.writing.is_waiting() {
            return 0;
        }
        self.link.carrier.room(self.lane as usize, want).unwrap_or(0)
    }

    /// Makes a frame of a payload of `len` bytes that lies between [`HEADER_LEN`] bytes and those
    /// that make it a multiple of eight, which are overwritten. It has to be written next, by
    /// [`Self::push_frames`], and there has to be room. False: it may not be written.
    #[inline]
    pub fn seal(&mut self, frame: &mut [u8], len: usize) -> bool {
        if !self.may_write(len) {
            return false;
        }
        let (head, payload) = frame.split_at_mut(HEADER_LEN);
        // What lies there may be the end of another peer's message.
        if payload.len() > len {
            payload[len..].fill(0);
        }
        head.copy_from_slice(&words_to_bytes(self.sealed(&payload[..len])));
        self.sent(len);
        true
    }

    /// Writes frames that were sealed.
    #[inline]
    pub fn push_frames(&mut self, frames: &[u8]) {
        self.link.carrier.push_frames(self.lane as usize, frames);
    }

    #[inline]
    fn sent(&mut self, len: usize) {
        let Header { id, .. } = self.header;
        self.link.session.sent_alike(self.header.kind(), self.lane, id, len);
    }

    #[inline]
    fn may_write(&mut self, len: usize) -> bool {
        let (kind, id) = (self.header.kind(), self.header.id);
        len <= self.len_max && (!self.is_item || self.link.session.may_send_item(kind, id))
    }

    #[inline]
    fn sealed(&mut self, payload: &[u8]) -> [u64; 3] {
        let (crc, len) = (self.link.peer.agreement.crc, payload.len());
        if len != self.sealed_len || crc == CrcMode::Full {
            self.sealed = self.header.with_len(len).sealed(crc, &[payload]);
            self.sealed_len = len;
        }
        self.sealed
    }
}
