//! Mapping the memory of segments: files that others map, too, or memory of this process alone.

use std::ffi::c_void;
use std::os::fd::AsFd;
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, ProtFlags};

use super::guard::Guard;
use super::{Object, Segment};
use crate::error::{Code, Error, Result};
use crate::limits::PAGE;
use crate::sys;

impl Segment {
    /// Maps the file of an object, which cannot be made shorter.
    pub(super) fn map(fd: &impl AsFd, object: Object) -> Result<Self> {
        Self::map_with(fd, object, ProtFlags::READ | ProtFlags::WRITE)
    }

    fn map_with(fd: &impl AsFd, object: Object, protection: ProtFlags) -> Result<Self> {
        // SAFETY: a fresh mapping at an address of the kernel's choice touches no memory of ours.
        Self::map_by(object, |len| unsafe {
            rustix::mm::mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, fd, 0)
        })
    }

    /// Makes an object that no other process has. Its pages come when they are touched.
    pub(super) fn private(object: Object) -> Result<Self> {
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
}

/// Ends a mapping.
///
/// # Safety
/// The memory of a segment, which nothing uses any more.
pub(super) unsafe fn unmap(base: NonNull<u8>, len: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        let _ = rustix::mm::munmap(base.as_ptr().cast(), len);
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
