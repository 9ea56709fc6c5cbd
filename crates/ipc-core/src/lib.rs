//! Processes on one machine talking through shared-memory rings: the engine behind ringpost.
//!
//! [`Engine`] owns sockets, rings, doorbells and timers, and shows its host two things: a
//! descriptor that becomes readable when there is work, and [`Engine::drive`], which does the work
//! and never
//! blocks. This crate is for those who embed it in an event loop of their own, as the Node.js
//! binding does; it starts no thread and knows no runtime. Most programs depend on the crate
//! `ringpost` instead, which has APIs for threads that wait, for tokio, and for threads under a
//! deadline.
//!
//! An embedder implements [`Host`], which receives messages and events, and drives the engine:
//!
//! ```
//! use std::time::Duration;
//!
//! use ipc_core::{
//!     Body, BufferId, Codec, Corrupt, Draft, Engine, Event, Host, Lane, LinkId, ListenOptions,
//!     Message, Options,
//! };
//!
//! /// Counts connections and keeps the last payload.
//! #[derive(Default)]
//! struct Inbox {
//!     connections: usize,
//!     received: Vec<u8>,
//! }
//!
//! impl Host for Inbox {
//!     fn message(&mut self, _: LinkId, _: &Message, body: Body<'_>) -> Result<(), Corrupt> {
//!         self.received.resize(body.len(), 0);
//!         body.copy_to(&mut self.received)
//!     }
//!
//!     fn event(&mut self, event: Event<'_>) {
//!         if matches!(event, Event::Accepted { .. } | Event::Connected { .. }) {
//!             self.connections += 1;
//!         }
//!     }
//!
//!     // Messages of several frames would arrive through these.
//!     fn open(&mut self, _: LinkId, _: &Message) -> BufferId {
//!         BufferId(0)
//!     }
//!     fn fill(&mut self, _: BufferId, _: usize, _: Body<'_>) -> Result<(), Corrupt> {
//!         Ok(())
//!     }
//!     fn finish(&mut self, _: LinkId, _: &Message, _: BufferId) {}
//!     fn discard(&mut self, _: BufferId) {}
//! }
//!
//! # let directory = std::env::temp_dir().join(format!("ringpost-core-{}", std::process::id()));
//! # let options = Options { directory: Some(directory.clone()), ..Options::default() };
//! let (mut server, mut inbox) = (Engine::new()?, Inbox::default());
//! server.listen("demo", &options, &ListenOptions::default())?;
//! let (mut client, mut outbox) = (Engine::new()?, Inbox::default());
//! let link = client.connect("demo", &options, Duration::from_secs(5))?;
//! while inbox.connections + outbox.connections < 2 {
//!     server.drive(&mut inbox);
//!     client.drive(&mut outbox);
//! }
//!
//! let code = client.code("tick")?;
//! client.send(link, &Draft::one_way(code, Lane::Normal, Codec::Bytes), b"hello")?;
//! client.flush();
//! while inbox.received.is_empty() {
//!     server.drive(&mut inbox);
//! }
//! assert_eq!(inbox.received, b"hello");
//! # std::fs::remove_dir_all(directory).unwrap();
//! # Ok::<(), ipc_core::Error>(())
//! ```
//!
//! In WebAssembly, where there is no system, sockets are those of a host, which is asked through
//! functions that the module imports from `"host"` and answers by calling the engine. There is one
//! transport, [`Transport::Socket`], and nothing that needs files or shared memory.
//!
//! Modules use what stands below them and nothing above:
//!
//! ```text
//! inspect                                            all of it, seen from outside
//! map                                                what is published: keys and values
//! state_frame · topic                                and named latest values, messages
//! published                                          files found by name, with one writer each
//! engine                                             one descriptor, drive(): links, timers
//! session · handshake                                protocol state: no I/O, no clock
//! lanes · mirror                                     rings of one direction, by priority, or sent
//! ring · doorbell                                    algorithms over shared words
//! memory                                             sealed and named segments
//! header · option_block · checksum · limits · latency · error · remote_error · value · time
//! compression                                        plain values
//! sync · sys                                         what models and tests replace
//! hosted                                             what a host is asked, in WebAssembly
//! ```

#![cfg_attr(
    target_family = "wasm",
    allow(
        dead_code,
        reason = "without files and shared memory, parts of what is shared are unused"
    )
)]

mod checksum;
mod compression;
mod doorbell;
mod engine;
mod error;
#[cfg(all(test, not(loom)))]
mod golden;
mod handshake;
mod header;
#[cfg(any(target_family = "wasm", all(test, not(loom))))]
mod hosted;
#[cfg(not(target_family = "wasm"))]
pub mod inspect;
mod lanes;
mod latency;
mod limits;
#[cfg(not(target_family = "wasm"))]
mod map;
mod memory;
mod mirror;
mod option_block;
#[cfg(not(target_family = "wasm"))]
mod published;
mod remote_error;
mod ring;
#[cfg(all(any(test, feature = "testing"), not(loom)))]
mod seeds;
mod session;
#[cfg(not(target_family = "wasm"))]
mod state_frame;
mod sync;
#[cfg_attr(target_family = "wasm", path = "hosted/sys.rs")]
mod sys;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
mod time;
#[cfg(not(target_family = "wasm"))]
mod topic;
mod value;

pub use checksum::CrcMode;
pub use compression::COMPRESSED_LEN_MIN;
#[cfg(target_family = "wasm")]
pub use engine::NotConnected;
pub use engine::{
    ALIKE_LEN_MAX, Body, Bounds, BufferId, DIRECTORY_VARIABLE, Deferred, Dialing, Engine,
    EngineStats, Event, Host, LinkId, LinkStats, ListenOptions, ListenerId, Options, Overflow,
    Peer, Readiness, Refusal, Reservation, Run, Sent, Totals, WaitPolicy,
};
#[cfg(not(target_family = "wasm"))]
pub use engine::{StopSignal, Taken, Waker};
pub use error::{Code, Corrupt, Error, Result};
pub use handshake::{EngineId, SessionId, TOKEN_LEN_MAX, Transport};
pub use header::{Codec, HEADER_LEN, Kind, id_and_len, take_frame};
pub use latency::{Histogram, LATENCY_BOUNDS, Latency};
pub use limits::{
    Agreement, CONNECT_TIMEOUT_DEFAULT, Geometry, Lane, Limits, METHOD_LEN_MAX, RING_LEN_MAX,
    RING_LEN_MIN, RINGS, TIMEOUT_DEFAULT, WINDOW_DEFAULT, WINDOW_MAX, WINDOW_MIN,
};
#[cfg(not(target_family = "wasm"))]
pub use map::{
    KeyChange, KeySeen, MAP_ENTRIES_MAX, MAP_KEY_LEN_MAX, MAP_VALUE_LEN_MAX, MapHead, MapOptions,
    MapReader, MapSizes, MapStats, MapStatus, MapValue, MapWriter,
};
pub use option_block::{TRACE_LEN, Trace};
#[cfg(not(target_family = "wasm"))]
pub use published::{Format, Leftover, LeftoverKind, Place, Sleeper, WatchId, Watcher, leftovers};
pub use remote_error::RemoteError;
pub use session::{Draft, Ending, GRANTS_PER_WINDOW, Message, Traffic, id, item_cost, route};
#[cfg(not(target_family = "wasm"))]
pub use state_frame::{
    FRAME_LEN_MAX, FrameHead, FrameOptions, FrameRead, FrameStats, FrameStatus, StateFrameReader,
    StateFrameWriter,
};
pub use time::Time;
#[cfg(not(target_family = "wasm"))]
pub use topic::{
    TOPIC_CAPACITY_DEFAULT, TOPIC_CAPACITY_MAX, TOPIC_CAPACITY_MIN, TopicMessage, TopicMode,
    TopicOptions, TopicPublisher, TopicPublisherStats, TopicStart, TopicStats, TopicSubscriber,
};
pub use value::{Element, Extension, Record, Value};
