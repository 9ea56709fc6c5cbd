//! The API for tokio: handles that are shared between tasks, and handlers that are futures.
//!
//! ```
//! use ringpost::tokio::{Client, Handlers, Request, Server};
//! use ringpost::{CallOptions, ClientConfig, Reply, ServerConfig};
//! # let directory = std::env::temp_dir().join(format!("ringpost-tokio-{}", std::process::id()));
//! # let server_config = ServerConfig::new().directory(&directory);
//! # let client_config = ClientConfig::new().directory(&directory);
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//!
//! let handlers = Handlers::new().handle("shout", |request: Request| async move {
//!     Ok(Reply::bytes(request.payload.to_ascii_uppercase()))
//! });
//! let server = Server::bind_with("demo", &server_config, handlers).await?;
//!
//! let client = Client::connect("demo", &client_config).await?;
//! let reply = client.request("shout", b"hello", &CallOptions::new()).await?;
//! assert_eq!(reply.payload, b"HELLO");
//!
//! client.close().await;
//! server.close().await;
//! # std::fs::remove_dir_all(directory).unwrap();
//! # Ok::<(), ringpost::Error>(())
//! # }).unwrap();
//! ```
//!
//! One task for each engine, the *driver*, waits for it. Everything else takes a lock that is never
//! held while anything waits or while code of the application runs. A client or server has an
//! engine of its own, or shares one with others: [`SharedEngine`].
//!
//! ```text
//!   request, notify, cancel ---+
//!                              v
//!   driver ----- drive ----> engine --- collected under the lock ---> run after it was released:
//!     ^  ^                                                          handlers spawned, tasks woken
//!     |  +-- nudge: work that makes no descriptor readable
//!     +----- descriptor: a peer rang, a timer, a client
//! ```
//!
//! **Requests** of a peer are handled side by side, each in a task of its own, at most
//! [`Bounds::serving_max`](crate::Bounds) of them; beyond that they stay in the ring. **One-way
//! messages** of a connection are handled one after the other, in the order in which they came; a
//! handler that is slow lets them wait, some in private memory, then in the ring, then at the peer.
//!
//! A [`Client`] outlives its sessions: when its server goes away it waits for the next one of that
//! name, and so does what it is asked meanwhile. A [`Pool`] holds several.
//!
//! A client or server is closed when the last of its handles is dropped. A handler that holds a
//! handle of its own client or server keeps it open until it is closed; [`Request::notify`] and
//! [`Request::request`] reach the peer without one.

mod asking;
mod away;
mod call;
mod client;
mod common;
mod dispatcher;
mod driver;
mod engine;
mod events;
mod frame_changes;
mod groups;
mod handler;
mod host;
mod in_flight;
mod job;
mod key_changes;
mod lasting;
mod line;
mod liveness;
mod pool;
mod published;
#[cfg(feature = "metrics")]
mod reporter;
mod request;
mod requester;
mod server;
#[cfg(feature = "typed")]
mod serving;
mod sessions;
mod shared;
mod spans;
mod stream;
mod topic_messages;
#[cfg(feature = "typed")]
mod typed_stream;
mod waits;

pub use crate::api::Change;
pub use call::Call;
pub use client::Client;
pub use engine::SharedEngine;
pub use frame_changes::FrameChanges;
pub use handler::Handlers;
pub use key_changes::KeyChanges;
pub use pool::{Lease, Pool, PoolConfig, PoolServerStats, PoolStats};
#[cfg(feature = "metrics")]
pub use reporter::{Reported, Reporter};
pub use request::{Cancellation, Request};
pub use requester::{Connection, Requester};
pub use server::Server;
#[cfg(feature = "typed")]
pub use serving::StreamError;
pub use sessions::{ClientChange, ClientState, ClientStats};
pub use stream::Streaming;
pub use topic_messages::TopicMessages;
#[cfg(feature = "typed")]
pub use typed_stream::{ItemSender, Items};
