//! A single-producer, single-consumer byte ring of frames.
//!
//! ```text
//!        read                    write
//!          v                       v
//!  | free  | frame | frame | frame | free ... | pad |
//!  0                                          ^     capacity, a power of two
//!                                             closes a lap in which the next frame does not fit
//! ```
//!
//! Positions are 64-bit, count bytes, only grow, and wrap as numbers do. Each side keeps its own
//! position privately and reads the other's from shared memory, once, checking it against the
//! agreed capacity before use. Frames are padded to eight bytes and never split.
//!
//! What orders what: [`Producer::publish`] stores the write position with Release after the frame's
//! bytes; [`Consumer::refresh`] loads it with Acquire before they are read. [`Consumer::release`]
//! stores the read position with Release after the bytes were copied out; [`Producer::reserve`]
//! loads it with Acquire before it writes there again.
//!
//! The algorithm is written over [`Region`], so that the same lines run over a mapping and inside
//! a loom model.

mod consumer;
#[cfg(any(feature = "testing", all(test, not(loom))))]
pub(crate) mod heap;
pub(crate) mod mapped;
#[cfg(all(test, loom))]
pub(crate) mod model;
mod producer;
#[cfg(all(test, not(loom)))]
mod tests;

pub(crate) use consumer::{Consumer, Frame, Payload};
pub(crate) use producer::Producer;

/// One ring's bytes and its two positions, as either side sees them.
pub(crate) trait Region {
    /// Bytes in the ring, a power of two.
    fn capacity(&self) -> usize;
    /// The producer's position, with Acquire.
    fn load_write(&self) -> u64;
    /// Publishes the producer's position, with Release.
    fn store_write(&self, position: u64);
    /// The consumer's position, with Acquire.
    fn load_read(&self) -> u64;
    /// Publishes the consumer's position, with Release.
    fn store_read(&self, position: u64);
    /// The `N` words at `offset`, each read once.
    fn load_words<const N: usize>(&self, offset: usize) -> [u64; N];
    /// Writes `N` words at `offset`.
    fn store_words<const N: usize>(&self, offset: usize, words: [u64; N]);
    /// Says that the first bytes at `offset` will be read next.
    fn prefetch(&self, offset: usize);
    /// Copies `bytes` to `offset`.
    fn copy_in(&self, offset: usize, bytes: &[u8]);
    /// Copies from `offset` into private memory.
    fn copy_out(&self, offset: usize, bytes: &mut [u8]);
    /// Copies `len` bytes from `offset` to the end of `bytes`.
    fn append_out(&self, offset: usize, len: usize, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        bytes.resize(start + len, 0);
        self.copy_out(offset, &mut bytes[start..]);
    }
}

/// First half of a pad's only word; the other half is its length.
const PAD: u32 = u32::from_le_bytes(*b"RPAD");

/// Whether a frame's place starts with this word of a pad.
#[inline]
pub(crate) fn is_pad(word: u64) -> bool {
    word & u64::from(u32::MAX) == u64::from(PAD)
}

pub(crate) fn pad_word(len: usize) -> u64 {
    u64::from(PAD) | (len as u64) << 32
}
