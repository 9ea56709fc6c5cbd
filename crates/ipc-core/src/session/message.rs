//! Messages on their way: about to be sent, and arrived.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::header::{Codec, Kind};
use crate::limits::Lane;
use crate::option_block::{Options, Trace};
use crate::time::Time;

/// A message about to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Draft {
    /// Anything but control.
    pub kind: Kind,
    /// The lane it travels on; everything of one id stays on one lane.
    pub lane: Lane,
    /// How its payload is encoded.
    pub codec: Codec,
    /// The sender's code for the method or event.
    pub code: u16,
    /// For a request a fresh id, for its items and its answer the same. For a one-way message 0, or what
    /// the event that it was sent is to say.
    pub id: u64,
    /// When a request is given up; for what is no request `None`.
    pub timeout: Option<Duration>,
    /// Trace context to carry along.
    pub trace: Option<Trace>,
    /// For a request that is a stream, what its items may take without credit.
    pub window: Option<u32>,
    /// Its payload is compressed where that makes it shorter and the peer can undo it. Not for items.
    pub compress: bool,
}

impl Draft {
    /// What goes between the header and the payload.
    #[inline]
    pub(crate) fn options(&self) -> Options {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Options {
            budget_us: self.timeout.map(micros),
            total_len: None,
            trace: self.trace,
            window: self.window.and_then(NonZeroU32::new),
            unpacked_len: None,
        }
    }
}

/// A message that arrived, without its payload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Message {
    /// Anything but control.
    pub kind: Kind,
    /// The lane it came on.
    pub lane: Lane,
    /// How its payload is encoded.
    pub codec: Codec,
    /// The peer's code for the method or event; in an answer the code of its request's maker.
    pub code: u16,
    /// Its correlation id.
    pub id: u64,
    /// Bytes of its whole payload.
    pub len: usize,
    /// When whoever asked gives up; [`Time::NEVER`] if never.
    pub deadline: Time,
    /// Trace context that came along.
    pub trace: Option<Trace>,
    /// Of a request that is a stream, what its items may take without credit.
    pub window: Option<u32>,
}

impl Message {
    /// A message that says nothing, for a place that will hold one.
    pub(super) const NONE: Self = Self {
        kind: Kind::Control,
        lane: Lane::Normal,
        codec: Codec::Bytes,
        code: 0,
        id: 0,
        len: 0,
        deadline: Time::NEVER,
        trace: None,
        window: None,
    };
}
