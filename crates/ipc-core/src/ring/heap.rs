//! The region on the heap, for tests and fuzzing: whatever would leave the ring panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::Region;

/// A ring whose every byte is reached through an index that is checked. Cloned, it is the same
/// ring.
#[derive(Clone)]
pub(crate) struct HeapRegion(Arc<Heap>);

struct Heap {
    write: AtomicU64,
    read: AtomicU64,
    bytes: Box<[AtomicU8]>,
}

impl HeapRegion {
    /// An empty ring.
    pub fn new(capacity: usize) -> Self {
        let bytes = (0..capacity).map(|_| AtomicU8::new(0)).collect();
        Self(Arc::new(Heap { write: AtomicU64::new(0), read: AtomicU64::new(0), bytes }))
    }
}

impl Region for HeapRegion {
    fn capacity(&self) -> usize {
        self.0.bytes.len()
    }

    fn load_write(&self) -> u64 {
        self.0.write.load(Ordering::Acquire)
    }

    fn store_write(&self, position: u64) {
        self.0.write.store(position, Ordering::Release);
    }

    fn load_read(&self) -> u64 {
        self.0.read.load(Ordering::Acquire)
    }

    fn store_read(&self, position: u64) {
        self.0.read.store(position, Ordering::Release);
    }

    fn load_words<const N: usize>(&self, offset: usize) -> [u64; N] {
        std::array::from_fn(|index| {
            let mut word = [0; 8];
            self.copy_out(offset + index * 8, &mut word);
            u64::from_le_bytes(word)
        })
    }

    fn store_words<const N: usize>(&self, offset: usize, words: [u64; N]) {
        for (index, word) in words.into_iter().enumerate() {
            self.copy_in(offset + index * 8, &word.to_le_bytes());
        }
    }

    fn prefetch(&self, offset: usize) {
        assert!(offset < self.capacity());
    }

    fn copy_in(&self, offset: usize, bytes: &[u8]) {
        for (byte, value) in self.0.bytes[offset..offset + bytes.len()].iter().zip(bytes) {
            byte.store(*value, Ordering::Relaxed);
        }
    }

    fn copy_out(&self, offset: usize, bytes: &mut [u8]) {
        let source = &self.0.bytes[offset..offset + bytes.len()];
        for (byte, value) in source.iter().zip(bytes) {
            *value = byte.load(Ordering::Relaxed);
        }
    }
}
