//! What the Rust faces share: calls in flight, handlers by name, and payload buffers.

mod buffers;
mod calls;
mod router;

pub(crate) use buffers::Buffers;
pub(crate) use calls::Calls;
pub(crate) use router::Router;

use std::time::Duration;

use crate::engine::Patience;
use crate::header::Codec;
use crate::limits::Lane;
use crate::option_block::Trace;

/// How a message travels. `Default` is a message of bytes on the normal lane without a deadline of
/// its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// The lane.
    pub lane: Lane,
    /// How the payload is encoded; the other side is told.
    pub codec: Codec,
    /// When a request is given up; `None` takes the client's.
    pub timeout: Option<Duration>,
    /// Trace context to carry along.
    pub trace: Option<Trace>,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// How the payload is encoded.
    pub codec: Codec,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Reply {
    /// An answer of bytes.
    pub fn bytes(payload: impl Into<Vec<u8>>) -> Self {
        Self { codec: Codec::Bytes, payload: payload.into() }
    }
}

/// When a request is given up unless told otherwise.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// How a client or server of a Rust face behaves, beyond what the engine needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaceOptions {
    /// When a request is given up unless it says otherwise.
    pub timeout: Duration,
    /// When connecting is given up.
    pub connect_timeout: Duration,
    /// How long to look before sleeping.
    pub patience: Patience,
}

impl Default for FaceOptions {
    fn default() -> Self {
        Self {
            timeout: TIMEOUT_DEFAULT,
            connect_timeout: Duration::from_secs(5),
            patience: Patience::DEFAULT,
        }
    }
}
