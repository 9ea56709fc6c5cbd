//! A published file as its readers see it.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FileType, OFlags, Stat};
use rustix::io::Errno;

use super::head::{HEAD_LEN, Head, Kind, SUPERSEDED};
use crate::engine::os::byte_lock;
use crate::engine::os::credentials::own_uid;
use crate::engine::os::file_id::FileId;
use crate::error::{Code, Error, Result};
use crate::memory::words::Words;
use crate::memory::{Object, Segment};
use crate::sync::OBSERVE;
use crate::sys;

/// The byte whose lock the writer holds as long as it lives.
pub(super) const WRITER: u64 = 0;
/// The byte whose lock a writer holds while it puts its own file in the place of this one: another
/// than the above, so that readers go on seeing that the writer of this one is gone.
pub(super) const SUCCESSOR: u64 = 1;
/// The mode of all published files.
pub(super) const MODE: u32 = 0o600;

/// One generation of an object, mapped.
pub(crate) struct Opened {
    pub head: Head,
    pub segment: Arc<Segment>,
    file: OwnedFd,
    id: FileId,
}

impl Opened {
    /// Opens the file at `path`, if there is one. It is checked as the file that it is by then, not
    /// by its name, and nothing in it is believed.
    pub fn open(path: &Path, kind: Kind) -> Result<Option<Self>> {
        let Some(file) = open(path, OFlags::RDONLY)? else { return Ok(None) };
        let opened = check_private(&file).and_then(|stat| {
            let head = read_head(&file, kind, &stat)?;
            let segment = Segment::map_readable(&file, Object::published(head.file_len()))?;
            Ok((head, Arc::new(segment), FileId::from(&stat)))
        });
        let (head, segment, id) = opened.map_err(|error| located(path, &error))?;
        Ok(Some(Self { head, segment, file, id }))
    }

    /// Whether the process lives that writes this file.
    pub fn has_writer(&self) -> bool {
        byte_lock::is_taken(&self.file, WRITER).unwrap_or(false)
    }

    /// Whether there is a newer file, or nothing is left of this one.
    pub fn is_over(&self) -> bool {
        self.segment.load(SUPERSEDED, OBSERVE) != 0 || self.segment.is_lost()
    }

    /// Whether this is the file at `path`.
    pub fn is_at(&self, path: &Path) -> bool {
        FileId::at(path) == Some(self.id)
    }
}

/// Opens what lies at `path`, if there is anything, whatever it is: no link is followed, and
/// nothing can make this wait.
pub(super) fn open(path: &Path, access: OFlags) -> Result<Option<OwnedFd>> {
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    match sys::fault().and_then(|()| rustix::fs::open(path, flags, rustix::fs::Mode::empty())) {
        Ok(file) => Ok(Some(file)),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => Err(foreign(path)),
        Err(cause) => Err(Error::system(format_args!("opening {}", path.display()), cause)),
    }
}

/// Checks that it is a file, and this user's.
pub(super) fn check_file(file: &OwnedFd) -> Result<Stat> {
    let stat = sys::fault()
        .and_then(|()| rustix::fs::fstat(file))
        .map_err(|cause| Error::system("reading the attributes of a published file", cause))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Error::new(Code::Access, "it is no file: remove it"));
    }
    if stat.st_uid != own_uid() {
        let (found, own) = (stat.st_uid, own_uid());
        let message = format!("it belongs to user {found}, not to user {own}");
        return Err(Error::new(Code::ForeignUser, message));
    }
    Ok(stat)
}

/// Reads the head by calls, not through a mapping: a file that is shorter is an error then.
pub(super) fn read_head(file: &OwnedFd, kind: Kind, stat: &Stat) -> Result<Head> {
    let read = |bytes: &mut [u8], at: usize| -> Result<()> {
        let len = sys::fault()
            .and_then(|()| rustix::io::pread(file, &mut *bytes, at as u64))
            .map_err(|cause| Error::system("reading the head of a published file", cause))?;
        if len == bytes.len() {
            return Ok(());
        }
        Err(super::head::corrupt("it is shorter than its head".into()))
    };
    let mut head = [0; HEAD_LEN];
    read(&mut head, 0)?;
    let file_len = u64::try_from(stat.st_size).unwrap_or(0);
    let (at, len) = Head::check(&head, kind, file_len)?;
    let mut description = vec![0; len];
    read(&mut description, at)?;
    Head::decode(&head, kind, &description)
}

/// Checks in addition that no other user may read or write it.
pub(super) fn check_private(file: &OwnedFd) -> Result<Stat> {
    let stat = check_file(file)?;
    let mode = stat.st_mode & 0o7777;
    if mode == MODE {
        return Ok(stat);
    }
    Err(Error::new(Code::Access, format!("its mode is {mode:04o}, not {MODE:04o}")))
}

#[cold]
fn foreign(path: &Path) -> Error {
    Error::new(
        Code::Access,
        format!("{} is no file, but a link or something else: remove it", path.display()),
    )
}

/// Says which file it is about.
#[cold]
pub(super) fn located(path: &Path, error: &Error) -> Error {
    Error::new(error.code(), format!("{}: {error}", path.display()))
}
