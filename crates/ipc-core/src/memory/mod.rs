//! Shared mappings and their lifetime. An [`Object`] is what two sides agree on; a [`Segment`] is
//! one that is mapped. Its memory is a [`sealed`] file passed by descriptor, [`named`] and found by
//! name, or not shared at all: each side has one of its own then.

#![allow(unsafe_code)]

mod guard;
pub(crate) mod layout;
pub(crate) mod named;
mod object;
pub(crate) mod sealed;
pub(crate) mod words;

use std::ffi::c_void;
use std::os::fd::AsFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags};

use crate::error::{Code, Error, Result};
use crate::limits::PAGE;
use crate::sys;

use guard::Guard;
pub(crate) use guard::losses;
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
    /// Maps the file of an object, which cannot be made shorter.
    fn map(fd: &impl AsFd, object: Object) -> Result<Self> {
        Self::map_with(fd, object, ProtFlags::READ | ProtFlags::WRITE)
    }

    fn map_with(fd: &impl AsFd, object: Object, protection: ProtFlags) -> Result<Self> {
        // SAFETY: a fresh mapping at an address of the kernel's choice touches no memory of ours.
        Self::map_by(object, |len| unsafe {
            rustix::mm::mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, fd, 0)
        })
    }

    /// Makes an object that no other process has. Its pages come when they are touched.
    fn private(object: Object) -> Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: as above.
        Self::map_by(object, |len| unsafe {
            rustix::mm::mmap_anonymous(ptr::null_mut(), len, protection, MapFlags::PRIVATE)
        })
    }

    fn map_by(
        object: Object,
        map: impl FnOnce(usize) -> rustix::io::Result<*mut c_void>,
    ) -> Result<Self> {
        let len = object.len();
        let address = sys::fault()
            .and_then(|()| map(len))
            .map_err(|cause| Error::system(format_args!("mapping {len} bytes"), cause))?;
        let base = NonNull::new(address.cast::<u8>()).expect("a mapping does not start at null");
        debug_assert!(base.as_ptr().addr().is_multiple_of(PAGE));
        keep_from_children(base, len);
        Ok(Self { base, object, guard: None, name: None })
    }

    /// Maps the file of an object, which others can make shorter.
    pub(crate) fn map_guarded(fd: &impl AsFd, object: Object) -> Result<Self> {
        Self::map(fd, object)?.guarded()
    }

    /// The same for reading: to write to it would be a fault of this process.
    pub(crate) fn map_readable(fd: &impl AsFd, object: Object) -> Result<Self> {
        Self::map_with(fd, object, ProtFlags::READ)?.guarded()
    }

    fn guarded(mut self) -> Result<Self> {
        self.guard = Some(Guard::over(self.base.as_ptr().expose_provenance(), self.object.len())?);
        Ok(self)
    }

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
        // SAFETY: this mapping is ours (`map`) and nothing borrows from it any more.
        unsafe {
            let _ = rustix::mm::munmap(self.base.as_ptr().cast(), self.object.len());
        }
    }
}

/// A forked child must not write into its parent's rings: it does not get the mapping. Where that
/// cannot be had, it should know itself.
fn keep_from_children(base: NonNull<u8>, len: usize) {
    // SAFETY: the range is a live mapping of ours; the advice changes nothing in this process.
    let advised = unsafe {
        rustix::mm::madvise(base.as_ptr().cast(), len, rustix::mm::Advice::LinuxDontFork)
    };
    if let Err(cause) = advised {
        tracing::debug!(%cause, "forked children get a mapping of ours");
    }
}

/// To make a file longer than this process may is not an error but a signal.
pub(crate) fn check_file_len(len: usize) -> Result<()> {
    let max = sys::file_len_max();
    if len as u64 <= max {
        return Ok(());
    }
    let message = format!(
        "a segment of {len} bytes is longer than a file of this process may be; the limit is {max} \
         bytes (RLIMIT_FSIZE, ulimit -f)"
    );
    Err(Error::new(Code::NoSpace, message))
}
