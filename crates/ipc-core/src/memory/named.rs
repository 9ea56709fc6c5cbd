//! Named segments of the `shared_memory` crate, with what the crate leaves to its users:
//! allocation up front, checks of owner, mode, size and nonce, and reclaiming after a kill.
//!
//! The crate makes the name. What is mapped is the descriptor that was checked, opened here:
//! between two uses of a name anything may have been put in its place. Others of this user can make
//! such a segment shorter at any time, so its mappings are guarded.
//!
//! A segment has its name only between its creation and the moment the peer holds it too. While it
//! has one, its creator holds a lock on the file; the kernel drops the lock with the process, so a
//! named segment without a lock was left by a dead process, and [`reclaim`] removes it.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use shared_memory::{Shmem, ShmemConf, ShmemError};

use super::object::{read_nonce, write_nonce};
use super::{Address, Object, Segment, check_file_len};
use crate::error::{Code, Error, Result};
use crate::sys;

/// Where the kernel shows the names of shared memory.
const DIRECTORY: &str = "/dev/shm";
const PREFIX: &str = "ringpost.";
const SUFFIX_LEN: usize = 20;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The name of a segment, which it has as long as this lives.
pub(super) struct Name {
    name: String,
    /// Open and locked while the name exists; a creator has it, an attacher does not.
    lock: File,
    /// A forked child inherits this value, but the name is not its to remove.
    creator: u32,
}

impl Drop for Name {
    fn drop(&mut self) {
        if self.creator == std::process::id() {
            let _ = fs::remove_file(path(&self.name));
        }
    }
}

/// Makes an object, all of its memory allocated, and the address to send to the peer.
pub(super) fn create(object: Object) -> Result<(Segment, Address)> {
    let len = object.len();
    check_file_len(len)?;
    loop {
        let name = random_name()?;
        sys::fault().map_err(|cause| Error::system("creating a named segment", cause))?;
        let mut made = match ShmemConf::new().os_id(format!("/{name}")).size(len).create() {
            Ok(made) => made,
            Err(ShmemError::MappingIdExists) => continue,
            Err(cause) => return Err(failed("creating", &cause)),
        };
        // Before it is locked, a process that cleans up may take it for a leftover: then there is
        // another.
        let Some(lock) = take(&name, &mut made)? else { continue };
        let name = Name { name, lock, creator: std::process::id() };
        check(&name.lock, len)?;
        allocate(&name.lock, len)?;
        let mut segment = Segment::map_guarded(&name.lock, object)?;
        let address = Address { name: name.name.clone(), nonce: random()? };
        segment.name = Some(name);
        write_nonce(&segment, address.nonce);
        return Ok((segment, address));
    }
}

/// Opens and locks what was just made. `None` if it is gone. From here on its name is not the
/// crate's to remove, which would do so whatever then has that name, and in forked children too.
fn take(name: &str, made: &mut Shmem) -> Result<Option<File>> {
    let file = match open(name) {
        Err(Errno::NOENT) => return Ok(None),
        // A umask that takes from the owner.
        Err(Errno::ACCESS) => rustix::fs::chmod(path(name), MODE).and_then(|()| open(name)),
        opened => opened,
    };
    let file = file.map_err(opening)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) if fs::metadata(path(name)).is_ok() => {}
        Ok(()) | Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(cause) => return Err(Error::system("locking a named segment", cause)),
    }
    rustix::fs::fchmod(&file, MODE).map_err(opening)?;
    made.set_owner(false);
    Ok(Some(file))
}

/// Maps the object at `address`, after checking that it is what was agreed.
pub(super) fn attach(address: &Address, object: Object) -> Result<Segment> {
    if !is_ours(&address.name) {
        return Err(Error::new(Code::Handshake, "a segment name of an unknown form"));
    }
    let file = open(&address.name).map_err(opening)?;
    check(&file, object.len())?;
    let segment = Segment::map_guarded(&file, object)?;
    if read_nonce(&segment) != address.nonce {
        let message = "the named segment does not hold the nonce that was sent";
        return Err(Error::new(Code::Handshake, message));
    }
    Ok(segment)
}

/// Removes the segments of dead processes of this user. Called when a server starts.
pub fn reclaim() -> usize {
    all().iter().filter(|name| remove(name).is_ok_and(|done| done)).count()
}

/// The names of segments of dead processes of this user.
pub fn abandoned() -> Vec<String> {
    all().into_iter().filter(|name| lock_abandoned(name).is_some()).collect()
}

/// Removes a segment, if it is one of a dead process. Returns whether it was removed.
pub fn remove(name: &str) -> Result<bool> {
    // Locked as long as it is open.
    let Some(_locked) = lock_abandoned(name) else { return Ok(false) };
    let failed = |cause| Error::from_io("removing a named segment", &cause);
    fs::remove_file(path(name)).map(|()| true).map_err(failed)
}

fn all() -> Vec<String> {
    let Ok(entries) = fs::read_dir(DIRECTORY) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| is_ours(name)).collect()
}

fn lock_abandoned(name: &str) -> Option<File> {
    let file = open(name).ok()?;
    let is_own = rustix::fs::fstat(&file).ok()?.st_uid == rustix::process::geteuid().as_raw();
    let is_free = || rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    (is_own && is_free()).then_some(file)
}

/// The crate only sizes the file. Without pages behind it the first touch on a full file system
/// would be a SIGBUS; so they are asked for now, where it can still be an error.
fn allocate(file: &File, len: usize) -> Result<()> {
    sys::allocate(file, len).map_err(|cause| {
        let room = match rustix::fs::statvfs(DIRECTORY) {
            Ok(stat) if cause == Errno::NOSPC => {
                let (free, all) = (stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize);
                format!(", where {free} of {all} bytes are free")
            }
            _ => String::new(),
        };
        Error::system(format_args!("allocating {len} bytes in {DIRECTORY}{room}"), cause)
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
        .map_err(|cause| Error::system("reading the size of a named segment", cause))?;
    let (uid, mode) = (stat.st_uid, stat.st_mode & 0o7777);
    if uid != rustix::process::geteuid().as_raw() || mode != 0o600 {
        let message = format!("the named segment belongs to user {uid} with mode {mode:o}");
        return Err(Error::new(Code::ForeignUser, message));
    }
    // One name, and that in its directory: it was made for this and nothing else.
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !is_file || stat.st_nlink != 1 {
        let links = stat.st_nlink;
        let message = format!("the named segment is no file of one name, but of {links}");
        return Err(Error::new(Code::Handshake, message));
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

/// Where the segment of that name lies.
pub fn path(name: &str) -> PathBuf {
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
    use crate::memory::layout::NONCE_LEN;
    use std::sync::atomic::Ordering;

    fn exists(address: &Address) -> bool {
        path(&address.name).exists()
    }

    #[test]
    fn both_mappings_see_the_same_words_and_the_name_goes_when_both_hold_it() {
        let (mut ours, address) = create(Object::of_len(8192)).unwrap();
        let theirs = attach(&address, Object::of_len(8192)).unwrap();
        ours.word64(4096).store(7, Ordering::Release);
        assert_eq!(theirs.word64(4096).load(Ordering::Acquire), 7);
        assert!(exists(&address));
        ours.forget_name();
        assert!(!exists(&address));
        assert_eq!(theirs.word64(4096).load(Ordering::Acquire), 7);
    }

    #[test]
    fn a_dropped_segment_takes_its_name_along() {
        let (segment, address) = create(Object::of_len(4096)).unwrap();
        drop(segment);
        assert!(!exists(&address));
    }

    #[test]
    fn a_segment_is_private_and_allocated() {
        use std::os::unix::fs::MetadataExt;
        let (_segment, address) = create(Object::of_len(1 << 20)).unwrap();
        let meta = fs::metadata(path(&address.name)).unwrap();
        assert_eq!(meta.mode() & 0o777, 0o600);
        assert!(meta.blocks() * 512 >= 1 << 20, "only {} blocks allocated", meta.blocks());
    }

    #[test]
    fn another_nonce_size_mode_or_form_is_refused() {
        let (_segment, address) = create(Object::of_len(4096)).unwrap();
        let refused =
            |address: &Address, len| attach(address, Object::of_len(len)).err().unwrap().code();
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
    fn a_segment_of_another_user_or_with_another_name_is_refused() {
        let (_segment, address) = create(Object::of_len(4096)).unwrap();
        let link = path("ringpost.bbbbbbbbbbbbbbbbbbbb");
        let _ = fs::remove_file(&link);
        fs::hard_link(path(&address.name), &link).unwrap();
        assert_eq!(attach(&address, Object::of_len(4096)).err().unwrap().code(), Code::Handshake);
        fs::remove_file(&link).unwrap();
        attach(&address, Object::of_len(4096)).unwrap();
        // Only root can give files away.
        let nobody = std::os::unix::fs::chown(path(&address.name), Some(65_534), None);
        if nobody.is_ok() {
            assert_eq!(
                attach(&address, Object::of_len(4096)).err().unwrap().code(),
                Code::ForeignUser
            );
        }
    }

    #[test]
    fn a_name_that_is_no_memory_file_is_refused() {
        let address = Address { name: "ringpost.cccccccccccccccccccc".into(), nonce: [0; 16] };
        let at = path(&address.name);
        let _ = fs::remove_file(&at);
        // A link is not followed, and a pipe that nothing writes to is not waited for.
        std::os::unix::fs::symlink("/dev/zero", &at).unwrap();
        assert!(attach(&address, Object::of_len(4096)).is_err());
        fs::remove_file(&at).unwrap();
        let made = std::process::Command::new("mkfifo").arg("-m600").arg(&at).status();
        assert!(made.unwrap().success());
        assert!(attach(&address, Object::of_len(4096)).is_err());
        // Unless a test that cleans up has taken it for a leftover.
        let _ = fs::remove_file(&at);
    }

    #[test]
    fn a_truncated_mapping_is_lost_and_reads_as_zeros() {
        let (segment, address) = create(Object::of_len(8192)).unwrap();
        let file = open(&address.name).unwrap();
        segment.word64(4096).store(7, Ordering::Relaxed);
        rustix::fs::ftruncate(&file, 0).unwrap();
        let before = super::super::losses();
        assert!(!segment.is_lost());
        assert_eq!(segment.word64(4096).load(Ordering::Relaxed), 0);
        assert!(segment.is_lost() && super::super::losses() > before);
        segment.word64(0).store(9, Ordering::Relaxed);
        assert_eq!(segment.word64(0).load(Ordering::Relaxed), 9);
        // Another one beside it is as it was, and its place in the table is used again.
        for _ in 0..100 {
            let (other, _) = create(Object::of_len(4096)).unwrap();
            other.word64(64).store(1, Ordering::Relaxed);
            assert!(!other.is_lost());
        }
    }

    #[test]
    fn a_lost_mapping_is_replaced_and_no_other() {
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..300 {
                    let (segment, address) = create(Object::of_len(8192)).unwrap();
                    let file = open(&address.name).unwrap();
                    rustix::fs::ftruncate(&file, 4096).unwrap();
                    assert_eq!(segment.word64(4096).load(Ordering::Relaxed), 0);
                    assert!(segment.is_lost());
                }
                over.store(true, Ordering::Relaxed);
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let (segment, _) = create(Object::of_len(8192)).unwrap();
                        segment.word64(4096).store(5, Ordering::Relaxed);
                        std::thread::yield_now();
                        assert_eq!(segment.word64(4096).load(Ordering::Relaxed), 5);
                        assert!(!segment.is_lost());
                    }
                });
            }
        });
    }

    #[test]
    fn segments_can_be_created_while_others_are_reclaimed() {
        let cleaning = std::thread::spawn(|| {
            for _ in 0..2000 {
                reclaim();
            }
        });
        let mut segments = Vec::new();
        while !cleaning.is_finished() {
            let (segment, address) = create(Object::of_len(4096)).unwrap();
            assert!(exists(&address));
            segments.push(segment);
            segments.truncate(8);
        }
        cleaning.join().unwrap();
    }

    #[test]
    fn only_segments_of_dead_processes_are_removed() {
        let (segment, address) = create(Object::of_len(4096)).unwrap();
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
