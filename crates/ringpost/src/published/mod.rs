//! What one process publishes for any number of others, without a server: files that one process
//! writes and others map read-only, found by name.
//!
//! A **state frame** is a named latest value. Its one writer replaces the value and never waits;
//! each reader gets the newest one, whole, whenever it looks, or waits until there is another.
//!
//! ```
//! use std::time::Duration;
//! use ringpost::published::{FrameConfig, FrameStatus, Place, StateFrameReader, StateFrameWriter};
//! # let directory = std::env::temp_dir().join(format!("ringpost-pub-{}", std::process::id()));
//!
//! let place = Place::at(&directory); // Place::default() is where all of this user meet
//! let mut reader = StateFrameReader::open("position", &place)?;
//! assert_eq!(reader.read()?.status, FrameStatus::Empty);
//!
//! // In another process, say.
//! let mut writer = StateFrameWriter::create("position", &FrameConfig::new().place(place))?;
//! writer.write(b"here")?;
//! writer.write(b"there")?;
//!
//! let newest = reader.wait_for_change(Duration::from_secs(1))?.expect("there is a value");
//! assert_eq!((newest.bytes, newest.number), (&b"there"[..], 2));
//! # writer.remove();
//! # std::fs::remove_dir_all(directory).unwrap();
//! # Ok::<(), ringpost::Error>(())
//! ```
//!
//! A **map** has keys and values of one owner, which may expire: [`MapWriter`], [`MapReader`], and
//! [`KeyWatch`] to wait for changes of one key.
//!
//! A **topic** is a sequence of messages from one publisher to any number of subscribers, for which
//! it does the same whether there is one or a thousand: [`TopicSubscriber`]. Those that are too
//! slow miss messages and know how many; those that must not can make it wait, for a bounded time.
//!
//! Waiting costs the writer one system call of about a microsecond, every tenth of a millisecond at
//! most, however many readers sleep. In tasks, `ringpost::tokio::FrameChanges`, `KeyChanges` and
//! `TopicMessages` wait.

mod config;
mod map;
mod state_frame;
mod topic;
pub(crate) mod waiting;

pub use config::{FrameConfig, MapConfig};
pub use ipc_core::{FRAME_LEN_MAX, Format, FrameHead, FrameRead, FrameStats, FrameStatus, Place};
pub use ipc_core::{MapHead, MapSizes, MapStats, MapStatus, MapValue};
pub use ipc_core::{
    TOPIC_CAPACITY_DEFAULT, TOPIC_CAPACITY_MAX, TOPIC_CAPACITY_MIN, TopicMessage, TopicMode,
    TopicOptions, TopicPublisher, TopicPublisherStats, TopicStart, TopicStats,
};
pub use map::{KeyWatch, MapReader, MapWriter};
pub use state_frame::{Changes, Frame, StateFrameReader, StateFrameWriter};
pub use topic::{Messages, OwnedMessage, TopicSubscriber};
