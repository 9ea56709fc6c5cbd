//! Named segments of the `shared_memory` crate, with what the crate leaves to its users:
//! allocation up front, checks of owner, mode, size and nonce, and reclaiming after a kill.
//!
//! A segment has its name only between its creation and the moment the peer holds it too. While it
//! has one, its creator holds a lock on the file; the kernel drops the lock with the process, so a
//! named segment nobody has locked belongs to someone dead and [`reclaim`] removes it.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use shared_memory::{Shmem, ShmemConf, ShmemError};

use super::layout::{NONCE, NONCE_LEN};
use super::{Backing, Segment};
use crate::error::{Code, Error, Result};
use crate::sys;

/// Where the kernel shows the names of shared memory.
const DIRECTORY: &str = "/dev/shm";
const PREFIX: &str = "ringpost.";
const SUFFIX_LEN: usize = 20;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What a peer needs to find a segment and to know that it is the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The name, without the leading slash.
    pub name: String,
    /// What the segment holds at [`NONCE`].
    pub nonce: [u8; NONCE_LEN],
}

/// Keeps a segment mapped, and its name while it has one.
pub(super) struct Holder {
    mapping: Shmem,
    /// Open and locked while the name exists; a creator has it, an attacher does not.
    lock: Option<File>,
    /// A forked child inherits this value, but the name is not its to remove.
    creator: u32,
}

impl Holder {
    pub(super) fn unlink(&mut self) {
        if self.lock.take().is_some() && self.creator == std::process::id() {
            let _ = fs::remove_file(path(self.mapping.get_os_id().trim_start_matches('/')));
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.unlink();
    }
}

/// Makes a segment of `len` bytes, all of them allocated, and the address to send to the peer.
pub fn create(len: usize) -> Result<(Segment, Address)> {
    loop {
        let name = random_name()?;
        sys::fault().map_err(|cause| Error::system("creating a named segment", cause))?;
        let mut mapping = match ShmemConf::new().os_id(format!("/{name}")).size(len).create() {
            Ok(mapping) => mapping,
            Err(ShmemError::MappingIdExists) => continue,
            Err(cause) => return Err(failed("creating", &cause)),
        };
        // Before it is locked, someone cleaning up may take it for a leftover: then there is another.
        let file = match open(&name) {
            Err(Errno::NOENT) => continue,
            opened => opened.map_err(opening)?,
        };
        // The crate would unlink by name whatever then has that name, in forked children too.
        // From here on the name is the holder's to remove.
        mapping.set_owner(false);
        let holder = Holder { mapping, lock: Some(file), creator: std::process::id() };
        let file = holder.lock.as_ref().expect("just set");
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if fs::metadata(path(&name)).is_ok() => {}
            Ok(()) | Err(Errno::WOULDBLOCK) => continue,
            Err(cause) => return Err(Error::system("locking a named segment", cause)),
        }
        allocate(file, len)?;
        let segment = adopt(holder)?;
        let nonce: [u8; NONCE_LEN] = random()?;
        write_nonce(&segment, nonce);
        return Ok((segment, Address { name, nonce }));
    }
}

/// Maps the segment at `address`, after checking that it is what was agreed.
pub fn attach(address: &Address, len: usize) -> Result<Segment> {
    if !is_ours(&address.name) {
        return Err(Error::new(Code::Handshake, "a segment name of an unknown form"));
    }
    check(&open(&address.name).map_err(opening)?, len)?;
    sys::fault().map_err(|cause| Error::system("opening a named segment", cause))?;
    let mapping = ShmemConf::new()
        .os_id(format!("/{}", address.name))
        .open()
        .map_err(|cause| failed("opening", &cause))?;
    if mapping.len() != len {
        let found = mapping.len();
        let message = format!("the named segment has {found} bytes, {len} were agreed");
        return Err(Error::new(Code::Handshake, message));
    }
    let segment = adopt(Holder { mapping, lock: None, creator: std::process::id() })?;
    if read_nonce(&segment) != address.nonce {
        let message = "the named segment does not hold the nonce that was sent";
        return Err(Error::new(Code::Handshake, message));
    }
    Ok(segment)
}

/// Removes the segments of dead processes of this user. Called when a server starts.
pub fn reclaim() -> usize {
    let Ok(entries) = fs::read_dir(DIRECTORY) else { return 0 };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| is_ours(name) && is_abandoned(name)).count()
}

fn is_abandoned(name: &str) -> bool {
    let Ok(file) = open(name) else { return false };
    let Ok(stat) = rustix::fs::fstat(&file) else { return false };
    let free = stat.st_uid == rustix::process::geteuid().as_raw()
        && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    free && fs::remove_file(path(name)).is_ok()
}

fn adopt(holder: Holder) -> Result<Segment> {
    let len = holder.mapping.len();
    let base = NonNull::new(holder.mapping.as_ptr())
        .ok_or_else(|| Error::new(Code::Internal, "a segment mapped at null"))?;
    // SAFETY: the crate mapped `len` shared bytes at `base` and unmaps them when the holder drops,
    // which is when the segment drops.
    Ok(unsafe { Segment::from_mapping(base, len, Backing::Named(holder)) })
}

/// The crate only sizes the file. Without pages behind it the first touch on a full file system
/// would be a SIGBUS; so they are asked for now, where it can still be an error.
fn allocate(file: &File, len: usize) -> Result<()> {
    sys::fault()
        .and_then(|()| rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len as u64))
        .map_err(|cause| {
            Error::system(format_args!("allocating {len} bytes in {DIRECTORY}"), cause)
        })
}

fn open(name: &str) -> rustix::io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    sys::fault().and_then(|()| rustix::fs::open(path(name), flags, Mode::empty())).map(File::from)
}

fn opening(cause: Errno) -> Error {
    Error::system("opening a named segment", cause)
}

fn check(file: &impl AsFd, len: usize) -> Result<()> {
    let stat = rustix::fs::fstat(file)
        .map_err(|cause| Error::system("looking at a named segment", cause))?;
    let (uid, mode) = (stat.st_uid, stat.st_mode & 0o7777);
    if uid != rustix::process::geteuid().as_raw() || mode != 0o600 {
        let message = format!("the named segment belongs to user {uid} with mode {mode:o}");
        return Err(Error::new(Code::ForeignUser, message));
    }
    let found = stat.st_size;
    if usize::try_from(found) != Ok(len) {
        let message = format!("the named segment has {found} bytes, {len} were agreed");
        return Err(Error::new(Code::Handshake, message));
    }
    Ok(())
}

fn is_ours(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|suffix| {
        suffix.len() == SUFFIX_LEN && suffix.bytes().all(|byte| ALPHABET.contains(&byte))
    })
}

fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

fn random_name() -> Result<String> {
    let bytes: [u8; SUFFIX_LEN] = random()?;
    let suffix = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    Ok(PREFIX.chars().chain(suffix).collect())
}

/// Bytes of the kernel's randomness.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|cause| Error::system("asking for random bytes", cause))?;
    Ok(bytes)
}

fn write_nonce(segment: &Segment, nonce: [u8; NONCE_LEN]) {
    for (index, chunk) in nonce.chunks_exact(8).enumerate() {
        let word = u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
        // Relaxed: the peer learns the address over the socket, which orders everything before.
        segment.word64(NONCE + index * 8).store(word, std::sync::atomic::Ordering::Relaxed);
    }
}

fn read_nonce(segment: &Segment) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    for (index, chunk) in nonce.chunks_exact_mut(8).enumerate() {
        let word = segment.word64(NONCE + index * 8).load(std::sync::atomic::Ordering::Relaxed);
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    nonce
}

fn failed(doing: &str, cause: &ShmemError) -> Error {
    let errno = match cause {
        ShmemError::MapCreateFailed(errno)
        | ShmemError::MapOpenFailed(errno)
        | ShmemError::UnknownOsError(errno) => i32::try_from(*errno).unwrap_or_default(),
        other => return Error::new(Code::System, format!("{doing} a named segment: {other}")),
    };
    let errno = Errno::from_raw_os_error(errno);
    Error::system(format_args!("{doing} a named segment"), errno)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    fn exists(address: &Address) -> bool {
        path(&address.name).exists()
    }

    #[test]
    fn both_mappings_see_the_same_words_and_the_name_goes_when_both_hold_it() {
        let (mut ours, address) = create(8192).unwrap();
        let theirs = attach(&address, 8192).unwrap();
        ours.word64(4096).store(7, Ordering::Release);
        assert_eq!(theirs.word64(4096).load(Ordering::Acquire), 7);
        assert!(exists(&address));
        ours.forget_name();
        assert!(!exists(&address));
        assert_eq!(theirs.word64(4096).load(Ordering::Acquire), 7);
    }

    #[test]
    fn a_dropped_segment_takes_its_name_along() {
        let (segment, address) = create(4096).unwrap();
        drop(segment);
        assert!(!exists(&address));
    }

    #[test]
    fn a_segment_is_private_and_allocated() {
        use std::os::unix::fs::MetadataExt;
        let (_segment, address) = create(1 << 20).unwrap();
        let meta = fs::metadata(path(&address.name)).unwrap();
        assert_eq!(meta.mode() & 0o777, 0o600);
        assert!(meta.blocks() * 512 >= 1 << 20, "only {} blocks allocated", meta.blocks());
    }

    #[test]
    fn another_nonce_size_mode_or_form_is_refused() {
        let (_segment, address) = create(4096).unwrap();
        let refused = |address: &Address, len| attach(address, len).err().unwrap().code();
        assert_eq!(refused(&address, 8192), Code::Handshake);
        let other = Address { nonce: [1; NONCE_LEN], ..address.clone() };
        assert_eq!(refused(&other, 4096), Code::Handshake);
        let outside = Address { name: "../etc/passwd".into(), ..address.clone() };
        assert_eq!(refused(&outside, 4096), Code::Handshake);
        let file = open(&address.name).unwrap();
        rustix::fs::fchmod(&file, Mode::from_raw_mode(0o666)).unwrap();
        assert_eq!(refused(&address, 4096), Code::ForeignUser);
    }

    #[test]
    fn cleaning_up_beside_it_disturbs_nobody_who_creates() {
        let cleaning = std::thread::spawn(|| {
            for _ in 0..2000 {
                reclaim();
            }
        });
        let mut segments = Vec::new();
        while !cleaning.is_finished() {
            let (segment, address) = create(4096).unwrap();
            assert!(exists(&address));
            segments.push(segment);
            segments.truncate(8);
        }
        cleaning.join().unwrap();
    }

    #[test]
    fn a_segment_of_the_living_stays_and_one_of_the_dead_goes() {
        let (segment, address) = create(4096).unwrap();
        reclaim();
        assert!(exists(&address));
        // What a kill leaves: the file without a lock.
        let leftover = path("ringpost.aaaaaaaaaaaaaaaaaaaa");
        fs::write(&leftover, [0; 16]).unwrap();
        reclaim();
        assert!(!leftover.exists());
        drop(segment);
    }
}
