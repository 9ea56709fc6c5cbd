//! Bytes that processes share, as 64-bit words and as copies, wherever they lie.
//!
//! What is published (frames, topics, maps) is written over this trait, so that the same lines run
//! over a mapping, over plain memory in a test, and inside a loom model. Numbers are little-endian.

use std::ptr;
use std::sync::Arc;

use super::Segment;
use crate::sync::Ordering;

/// Bytes of a word.
pub(crate) const WORD: usize = size_of::<u64>();

/// Shared bytes. Offsets are checked: one that lies outside is a panic, never another's memory.
pub(crate) trait Words {
    /// The word at `offset`, a multiple of eight.
    fn load(&self, offset: usize, order: Ordering) -> u64;
    /// Replaces the word at `offset`. Only of memory that this process may write to.
    fn store(&self, offset: usize, word: u64, order: Ordering);
    /// Copies `bytes` to `offset`. What is read of it meanwhile is of no use, and no fault.
    fn copy_in(&self, offset: usize, bytes: &[u8]);
    /// Copies from `offset`. What is written meanwhile may be seen in part.
    fn copy_out(&self, offset: usize, bytes: &mut [u8]);
}

impl Words for Segment {
    #[inline]
    fn load(&self, offset: usize, order: Ordering) -> u64 {
        u64::from_le(self.word64(offset).load(order))
    }

    #[inline]
    fn store(&self, offset: usize, word: u64, order: Ordering) {
        self.word64(offset).store(word.to_le(), order);
    }

    #[inline]
    fn copy_in(&self, offset: usize, bytes: &[u8]) {
        let to = self.span(offset, bytes.len());
        // SAFETY: the span lies inside the mapping and `bytes` outside of it. Readers of other
        // processes check stamps before they use what they have copied.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len()) };
    }

    #[inline]
    fn copy_out(&self, offset: usize, bytes: &mut [u8]) {
        let from = self.span(offset, bytes.len());
        // SAFETY: as above; any bytes are valid, and what was torn is recognised by its stamp.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), bytes.as_mut_ptr(), bytes.len()) };
    }
}

impl<W: Words> Words for Arc<W> {
    #[inline]
    fn load(&self, offset: usize, order: Ordering) -> u64 {
        (**self).load(offset, order)
    }

    #[inline]
    fn store(&self, offset: usize, word: u64, order: Ordering) {
        (**self).store(offset, word, order);
    }

    #[inline]
    fn copy_in(&self, offset: usize, bytes: &[u8]) {
        (**self).copy_in(offset, bytes);
    }

    #[inline]
    fn copy_out(&self, offset: usize, bytes: &mut [u8]) {
        (**self).copy_out(offset, bytes);
    }
}

/// The same in memory of this process, with loom's atomics where they are modelled.
#[cfg(test)]
pub(crate) struct Heap(Vec<crate::sync::AtomicU64>);

#[cfg(test)]
impl Heap {
    pub fn new(len: usize) -> Self {
        Self((0..len.div_ceil(WORD)).map(|_| crate::sync::AtomicU64::new(0)).collect())
    }

    fn word(&self, offset: usize) -> &crate::sync::AtomicU64 {
        assert!(offset.is_multiple_of(WORD), "word at unaligned offset {offset}");
        &self.0[offset / WORD]
    }
}

#[cfg(test)]
impl Words for Heap {
    fn load(&self, offset: usize, order: Ordering) -> u64 {
        self.word(offset).load(order)
    }

    fn store(&self, offset: usize, word: u64, order: Ordering) {
        self.word(offset).store(word, order);
    }

    fn copy_in(&self, offset: usize, bytes: &[u8]) {
        for (index, chunk) in bytes.chunks(WORD).enumerate() {
            let at = offset + index * WORD;
            // The bytes behind the end stay what they are.
            let mut word = self.load(at, Ordering::Relaxed).to_le_bytes();
            word[..chunk.len()].copy_from_slice(chunk);
            self.store(at, u64::from_le_bytes(word), Ordering::Relaxed);
        }
    }

    fn copy_out(&self, offset: usize, bytes: &mut [u8]) {
        for (index, chunk) in bytes.chunks_mut(WORD).enumerate() {
            let word = self.load(offset + index * WORD, Ordering::Relaxed).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}
