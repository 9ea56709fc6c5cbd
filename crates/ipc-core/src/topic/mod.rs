//! Topics: one process publishes, any number of others read, and the publisher does the same for a
//! thousand readers as for one.
//!
//! ```text
//!    overwritten by the record      the newest         the next record
//!    that is being written          whole record       goes here
//!              v                         v                  v
//!  | pad |  ~~~~~~~  | record | record | record |  ~~~~~~~~~
//!                    ^                          ^           ^
//!            intent - capacity                 tail       intent
//! ```
//!
//! Positions count bytes from 0 and only grow; position `p` lies at `p` modulo the capacity of the
//! ring. A record never wraps: a pad closes a lap in which it does not fit.
//!
//! **What orders what.** `Writer::append` stores the intent before a Release fence, and the
//! bytes after it. `Ring::read` copies, and loads the intent behind an Acquire fence. So a
//! reader that has copied a byte that was written since sees the intent to write it, and knows that
//! the copy is of no use. `Writer::show` stores the tail with Release after the records; readers
//! load it with Acquire before they copy.
//!
//! **Readers that must miss nothing** have a slot in memory that they may write to
//! (`slots`). Before the publisher writes beyond what it has checked, it announces how far it
//! wants to go (the reach), and looks at the slots behind a fence; a reader that joins writes its
//! slot and looks at the reach behind a fence. One of the two sees the other: a reader whose
//! position the reach still covers is waited for from then on.

mod cursor;
#[cfg(all(test, loom))]
mod model;
pub(crate) mod outside;
mod publisher;
mod ring;
mod slots;
mod subscriber;
#[cfg(all(test, not(loom)))]
pub(crate) mod tests;
mod writer;

use cursor::{Cursor, Next};
pub use cursor::{Mode as TopicMode, Start as TopicStart};
pub use outside::{LosslessReader, TopicState};
pub use publisher::{TopicOptions, TopicPublisher, TopicPublisherStats};
pub use subscriber::{TopicMessage, TopicStats, TopicSubscriber};
use writer::{Held, Writer};

use crate::error::{Code, Error, Result};
use crate::published::head::DATA_LEN_MAX;
use ring::CAPACITY_MIN;

/// Bytes of the smallest ring.
pub const TOPIC_CAPACITY_MIN: usize = CAPACITY_MIN;
/// Bytes of the largest ring.
pub const TOPIC_CAPACITY_MAX: usize = DATA_LEN_MAX;
/// Bytes of a ring unless something else is asked for.
pub const TOPIC_CAPACITY_DEFAULT: usize = 1 << 20;

fn check_capacity(capacity: usize) -> Result<()> {
    if capacity.is_power_of_two() && (CAPACITY_MIN..=DATA_LEN_MAX).contains(&capacity) {
        return Ok(());
    }
    let message = format!(
        "the capacity of a topic is a power of two from {CAPACITY_MIN} to {DATA_LEN_MAX}, got \
         {capacity}"
    );
    Err(Error::new(Code::InvalidArgument, message))
}
