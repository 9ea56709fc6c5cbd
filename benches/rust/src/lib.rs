//! One process under measurement: serves or asks, as the runner says in lines of JSON. All it
//! measures it measures itself; the runner only compares. Its twin in TypeScript is
//! `benches/worker.mts`.
//!
//! ```text
//! worker        lines come in, answers go out
//! measured      the loops, compiled anew for each transport
//! adapters      the transports, each a server and a channel
//! published     what is published without a connection, by library
//! payload · spans · framing     what they share
//! ```
//!
//! A program is a table of adapters and a call of [`run`], so that another crate can bring
//! transports of its own.

mod adapter;
pub mod adapters;
mod commands;
pub mod framing;
mod measured;
mod payload;
pub mod published;
mod spans;
mod worker;

pub use adapter::{Adapter, Channel, Result, Service, Settings, version_in};
pub use commands::{Latency, OpenLoop, Rate};
pub use measured::{Measured, Messages, Until};
pub use payload::{Reader, Sink};
pub use worker::run;
