//! What carries the frames of a link: five rings in each direction, four lanes and one for control
//! messages, whatever they are made of.
//!
//! ```text
//!   link  ->  push / reserve, fill, complete  ->  commit  ~~>  peer
//!   link  <-  next, header, payload, advance  <-  commit  <~~  peer
//! ```
//!
//! A link is generic over its carrier, so that every call here is a direct one. [`lanes`] is shared
//! memory, or a segment that a [`Mirror`](crate::mirror::Mirror) keeps like that of the peer. What
//! another transport needs is this trait, and a handshake that agrees on it.

mod lanes;

use std::ptr::NonNull;

use super::host::Body;
use crate::error::Corrupt;
use crate::header::Header;
use crate::lanes::Scope;
use crate::limits::RINGS;
use crate::option_block::Options;

pub(in crate::engine) use lanes::SharedLanes;

/// Both directions of one connection, seen from one end. Rings are named by their index: the four
/// lanes by priority, then [`CONTROL`](crate::limits::CONTROL).
pub(in crate::engine) trait Carrier {
    /// The payload of a frame that has not been read yet.
    type Payload<'a>: Payload<'a>
    where
        Self: 'a;

    // ---- reading ----

    /// Whether there may be something to read in `scope`. Two loads at most.
    fn has_any(&self, scope: Scope) -> bool;
    /// Whether there is a control message as of now.
    fn has_controls(&self) -> bool;
    /// The ring in which the next frame by priority lies; [`Self::advance`] steps over it.
    fn next(&mut self, scope: Scope) -> Result<Option<usize>, Corrupt>;
    /// Whether there is a frame in this ring that may be read before any other.
    fn next_in(&mut self, ring: usize) -> Result<bool, Corrupt>;
    /// The header of the frame that was found in a ring, copied and checked.
    fn header(&self, ring: usize) -> &Header;
    /// What a ring may still be read in this round; a frame costs [`frame_cost`].
    ///
    /// [`frame_cost`]: crate::lanes::frame_cost
    fn quota(&self, ring: usize) -> i64;
    /// Copies what was seen of a ring, from the next frame on, as far as it lies in one piece and
    /// `bytes` goes. Returns how much that is; none of it was checked.
    fn copy_ahead(&self, ring: usize, bytes: &mut [u8]) -> usize;
    /// Steps over `len` bytes of frames that were read in a copy, which cost so much.
    fn skip(&mut self, ring: usize, len: usize, cost: i64);
    /// The payload of the frame that was found.
    fn payload(&self, ring: usize) -> Self::Payload<'_>;
    /// Steps over it.
    fn advance(&mut self, ring: usize);

    // ---- writing ----

    /// Writes a frame whose payload lies in `parts`. Returns whether there was room.
    fn push(&mut self, ring: usize, header: [u64; 3], parts: &[&[u8]]) -> Result<bool, Corrupt>;
    /// Bytes of whole frames there is room for in one piece, up to `want`.
    fn room(&mut self, ring: usize, want: usize) -> Result<usize, Corrupt>;
    /// Writes whole frames there is room for.
    fn push_frames(&mut self, ring: usize, frames: &[u8]);
    /// Whether a frame of `len` bytes would fit now.
    fn has_room_for(&mut self, ring: usize, len: usize) -> Result<bool, Corrupt>;
    /// Whether the peer has made space in a ring since it was found full.
    fn has_new_space(&self, ring: usize) -> bool;
    /// Bytes written to a ring that the peer has not read, as of now.
    fn undelivered(&mut self, ring: usize) -> u64;
    /// Bytes of the longest payload of one frame.
    fn payload_max(&self, ring: usize) -> usize;
    /// How far the peer has read each ring; `None`: it has read all that was published.
    fn unread(&self) -> Option<[u64; RINGS]>;
    /// Bytes a ring holds.
    fn capacity(&self, ring: usize) -> usize;

    // ---- writing in place ----

    /// Finds room for a frame with `len` bytes after its header, which [`Self::complete`] completes
    /// before anything else is written to that ring. Returns where it will start.
    fn reserve(&mut self, ring: usize, len: usize) -> Result<Option<usize>, Corrupt>;
    /// Copies bytes into a reserved frame; `at` counts as what [`Self::reserve`] returned does.
    fn fill(&mut self, ring: usize, at: usize, bytes: &[u8]);
    /// Where bytes of a reserved frame lie.
    fn pointer(&self, ring: usize, at: usize, len: usize) -> NonNull<u8>;
    /// Continues a checksum over bytes of a reserved frame.
    fn checksum(&self, ring: usize, at: usize, len: usize, running: u32) -> u32;
    /// Completes a reserved frame.
    fn complete(&mut self, ring: usize, start: usize, header: [u64; 3], len: usize);

    // ---- both ----

    /// Bytes of all frames that were written, and of all that were read.
    fn carried(&self) -> (u64, u64);
    /// Publishes what was written and releases what was read. True: the peer sleeps and has to be
    /// woken, now.
    fn commit(&mut self) -> bool;
    /// Asks the peer to wake this end, for space as well if `for_space`, and then calls `poll`.
    /// Returns whether this end may sleep: `poll` found nothing.
    fn arm(&self, for_space: bool, poll: impl FnOnce() -> bool) -> bool;
    /// This end is awake: the peer need not wake it.
    fn disarm(&self);
    /// Whether what the two ends share is gone.
    fn is_lost(&self) -> bool;

    // ---- words the ends publish ----

    /// Publishes the request this end waits for synchronously; 0 for none.
    fn store_sync_wait(&self, id: u64);
    /// What the peer published that way.
    fn load_sync_wait(&self) -> u64;
    /// Publishes how many messages a lane of this end has dropped.
    fn store_dropped(&self, lane: usize, count: u64);
    /// What the peer published that way.
    fn load_dropped(&self, lane: usize) -> u64;
}

/// A payload that is used by being copied, once, and checked in the copy.
pub(in crate::engine) trait Payload<'a>: Sized {
    /// Bytes left.
    fn len(&self) -> usize;
    /// Takes the option block off the front.
    fn take_options(&mut self) -> Result<Options, Corrupt>;
    /// Copies all that is left into `bytes`, which has that length, and checks the copy.
    fn copy_to(self, bytes: &mut [u8]) -> Result<(), Corrupt>;
    /// Checks what is not wanted: a flipped bit may be why it is not.
    fn check(self) -> Result<(), Corrupt>;
    /// The same payload, as a host sees it.
    fn into_body(self) -> Body<'a>;
}
