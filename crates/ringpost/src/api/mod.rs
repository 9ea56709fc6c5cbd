//! What the Rust APIs share: options, calls in flight, handlers by name, answers, connections that
//! come and go, and payload buffers.

mod answers;
mod buffers;
mod calls;
mod changes;
mod flows;
mod router;
mod turns;

pub(crate) use answers::{answer_draft, panicked, send_answer, unknown_method};
pub(crate) use buffers::Buffers;
pub(crate) use calls::Calls;
pub use changes::Change;
pub(crate) use changes::{Changes, closed_at_once};
pub(crate) use flows::{FlowKey, Flows, Reading, item_draft};
pub(crate) use router::Router;
pub use router::Subscription;
pub(crate) use turns::Turns;

use std::time::Duration;

use ipc_core::{
    Body, Codec, Draft, Kind, Lane, LinkId, Message, Trace, WINDOW_DEFAULT, WaitPolicy,
};

/// How a message travels. `Default` is a message of bytes on the normal lane without a deadline of
/// its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// The lane.
    pub lane: Lane,
    /// How the payload is encoded; the other side is told.
    pub codec: Codec,
    /// When a request is given up; `None` takes the client's. A stream has no end of its own then.
    pub timeout: Option<Duration>,
    /// Trace context to carry along.
    pub trace: Option<Trace>,
    /// For a stream, the bytes of items that may be on their way or wait to be read, in either
    /// direction: [`WINDOW_MIN`](crate::WINDOW_MIN) to [`WINDOW_MAX`](crate::WINDOW_MAX); `None`
    /// takes [`WINDOW_DEFAULT`].
    pub window: Option<u32>,
    /// Compresses the payload for its way, where that makes it shorter and the peer can undo it. Pays
    /// where memory is scarcer than time.
    pub compress: bool,
}

impl CallOptions {
    /// A message nobody answers, of the event `code`.
    pub(crate) fn one_way(&self, code: u32) -> Draft {
        Draft {
            kind: Kind::OneWay,
            lane: self.lane,
            codec: self.codec,
            code,
            id: 0,
            timeout: None,
            trace: self.trace,
            window: None,
            compress: self.compress,
        }
    }

    /// The request `id` of the method `code`.
    pub(crate) fn request(&self, code: u32, id: u64, api: &ApiOptions) -> Draft {
        let timeout = Some(self.timeout.unwrap_or(api.timeout));
        Draft { kind: Kind::Request, id, timeout, ..self.one_way(code) }
    }

    /// The same with items. A stream lasts as long as it takes, unless told otherwise.
    pub(crate) fn stream(&self, code: u32, id: u64) -> Draft {
        let (timeout, window) = (self.timeout, Some(self.window.unwrap_or(WINDOW_DEFAULT)));
        Draft { kind: Kind::Request, id, timeout, window, ..self.one_way(code) }
    }
}

/// A one-way message that is read where it lies, in the memory shared with its author.
pub struct Arrival<'a> {
    /// What its author calls it.
    pub name: &'a str,
    /// The connection it came on.
    pub link: LinkId,
    /// Everything else about it.
    pub message: &'a Message,
    /// Its payload: copy it out, which checks it, or read it in place through
    /// [`Body::as_ptr`].
    pub body: Body<'a>,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// How the payload is encoded.
    pub codec: Codec,
    /// The payload.
    pub payload: Vec<u8>,
    /// Of an answer to be sent: as [`CallOptions::compress`].
    pub compress: bool,
}

impl Reply {
    /// An answer of bytes.
    pub fn bytes(payload: impl Into<Vec<u8>>) -> Self {
        Self { codec: Codec::Bytes, payload: payload.into(), compress: false }
    }
}

/// One of the many messages of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// How the payload is encoded.
    pub codec: Codec,
    /// The payload.
    pub payload: Vec<u8>,
}

/// When a request is given up unless told otherwise.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// How a client or server of a Rust api behaves, beyond what the engine needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiOptions {
    /// When a request is given up unless it says otherwise.
    pub timeout: Duration,
    /// When connecting is given up.
    pub connect_timeout: Duration,
    /// How long to look before sleeping.
    pub wait_policy: WaitPolicy,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            timeout: TIMEOUT_DEFAULT,
            connect_timeout: Duration::from_secs(5),
            wait_policy: WaitPolicy::DEFAULT,
        }
    }
}
