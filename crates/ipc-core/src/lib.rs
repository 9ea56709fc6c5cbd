//! Processes on one machine talking through shared-memory rings: the engine behind ringpost.
//!
//! [`Engine`] owns sockets, rings, doorbells and timers, and shows its host two things: a descriptor
//! that becomes readable when there is work, and [`Engine::drive`], which does the work and never
//! blocks. Most programs use one of the APIs on top of it: [`blocking`] for threads that wait,
//! [`realtime`] for threads that may not, and, with the feature `tokio`, the asynchronous one.
//!
//! Modules use what stands below them and nothing above:
//!
//! ```text
//! blocking · realtime · tokio                        how one waits
//! api                                               what they share
//! engine                                             one descriptor, drive(): listeners, links, timers
//! session · handshake                                protocol state: no I/O, no clock
//! lanes                                              rings of one direction, by priority
//! ring · doorbell                                    algorithms over shared words
//! memory                                             sealed and named segments
//! header · option_block · checksum · limits · error · remote_error · value · time
//!                                                    plain values
//! ```

mod api;
pub mod blocking;
mod checksum;
mod compression;
mod doorbell;
mod engine;
mod error;
#[cfg(all(test, not(loom)))]
mod golden;
mod handshake;
mod header;
mod lanes;
mod limits;
mod memory;
mod option_block;
pub mod realtime;
mod remote_error;
mod ring;
#[cfg(all(test, not(loom)))]
mod seeds;
mod session;
mod sync;
mod sys;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
mod time;
#[cfg(feature = "tokio")]
pub mod tokio;
mod value;

pub use api::{
    ApiOptions, Arrival, CallOptions, Change, Item, Reply, Subscription, TIMEOUT_DEFAULT,
};
pub use checksum::CrcMode;
pub use compression::COMPRESSED_LEN_MIN;
pub use engine::{
    Body, Bounds, BufferId, DIRECTORY_VARIABLE, Deferred, Engine, EngineStats, Event, Host, LinkId,
    LinkStats, ListenOptions, ListenerId, Options, Overflow, Peer, Readiness, Sent, WaitPolicy,
};
pub use error::{Code, Corrupt, Error, Result};
pub use handshake::{EngineId, SessionId, Transport};
pub use header::{Codec, HEADER_LEN, Kind};
pub use limits::{
    Agreement, Geometry, Lane, Limits, RINGS, WINDOW_DEFAULT, WINDOW_MAX, WINDOW_MIN,
};
pub use option_block::{TRACE_LEN, Trace};
pub use remote_error::RemoteError;
pub use session::{Draft, Ending, Message, id, item_cost, route};
pub use time::Time;
pub use value::{Element, Extension, Record, Value};
