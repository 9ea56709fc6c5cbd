//! Sealed memory files: nothing to guess or to squat, nothing left after a kill, and no way to
//! truncate one under a reader. They cross to the peer as a descriptor and are closed once mapped.

use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;

use super::{Object, Segment, check_file_len};
use crate::error::{Code, Error, Result};
use crate::sys;

const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);
/// What a peer's memory file has to have: seals beyond these take nothing away from a mapping.
const SEALS_NEEDED: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

/// Makes an object, and the descriptor to pass on.
pub(super) fn create(object: Object) -> Result<(Segment, OwnedFd)> {
    let len = object.len();
    check_file_len(len)?;
    let fd = sys::fault().and_then(|()| memfd()).map_err(creating)?;
    sys::fault()
        .and_then(|()| rustix::fs::ftruncate(&fd, len as u64))
        .map_err(|cause| Error::system(format_args!("sizing a memory file to {len}"), cause))?;
    sys::fault()
        .and_then(|()| rustix::fs::fcntl_add_seals(&fd, SEALS))
        .map_err(|cause| Error::system("sealing a memory file", cause))?;
    Ok((map(&fd, object)?, fd))
}

/// Maps an object a peer made, after checking that it is what was agreed.
pub(super) fn attach(fd: &OwnedFd, object: Object) -> Result<Segment> {
    let len = object.len();
    // Asking for the seals of anything but a memory file fails, so this is also the type check. One
    // of huge pages is none either: no segment is a whole number of those.
    let seals = rustix::fs::fcntl_get_seals(fd)
        .map_err(|_| Error::new(Code::Handshake, "the descriptor received is not a memory file"))?;
    if !seals.contains(SEALS_NEEDED) {
        let message = format!("the memory file received is not sealed: {seals:?}");
        return Err(Error::new(Code::Handshake, message));
    }
    let found = rustix::fs::fstat(fd)
        .map_err(|cause| Error::system("reading the size of a memory file", cause))?
        .st_size;
    if usize::try_from(found) != Ok(len) {
        let message = format!("the memory file received has {found} bytes, {len} were agreed");
        return Err(Error::new(Code::Handshake, message));
    }
    map(fd, object)
}

/// It cannot be made shorter, but where the kernel promises no more memory than there is, an access
/// to a page that was never touched may find none left.
fn map(fd: &OwnedFd, object: Object) -> Result<Segment> {
    static MAY_RUN_SHORT: OnceLock<bool> = OnceLock::new();
    let may_run_short = MAY_RUN_SHORT.get_or_init(|| {
        let mode = std::fs::read_to_string("/proc/sys/vm/overcommit_memory");
        mode.is_ok_and(|mode| mode.trim() == "2")
    });
    if *may_run_short { Segment::map_guarded(fd, object) } else { Segment::map(fd, object) }
}

/// Whether this process can have sealed memory files at all, and if not, why: sandboxes refuse
/// them, and so do some kernels. Tried once. What another attempt may not find again is left to
/// that.
pub fn check() -> Result<()> {
    static FOUND: OnceLock<Option<Errno>> = OnceLock::new();
    let found = match FOUND.get() {
        Some(found) => *found,
        None => match attempt() {
            Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOSPC) => None,
            tried => *FOUND.get_or_init(|| tried.err()),
        },
    };
    found.map_or(Ok(()), |cause| Err(creating(cause)))
}

fn attempt() -> rustix::io::Result<()> {
    rustix::fs::fcntl_add_seals(memfd()?, SEALS)
}

fn creating(cause: Errno) -> Error {
    Error::system("creating a memory file (memfd_create)", cause)
}

fn memfd() -> rustix::io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match rustix::fs::memfd_create("ringpost", flags | MemfdFlags::NOEXEC_SEAL) {
        // Kernels before 6.3 do not know the flag.
        Err(Errno::INVAL) => rustix::fs::memfd_create("ringpost", flags),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn both_mappings_see_the_same_words() {
        let (ours, fd) = create(Object::of_len(8192)).unwrap();
        let theirs = attach(&fd, Object::of_len(8192)).unwrap();
        ours.word64(4096).store(7, Ordering::Release);
        assert_eq!(theirs.word64(4096).load(Ordering::Acquire), 7);
    }

    #[test]
    fn a_sealed_segment_cannot_be_truncated() {
        let (_segment, fd) = create(Object::of_len(4096)).unwrap();
        assert_eq!(rustix::fs::ftruncate(&fd, 0), Err(rustix::io::Errno::PERM));
    }

    #[test]
    fn seals_against_resizing_are_enough() {
        let file = |seals| {
            let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
            let fd = rustix::fs::memfd_create("seals", flags).unwrap();
            rustix::fs::ftruncate(&fd, 4096).unwrap();
            rustix::fs::fcntl_add_seals(&fd, seals).unwrap();
            attach(&fd, Object::of_len(4096)).map(drop).map_err(|error| error.code())
        };
        assert_eq!(file(SEALS_NEEDED), Ok(()));
        assert_eq!(file(SEALS), Ok(()));
        for too_few in [SealFlags::SHRINK, SealFlags::GROW, SealFlags::SEAL] {
            assert_eq!(file(too_few), Err(Code::Handshake), "{too_few:?}");
        }
        // One that takes the writing away leaves nothing to map.
        assert!(file(SEALS | SealFlags::FUTURE_WRITE).is_err());
    }

    #[test]
    fn a_segment_of_another_size_or_unsealed_or_no_memory_file_is_refused() {
        let (_segment, fd) = create(Object::of_len(4096)).unwrap();
        assert_eq!(attach(&fd, Object::of_len(8192)).err().unwrap().code(), Code::Handshake);

        let open = rustix::fs::memfd_create("open", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&open, 4096).unwrap();
        assert_eq!(attach(&open, Object::of_len(4096)).err().unwrap().code(), Code::Handshake);

        let (pipe, _other_end) = rustix::pipe::pipe().unwrap();
        assert_eq!(attach(&pipe, Object::of_len(4096)).err().unwrap().code(), Code::Handshake);
    }
}
