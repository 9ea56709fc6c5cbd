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
    /// For a request or one-way message, [`Engine::code`](crate::Engine::code) of its name; 0 for
    /// what belongs to a request.
    pub code: u32,
    /// For a request a fresh id, for its items and its answer the same. For a one-way message 0, or
    /// what the event that it was sent is to say.
    pub id: u64,
    /// When a request is given up; for what is no request `None`.
    pub timeout: Option<Duration>,
    /// Trace context to carry along.
    pub trace: Option<Trace>,
    /// For a request that was sent before, on a connection that was lost, how many of its items had
    /// been taken.
    pub replayed: Option<u64>,
    /// For a request that is a stream, what its items may take without credit.
    pub window: Option<u32>,
    /// Its payload is compressed where that makes it shorter and the peer can undo it. Not for
    /// items.
    pub compress: bool,
}

impl Draft {
    /// A one-way message of the event `code`, without anything that is optional.
    pub fn one_way(code: u32, lane: Lane, codec: Codec) -> Self {
        Self {
            kind: Kind::OneWay,
            lane,
            codec,
            code,
            id: 0,
            timeout: None,
            trace: None,
            replayed: None,
            window: None,
            compress: false,
        }
    }

    /// A reply to a request.
    pub fn reply(request: &Message, codec: Codec) -> Self {
        let draft = Self::one_way(0, request.lane, codec);
        Self { kind: Kind::Reply, id: request.id, ..draft }
    }

    /// The failure of a request; the payload is an encoded [`RemoteError`](crate::RemoteError).
    pub fn error(request: &Message) -> Self {
        Self { kind: Kind::Error, ..Self::reply(request, Codec::MessagePack) }
    }

    /// What goes between the header and the payload.
    #[inline]
    pub(crate) fn options(&self) -> Options {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Options {
            budget_us: self.timeout.map(micros),
            total_len: None,
            trace: self.trace,
            replayed: self.replayed,
            window: self.window.and_then(NonZeroU32::new),
            unpacked_len: None,
        }
    }
}

/// See [`Message::route`].
#[inline]
pub fn route(lane: Lane, code: u16) -> usize {
    usize::from(code) * Lane::ALL.len() + lane as usize
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
    /// Of a request or one-way message, what the peer calls its method or event in this lane.
    pub code: u16,
    /// Its correlation id.
    pub id: u64,
    /// Bytes of its whole payload.
    pub len: usize,
    /// When the caller gives up; [`Time::NEVER`] if never.
    pub deadline: Time,
    /// Trace context that came along.
    pub trace: Option<Trace>,
    /// Of a request that was sent before, on a connection that was lost, how many of its items had
    /// been taken.
    pub replayed: Option<u64>,
    /// Of a request that is a stream, what its items may take without credit.
    pub window: Option<u32>,
}

impl Message {
    /// A number for the name of a request or one-way message, on its connection: the peer numbers
    /// its names in every lane by itself. Below 2^18.
    #[inline]
    pub fn route(&self) -> usize {
        route(self.lane, self.code)
    }

    /// An empty message, for a place that will hold one.
    pub const NONE: Self = Self {
        kind: Kind::Control,
        lane: Lane::Normal,
        codec: Codec::Bytes,
        code: 0,
        id: 0,
        len: 0,
        deadline: Time::NEVER,
        trace: None,
        replayed: None,
        window: None,
    };
}
