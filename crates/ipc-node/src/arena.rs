//! Records as they lie in memory of JavaScript's, one arena for each link.

use std::rc::Rc;

use ipc_core::{HEADER_LEN, Lane, LinkId, Message, Time, id_and_len};

use crate::memory::Memory;
use crate::records::inward::{IN_CODE, IN_HEAD, IN_ID, IN_LEN, IN_PAYLOAD_LEN, IN_WORDS};

pub const RECORD_LEN: usize = IN_WORDS as usize * 4;

const _: () = assert!(RECORD_LEN == HEADER_LEN, "a record takes the place of a frame");

pub struct Arena {
    pub link: LinkId,
    pub memory: Rc<Memory>,
    pub used: usize,
    /// Where the record starts that was written last.
    pub last: usize,
    /// User code has seen it, and may take it away whenever it runs.
    pub exposed: bool,
    /// The turn in which it was seen to be there.
    seen: u32,
    /// JavaScript has it.
    pub known: bool,
    /// The link is over, and so is the arena when JavaScript has read it.
    pub ended: bool,
}

/// What a record says besides its options and its payload.
#[derive(Clone, Copy, Default)]
pub struct Head {
    pub head: u32,
    /// The code of a message, or what an event is about.
    code_or_about: u32,
    pub id: u64,
}

impl Head {
    /// An event of this kind, see [`crate::records::event`].
    pub fn event(kind: u32) -> Self {
        Self { head: kind, ..Self::default() }
    }

    #[must_use]
    pub fn in_lane(self, lane: Lane) -> Self {
        Self { head: self.head | (lane as u32) << 8, ..self }
    }

    #[must_use]
    pub fn about(self, about: u32) -> Self {
        Self { code_or_about: about, ..self }
    }

    #[must_use]
    pub fn with_id(self, id: u64) -> Self {
        Self { id, ..self }
    }

    #[must_use]
    pub fn with_flags(self, flags: u32) -> Self {
        Self { head: self.head | flags << 24, ..self }
    }

    /// The kind of an event, if it is one.
    pub fn kind(self) -> u32 {
        self.head & 0xff
    }
}

impl Arena {
    pub fn new(link: LinkId, memory: Rc<Memory>) -> Self {
        Self { link, memory, used: 0, last: 0, exposed: false, seen: 0, known: false, ended: false }
    }

    /// Whether there is room for so many bytes more, in this turn. While JavaScript is `reading`,
    /// it may show its arenas to user code.
    #[inline]
    pub fn has_room(&mut self, len: usize, turn: u32, reading: bool) -> bool {
        self.used + len <= self.memory.len() && (!(self.exposed || reading) || self.is_there(turn))
    }

    #[cold]
    fn is_there(&mut self, turn: u32) -> bool {
        let is_there = self.seen == turn || self.memory.is_whole();
        self.seen = turn;
        is_there
    }

    /// Puts a record of `len` bytes behind the last one and returns where its options and its
    /// payload go.
    #[inline]
    pub fn write(&mut self, len: usize, head: Head, payload_len: usize) -> &mut [u8] {
        let start = self.used;
        (self.last, self.used) = (start, start + len);
        let bytes = self.memory.bytes_mut(start, len);
        let (fields, rest) = bytes.split_at_mut(RECORD_LEN);
        head.write(fields, len, payload_len);
        rest
    }

    /// Makes records of the frames that were copied behind the last one.
    #[inline]
    pub fn write_alike(&mut self, len: usize, mut head: Head) {
        let mut frames = self.memory.bytes_mut(self.used, len);
        self.used += len;
        while let Some((fields, _)) = frames.split_first_chunk_mut::<HEADER_LEN>() {
            let payload_len;
            (head.id, payload_len) = id_and_len(fields);
            let len = (RECORD_LEN + payload_len).next_multiple_of(8);
            head.write(fields, len, payload_len);
            frames = &mut frames[len..];
        }
    }
}

impl Head {
    #[inline]
    fn write(self, fields: &mut [u8], len: usize, payload_len: usize) {
        let mut word = |index: u32, value: u32| {
            let at = index as usize * 4;
            fields[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        };
        word(IN_LEN, narrow(len));
        word(IN_HEAD, self.head);
        word(IN_CODE, self.code_or_about);
        word(IN_PAYLOAD_LEN, narrow(payload_len));
        let at = IN_ID as usize * 4;
        fields[at..at + 8].copy_from_slice(&self.id.to_ne_bytes());
    }
}

#[inline]
pub fn head_of(message: &Message) -> Head {
    let head = message.kind as u32 | (message.lane as u32) << 8 | (message.codec as u32) << 16;
    Head { head, code_or_about: narrow(message.route()), id: message.id }
}

/// Milliseconds of the monotonic clock; 0 for never.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "microseconds are kept for three centuries")]
pub fn millis(time: Time) -> f64 {
    if time == Time::NEVER { 0.0 } else { time.as_nanos() as f64 / 1e6 }
}

#[expect(clippy::cast_precision_loss, reason = "no stream gets beyond 2^53 bytes")]
pub fn count(bytes: u64) -> f64 {
    bytes as f64
}

/// Lengths and numbers of the inbox are far below what 32 bits hold.
#[inline]
pub fn narrow(value: usize) -> u32 {
    u32::try_from(value).expect("bounded by the agreed maximum")
}
