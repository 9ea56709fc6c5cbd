//! A published file under its temporary name: taking its room, and giving it the name that it is to
//! have.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering as Hardware};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::{Owned, Predecessor, supersede};
use crate::engine::directory::Directory;
use crate::engine::os::byte_lock;
use crate::engine::os::file_id::FileId;
use crate::error::{Error, Result};
use crate::memory::words::Words;
use crate::memory::{self, Object, Segment};
use crate::published::head::{self, Head};
use crate::published::opened::{MODE, WRITER};
use crate::published::place::Name;
use crate::sys::{self, kill_point};
use crate::time::Time;

/// A file that has no more than a temporary name.
pub(in crate::published) struct Temporary {
    path: Removed,
    file: OwnedFd,
    id: FileId,
    pub segment: Segment,
}

/// A path at which there is nothing any more after this.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Temporary {
    pub(super) fn make(directory: &Directory, file_name: &str, head: &Head) -> Result<Self> {
        let (path, len) = (directory.path().join(file_name), head.file_len());
        let made = Self::with_len(&path, len, head.shape.kind.reserved(len))?;
        let (bytes, description) = head.encode();
        made.segment.copy_in(0, &bytes);
        made.segment.copy_in(head::DESCRIPTION, description);
        Ok(made)
    }

    /// A file of so many zeros, which this process has locked, beside the path that it will have.
    /// The room for the first `reserved` bytes is taken.
    pub fn with_len(named: &Path, len: usize, reserved: usize) -> Result<Self> {
        let path = beside(named);
        let failed = |cause| Error::system(format_args!("making {}", path.display()), cause);
        memory::check_file_len(len)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(MODE);
        let opened = sys::fault().and_then(|()| match rustix::fs::open(&path, flags, mode) {
            // Of a process that had this number before, and died here.
            Err(Errno::EXIST) => {
                rustix::fs::unlink(&path).and_then(|()| rustix::fs::open(&path, flags, mode))
            }
            opened => opened,
        });
        let file = opened.map_err(failed)?;
        let removed = Removed(path.clone());
        let (id, segment) = fill(&file, len, reserved).map_err(|error| match error {
            Unfilled::Call(cause) => failed(cause),
            Unfilled::Mapping(error) => error,
        })?;
        Ok(Self { path: removed, file, id, segment })
    }

    /// Gives it a name that is free. Returns whether it was.
    pub fn link(&self, path: &Path) -> Result<bool> {
        let linked = sys::fault()
            .and_then(|()| rustix::fs::linkat(CWD, &self.path.0, CWD, path, AtFlags::empty()));
        match linked {
            Ok(()) => Ok(true),
            Err(Errno::EXIST | Errno::NOENT) => Ok(false),
            Err(cause) => Err(naming(path, cause)),
        }
    }

    /// Gives it the name of another and says so in there. Returns whether that was at this path.
    pub(super) fn replace(
        &self,
        path: &Path,
        predecessor: &Predecessor,
        before: Option<&Segment>,
        generation: u64,
    ) -> Result<bool> {
        Ok(FileId::at(path) == Some(predecessor.id)
            && self.exchange(path, predecessor, before, generation)?)
    }

    /// The same where another may have come since: exchanged, so that what is replaced is known for
    /// certain.
    pub(super) fn exchange(
        &self,
        path: &Path,
        predecessor: &Predecessor,
        before: Option<&Segment>,
        generation: u64,
    ) -> Result<bool> {
        let exchange =
            || rustix::fs::renameat_with(CWD, &self.path.0, CWD, path, RenameFlags::EXCHANGE);
        match sys::fault().and_then(|()| exchange()) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            // Not every file system can.
            Err(Errno::INVAL | Errno::NOSYS) => {
                rustix::fs::rename(&self.path.0, path).map_err(|cause| naming(path, cause))?;
            }
            Err(cause) => return Err(naming(path, cause)),
        }
        kill_point("exchanged");
        // One without a writer may have been cleared away already.
        if FileId::at(&self.path.0).is_some_and(|found| found != predecessor.id) {
            // Another came first, and has its name back.
            let _ = exchange();
            return Ok(false);
        }
        if let Some(before) = before {
            supersede(before, &predecessor.file, generation);
        }
        Ok(FileId::at(path) == Some(self.id))
    }

    pub(super) fn into_owned(self, name: &Name, path: PathBuf, head: Head) -> Owned {
        let Self { file, id, segment, .. } = self;
        let segment = Arc::new(segment);
        let (rung_at, looked_at) = (Time::default(), Time::now());
        let creator = std::process::id();
        let name = name.clone();
        Owned { head, segment, name, path, file, id, rung_at, looked_at, creator }
    }
}

/// A name of this process's own for a file that is to have another one, or has had it.
pub(in crate::published) fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (pid, count) = (std::process::id(), COUNT.fetch_add(1, Hardware::Relaxed));
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{file}.{pid}-{count}"))
}

pub(super) enum Unfilled {
    Call(Errno),
    Mapping(Error),
}

/// Gives a new file its length and its lock. Its room is taken at once, so that a file system that
/// is full is an error here and nowhere else.
pub(super) fn fill(
    file: &OwnedFd,
    len: usize,
    reserved: usize,
) -> Result<(FileId, Segment), Unfilled> {
    let call = |done: rustix::io::Result<()>| done.map_err(Unfilled::Call);
    call(sys::fault().and_then(|()| rustix::fs::fchmod(file, Mode::from_raw_mode(MODE))))?;
    let locked = sys::fault().and_then(|()| byte_lock::take(file, WRITER));
    if !locked.map_err(Unfilled::Call)? {
        // Another process of this user has opened it at once. Its lock is not to be taken for that
        // of this writer.
        return Err(Unfilled::Call(Errno::AGAIN));
    }
    call(match sys::allocate(file, reserved) {
        Ok(()) if reserved == len => Ok(()),
        Ok(()) | Err(Errno::OPNOTSUPP) => rustix::fs::ftruncate(file, len as u64),
        failed => failed,
    })?;
    let stat = sys::fault().and_then(|()| rustix::fs::fstat(file)).map_err(Unfilled::Call)?;
    let object = Object::published(len);
    let segment = Segment::map_guarded(file, object).map_err(Unfilled::Mapping)?;
    Ok((FileId::from(&stat), segment))
}

fn naming(path: &Path, cause: Errno) -> Error {
    Error::system(format_args!("giving a file the name {}", path.display()), cause)
}
