//! The region as it lies in a segment.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Region;
use crate::limits::Geometry;
use crate::memory::layout::{self, Side};
use crate::memory::{ObjectKind, Segment};
use crate::sync::{OBSERVE, PUBLISH};

/// Cache lines asked for at once: enough for a small message, whose lines would else be fetched one
/// after the other, each after its predecessor was read.
#[cfg(target_arch = "x86_64")]
const PREFETCH_LINES: usize = 4;

/// One ring of a segment. It keeps the segment mapped.
pub(crate) struct MappedRegion {
    bytes: NonNull<u8>,
    capacity: usize,
    write: NonNull<AtomicU64>,
    read: NonNull<AtomicU64>,
    _segment: Arc<Segment>,
}

// SAFETY: the pointers lead into the segment, which is `Send + Sync` and kept alive; words are only
// reached as atomics, and the ring protocol gives each byte one writer at a time.
unsafe impl Send for MappedRegion {}

impl MappedRegion {
    /// The ring `ring` that `writer` writes and its peer reads.
    pub fn new(segment: &Arc<Segment>, geometry: &Geometry, writer: Side, ring: usize) -> Self {
        debug_assert_eq!(segment.kind(), ObjectKind::Lanes);
        let capacity = geometry.rings[ring] as usize;
        Self {
            bytes: segment.span(layout::ring_start(geometry, writer, ring), capacity),
            capacity,
            write: NonNull::from(segment.word64(layout::write_position(writer, ring))),
            read: NonNull::from(segment.word64(layout::read_position(writer.peer(), ring))),
            _segment: Arc::clone(segment),
        }
    }

    /// A pointer to `len` bytes at `offset`, for reading or filling in place.
    #[inline]
    pub fn pointer(&self, offset: usize, len: usize) -> NonNull<u8> {
        assert!(offset <= self.capacity && len <= self.capacity - offset, "outside of the ring");
        // SAFETY: inside the ring's bytes, just checked.
        unsafe { self.bytes.add(offset) }
    }

    #[inline]
    fn write(&self) -> &AtomicU64 {
        // SAFETY: points to a word of the segment, which `self` keeps mapped.
        unsafe { self.write.as_ref() }
    }

    #[inline]
    fn read(&self) -> &AtomicU64 {
        // SAFETY: as above.
        unsafe { self.read.as_ref() }
    }

    #[inline]
    fn word(&self, offset: usize) -> &AtomicU64 {
        let pointer = self.pointer(offset, size_of::<u64>()).cast::<AtomicU64>();
        debug_assert!(pointer.is_aligned());
        // SAFETY: inside the ring; offsets of frames are multiples of eight from a page's start.
        unsafe { pointer.as_ref() }
    }
}

impl Region for MappedRegion {
    #[inline]
    fn capacity(&self) -> usize {
        self.capacity
    }

    #[inline]
    fn load_write(&self) -> u64 {
        self.write().load(OBSERVE)
    }

    #[inline]
    fn store_write(&self, position: u64) {
        self.write().store(position, PUBLISH);
    }

    #[inline]
    fn load_read(&self) -> u64 {
        self.read().load(OBSERVE)
    }

    #[inline]
    fn store_read(&self, position: u64) {
        self.read().store(position, PUBLISH);
    }

    #[inline]
    fn load_words<const N: usize>(&self, offset: usize) -> [u64; N] {
        std::array::from_fn(|index| {
            u64::from_le(self.word(offset + index * 8).load(Ordering::Relaxed))
        })
    }

    #[inline]
    fn store_words<const N: usize>(&self, offset: usize, words: [u64; N]) {
        for (index, word) in words.into_iter().enumerate() {
            self.word(offset + index * 8).store(word.to_le(), Ordering::Relaxed);
        }
    }

    #[inline]
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
    fn prefetch(&self, offset: usize) {
        #[cfg(target_arch = "x86_64")]
        for line in 0..PREFETCH_LINES {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let address =
                self.bytes.as_ptr().wrapping_add((offset + line * 64) & (self.capacity - 1));
            // SAFETY: a hint; it does not fault and changes no memory.
            unsafe { _mm_prefetch(address.cast(), _MM_HINT_T0) };
        }
    }

    #[inline]
    fn copy_in(&self, offset: usize, bytes: &[u8]) {
        let target = self.pointer(offset, bytes.len());
        // SAFETY: the target is in bounds and reserved for this producer; a reference into a
        // mapping never exists, so it cannot overlap `bytes`.
        unsafe { bytes.as_ptr().copy_to_nonoverlapping(target.as_ptr(), bytes.len()) };
    }

    #[inline]
    fn copy_out(&self, offset: usize, bytes: &mut [u8]) {
        let source = self.pointer(offset, bytes.len());
        // SAFETY: the source is in bounds. A sane peer does not write there before it is released;
        // an insane one makes the copy meaningless, and whatever it contains is checked afterwards.
        unsafe { source.as_ptr().copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
    }
    #[inline]
    fn append_out(&self, offset: usize, len: usize, bytes: &mut Vec<u8>) {
        let source = self.pointer(offset, len);
        bytes.reserve(len);
        let start = bytes.len();
        // SAFETY: as in `copy_out`; the target was reserved, and all of it is written before the
        // length says so.
        unsafe {
            source.as_ptr().copy_to_nonoverlapping(bytes.as_mut_ptr().add(start), len);
            bytes.set_len(start + len);
        }
    }
}
