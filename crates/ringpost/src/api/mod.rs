//! What the APIs share: configurations, calls in flight, handlers by name, answers, changes of
//! connections, and payload buffers.

mod answers;
mod buffers;
mod call_options;
mod calls;
mod changes;
mod config;
mod departing;
mod flows;
mod router;
mod stats;
mod turns;

pub(crate) use answers::{answer_draft, not_a_stream, panicked, send_answer, unknown_method};
pub(crate) use buffers::Buffers;
pub use call_options::CallOptions;
pub(crate) use calls::Calls;
pub use changes::Change;
pub(crate) use changes::{Changes, closed_at_once};
pub use config::{CONNECT_TIMEOUT_DEFAULT, ClientConfig, ServerConfig, TIMEOUT_DEFAULT, WhileAway};
pub(crate) use departing::depart;
pub(crate) use flows::{FlowKey, Flows, Reading, item_draft};
pub(crate) use router::Router;
pub use router::Subscription;
pub use stats::{ErrorCounts, Stats};
pub(crate) use turns::Turns;

use ipc_core::{Body, Codec, LinkId, Message};

/// A one-way message that is read where it lies, in the memory shared with its sender.
///
/// ```
/// use ringpost::{Arrival, Corrupt};
///
/// /// Keeps the payloads of one event.
/// fn keep(arrival: Arrival<'_>, kept: &mut Vec<u8>) -> Result<(), Corrupt> {
///     match arrival.name {
///         "sample" => arrival.body.append_to(kept),
///         _ => Ok(()),
///     }
/// }
/// ```
#[non_exhaustive]
pub struct Arrival<'a> {
    /// Its event name.
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
///
/// ```
/// use ringpost::{Codec, Reply};
///
/// let reply = Reply { codec: Codec::Json, payload: b"{}".to_vec(), compress: false };
/// assert_ne!(reply, Reply::bytes("{}"));
/// ```
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
    /// A reply of bytes.
    ///
    /// ```
    /// use ringpost::{Codec, Reply};
    ///
    /// assert_eq!(Reply::bytes("done").codec, Codec::Bytes);
    /// ```
    pub fn bytes(payload: impl Into<Vec<u8>>) -> Self {
        Self { codec: Codec::Bytes, payload: payload.into(), compress: false }
    }
}

/// One of the many messages of a stream.
///
/// ```
/// use ringpost::{Codec, Item};
///
/// let item = Item { codec: Codec::Bytes, payload: vec![1, 2, 3] };
/// assert_eq!(item.payload.len(), 3);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// How the payload is encoded.
    pub codec: Codec,
    /// The payload.
    pub payload: Vec<u8>,
}
