//! Shared mappings and their lifetime. One type, two ways to come by one:
//! [`sealed`] memory files passed by descriptor, and [`named`] segments found by name.

#![allow(unsafe_code)]

pub(crate) mod layout;
pub(crate) mod named;
pub(crate) mod sealed;

use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use crate::limits::PAGE;

/// One shared mapping. It lives as long as anything holds it; attaching never initialises it.
pub struct Segment {
    base: NonNull<u8>,
    len: usize,
    backing: Backing,
}

enum Backing {
    Sealed,
    Named(named::Holder),
}

// SAFETY: the mapping is process-wide memory. All access goes through atomics or through raw copies
// whose offsets are checked here and whose exclusivity the ring protocol arranges.
unsafe impl Send for Segment {}
// SAFETY: as above; `&Segment` hands out only atomics and raw pointers.
unsafe impl Sync for Segment {}

impl Segment {
    /// Takes over a mapping made by a backing.
    ///
    /// # Safety
    /// `base` must be the page-aligned start of a live shared mapping of `len` bytes that stays
    /// mapped until `backing` is dropped with this segment.
    unsafe fn from_mapping(base: NonNull<u8>, len: usize, backing: Backing) -> Self {
        debug_assert!(base.as_ptr().addr().is_multiple_of(PAGE));
        keep_from_children(base, len);
        Self { base, len, backing }
    }

    /// The 64-bit word at `offset`.
    pub(crate) fn word64(&self, offset: usize) -> &AtomicU64 {
        let pointer = self.span(offset, size_of::<u64>()).cast::<AtomicU64>();
        assert!(pointer.is_aligned(), "word at unaligned offset {offset}");
        // SAFETY: in bounds and aligned (checked above), mapped for the life of `self`, and every
        // process reaches this word through an atomic only.
        unsafe { pointer.as_ref() }
    }

    /// The start of `len` bytes at `offset`, checked to lie inside.
    pub(crate) fn span(&self, offset: usize, len: usize) -> NonNull<u8> {
        let end = offset.checked_add(len).expect("offset overflow");
        assert!(end <= self.len, "{offset}..{end} lies outside of {} mapped bytes", self.len);
        // SAFETY: `offset <= self.len`, so the result stays inside one mapping.
        unsafe { self.base.add(offset) }
    }

    /// Removes the segment's name, where it has one: both sides hold it now.
    pub(crate) fn forget_name(&mut self) {
        if let Backing::Named(holder) = &mut self.backing {
            holder.unlink();
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        match &self.backing {
            // SAFETY: this mapping is ours (`from_mapping`) and nothing borrows from it any more.
            Backing::Sealed => unsafe {
                let _ = rustix::mm::munmap(self.base.as_ptr().cast(), self.len);
            },
            // The holder unmaps.
            Backing::Named(_) => {}
        }
    }
}

/// A forked child must not write into its parent's rings: it does not get the mapping.
fn keep_from_children(base: NonNull<u8>, len: usize) {
    // SAFETY: the range is a live mapping of ours; the advice changes nothing in this process.
    let advised = unsafe {
        rustix::mm::madvise(base.as_ptr().cast(), len, rustix::mm::Advice::LinuxDontFork)
    };
    debug_assert!(advised.is_ok(), "{advised:?}");
}
