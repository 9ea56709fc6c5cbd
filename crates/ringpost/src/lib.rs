//! Requests, streams and events between processes of one machine, through shared memory.
//!
//! Three ways of waiting, over one engine:
//!
//! - [`blocking`] for threads that wait,
//! - [`realtime`] for threads under a deadline, which may neither wait nor allocate,
//! - `tokio`, with the feature of that name, for tasks.
//!
//! And without a server, in files found by name: what is [`published`].
//!
//! Modules use what stands below them and nothing above:
//!
//! ```text
//! tokio · realtime            how one waits
//! blocking
//! published                   what one process writes and others map
//! typed                       contracts: names with types
//! api                         what they share
//! layout                      records of a fixed size
//! ipc_core                    the engine: one descriptor, drive()
//! ```

#![forbid(unsafe_code)]

mod api;
pub mod blocking;
pub mod layout;
pub mod published;
pub mod realtime;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "typed")]
pub mod typed;

pub use api::{
    Arrival, CONNECT_TIMEOUT_DEFAULT, CallOptions, Change, ClientConfig, ErrorCounts, Item, Reply,
    ServerConfig, Stats, Subscription, TIMEOUT_DEFAULT, WhileAway,
};
pub use ipc_core::{
    Agreement, Body, Bounds, Code, Codec, Corrupt, CrcMode, EngineId, EngineStats, Error, Geometry,
    Kind, Lane, Latency, Limits, LinkId, LinkStats, ListenOptions, Message, Options, Overflow,
    Peer, RemoteError, Result, Sent, SessionId, Time, Trace, Transport, WINDOW_DEFAULT, WINDOW_MAX,
    WINDOW_MIN, WaitPolicy,
};
#[cfg(feature = "typed")]
pub use typed::{Event, Method, Stream};

/// The programs of the project's guides.
#[cfg(all(doctest, feature = "tokio", feature = "typed"))]
#[doc = include_str!("../../../docs/guide/contracts.md")]
#[doc = include_str!("../../../docs/guide/published.md")]
#[doc = include_str!("../../../docs/guide/streams.md")]
struct Guides;

/// Those of the crate's.
#[cfg(all(doctest, feature = "tokio", feature = "typed"))]
#[doc = include_str!("../README.md")]
struct CrateReadme;
