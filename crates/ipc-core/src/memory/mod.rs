//! Shared mappings and their lifetime. An [`Object`] is what two sides agree on; a [`Segment`] is
//! one that is mapped. Its memory is a [`sealed`] file passed by descriptor, [`named`] and found by
//! name, or not shared at all: each side has one of its own then.

#![allow(unsafe_code)]

#[cfg_attr(target_family = "wasm", path = "../hosted/memory/guard.rs")]
mod guard;
pub(crate) mod layout;
#[cfg_attr(target_family = "wasm", path = "../hosted/memory/mapping.rs")]
mod mapping;
#[cfg_attr(target_family = "wasm", path = "../hosted/memory/named.rs")]
pub(crate) mod named;
mod object;
#[cfg_attr(target_family = "wasm", path = "../hosted/memory/sealed.rs")]
pub(crate) mod sealed;
pub(crate) mod words;

use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use guard::Guard;
pub(crate) use guard::losses;
#[cfg(not(target_family = "wasm"))]
pub(crate) use mapping::check_file_len;
pub use object::Address;
pub(crate) use object::{Backing, Handle, Object, ObjectKind};

/// One shared mapping. It lives as long as anything holds it; attaching never initialises it.
pub struct Segment {
    base: NonNull<u8>,
    object: Object,
    /// Of a segment that can be made shorter by others.
    guard: Option<Guard>,
    /// The name it has for now, which goes with it.
    name: Option<named::Name>,
}

// SAFETY: the mapping is process-wide memory. All access goes through atomics or through raw copies
// whose offsets are checked here and whose exclusivity the ring protocol arranges.
unsafe impl Send for Segment {}
// SAFETY: as above; `&Segment` hands out only atomics and raw pointers.
unsafe impl Sync for Segment {}

impl Segment {
    /// What is in it.
    pub(crate) fn kind(&self) -> ObjectKind {
        self.object.kind()
    }

    /// Whether what it was a mapping of has been made shorter: it holds nothing that is shared any
    /// more.
    pub(crate) fn is_lost(&self) -> bool {
        self.guard.as_ref().is_some_and(Guard::is_lost)
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
        let len = self.object.len();
        assert!(end <= len, "{offset}..{end} lies outside of {len} mapped bytes");
        // SAFETY: `offset <= len`, so the result stays inside one mapping.
        unsafe { self.base.add(offset) }
    }

    /// Removes the segment's name, where it has one: both sides hold it now.
    pub(crate) fn forget_name(&mut self) {
        self.name = None;
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.name = None;
        // Before the mapping: from then on anything may lie at its place.
        self.guard = None;
        // SAFETY: this memory is ours and nothing borrows from it any more.
        unsafe { mapping::unmap(self.base, self.object.len()) };
    }
}
