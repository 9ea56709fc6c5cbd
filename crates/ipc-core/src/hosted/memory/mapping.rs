//! Memory of segments that no other process has: of the allocator.

use std::alloc::{self, Layout};
use std::ptr::NonNull;

use super::{Object, Segment};
use crate::error::{Code, Error, Result};
use crate::limits::PAGE;

impl Segment {
    /// Makes an object of zeros.
    pub(super) fn private(object: Object) -> Result<Self> {
        let len = object.len();
        let none = || Error::new(Code::NoSpace, format!("no memory for a segment of {len} bytes"));
        let layout = layout(len).ok_or_else(none)?;
        // SAFETY: no object is empty.
        let base = NonNull::new(unsafe { alloc::alloc_zeroed(layout) }).ok_or_else(none)?;
        Ok(Self { base, object, guard: None, name: None })
    }
}

/// Gives it back.
///
/// # Safety
/// The memory of a segment, which nothing uses any more.
pub(super) unsafe fn unmap(base: NonNull<u8>, len: usize) {
    if let Some(layout) = layout(len) {
        // SAFETY: made with the same layout.
        unsafe { alloc::dealloc(base.as_ptr(), layout) };
    }
}

fn layout(len: usize) -> Option<Layout> {
    Layout::from_size_align(len, PAGE).ok()
}
