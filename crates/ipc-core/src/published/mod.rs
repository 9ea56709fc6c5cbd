//! What one process publishes for any number of others: a file in the private directory, written by
//! one process, found by its name without a server, and mapped read-only by everyone else.
//!
//! ```text
//!   NAME.frame   | head | superseded | words of its kind | description | data |
//!                   ^ checked once     ^ written by the one writer, read by all
//! ```
//!
//! One file has one writer for its whole life. A writer that starts, or that needs another size or
//! format, makes a file of the next generation, puts it in the place of the last one and says so in
//! there; its readers move. Readers can write to nothing, so that neither a slow nor a hostile one
//! is noticed by the writer or by the others.

pub(crate) mod head;
mod leftovers;
mod opened;
pub(crate) mod owned;
pub(crate) mod place;
pub(crate) mod shared;
mod watcher;

pub use head::Format;
pub use leftovers::{Leftover, LeftoverKind, leftovers};
pub(crate) use opened::Opened;
pub(crate) use owned::Owned;
pub use place::Place;
pub use watcher::{Sleeper, WatchId, Watcher};
