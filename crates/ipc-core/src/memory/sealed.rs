//! Sealed memory files: nothing to guess or to squat, nothing left after a kill, and nobody can
//! truncate one under a reader. They cross to the peer as a descriptor and are closed once mapped.

use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

use super::{Backing, Segment};
use crate::error::{Code, Error, Result};
use crate::sys;

const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// Makes a segment of `len` bytes, and the descriptor to pass on.
pub fn create(len: usize) -> Result<(Segment, OwnedFd)> {
    let fd = memfd().map_err(|cause| Error::system("creating a memory file", cause))?;
    sys::fault()
        .and_then(|()| rustix::fs::ftruncate(&fd, len as u64))
        .map_err(|cause| Error::system(format_args!("sizing a memory file to {len}"), cause))?;
    sys::fault()
        .and_then(|()| rustix::fs::fcntl_add_seals(&fd, SEALS))
        .map_err(|cause| Error::system("sealing a memory file", cause))?;
    Ok((map(&fd, len)?, fd))
}

/// Maps a segment a peer made, after checking that it is what was agreed.
pub fn attach(fd: &OwnedFd, len: usize) -> Result<Segment> {
    // Asking for the seals of anything but a memory file fails, so this is also the type check.
    let seals = rustix::fs::fcntl_get_seals(fd)
        .map_err(|_| Error::new(Code::Handshake, "the descriptor received is not a memory file"))?;
    if !seals.contains(SealFlags::SHRINK | SealFlags::GROW) {
        let message = format!("the memory file received is not sealed: {seals:?}");
        return Err(Error::new(Code::Handshake, message));
    }
    let found = rustix::fs::fstat(fd)
        .map_err(|cause| Error::system("looking at a memory file", cause))?
        .st_size;
    if usize::try_from(found) != Ok(len) {
        let message = format!("the memory file received has {found} bytes, {len} were agreed");
        return Err(Error::new(Code::Handshake, message));
    }
    map(fd, len)
}

fn memfd() -> rustix::io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    sys::fault()?;
    match rustix::fs::memfd_create("ringpost", flags | MemfdFlags::NOEXEC_SEAL) {
        // Kernels before 6.3 do not know the flag.
        Err(rustix::io::Errno::INVAL) => rustix::fs::memfd_create("ringpost", flags),
        other => other,
    }
}

fn map(fd: &impl AsFd, len: usize) -> Result<Segment> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a fresh mapping at an address of the kernel's choice touches no memory of ours.
    let address = sys::fault()
        .and_then(|()| unsafe {
            rustix::mm::mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, fd, 0)
        })
        .map_err(|cause| Error::system(format_args!("mapping {len} bytes"), cause))?;
    let base = NonNull::new(address.cast()).expect("a mapping does not start at null");
    // SAFETY: just mapped with this length; unmapped by `Segment::drop` and nowhere else.
    Ok(unsafe { Segment::from_mapping(base, len, Backing::Sealed) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn both_mappings_see_the_same_words() {
        let (ours, fd) = create(8192).unwrap();
        let theirs = attach(&fd, 8192).unwrap();
        ours.word64(4096).store(7, Ordering::Release);
        assert_eq!(theirs.word64(4096).load(Ordering::Acquire), 7);
    }

    #[test]
    fn a_sealed_segment_cannot_be_truncated() {
        let (_segment, fd) = create(4096).unwrap();
        assert_eq!(rustix::fs::ftruncate(&fd, 0), Err(rustix::io::Errno::PERM));
    }

    #[test]
    fn a_segment_of_another_size_or_unsealed_or_no_memory_file_is_refused() {
        let (_segment, fd) = create(4096).unwrap();
        assert_eq!(attach(&fd, 8192).err().unwrap().code(), Code::Handshake);

        let open = rustix::fs::memfd_create("open", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&open, 4096).unwrap();
        assert_eq!(attach(&open, 4096).err().unwrap().code(), Code::Handshake);

        let (pipe, _other_end) = rustix::pipe::pipe().unwrap();
        assert_eq!(attach(&pipe, 4096).err().unwrap().code(), Code::Handshake);
    }
}
