//! Reports when files were touched, by cleaners of temporary directories, say, and when they
//! appear.
//!
//! There are few queues of the kernel's for that per user, and sandboxes without any.

use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

use crate::sys;

/// A queue of the kernel's in which something lies when a file was removed, moved or changed.
pub(in crate::engine) struct Watch(OwnedFd);

impl Watch {
    /// Watches files. `None` where that cannot be had.
    pub fn over(paths: &[PathBuf]) -> Option<Self> {
        let this = Self(queue()?);
        this.renew(paths).then_some(this)
    }

    /// Watches those that are there now; what is gone is not watched any more. Returns whether all
    /// of them are.
    pub fn renew(&self, paths: &[PathBuf]) -> bool {
        // A file that is still open when its name is removed has one link less: that is a change.
        let flags = WatchFlags::ATTRIB
            | WatchFlags::MOVE_SELF
            | WatchFlags::DELETE_SELF
            | WatchFlags::DONT_FOLLOW;
        // Those that are there are watched, whatever becomes of the others.
        let watched = paths.iter().filter(|path| inotify::add_watch(&self.0, *path, flags).is_ok());
        watched.count() == paths.len()
    }

    /// Takes what has come, as much as may be taken at once. Returns whether anything has: the
    /// content does not matter, the files themselves are checked.
    pub fn take(&self) -> bool {
        rustix::io::read(&self.0, &mut [0; 4096]).is_ok_and(|len| len > 0)
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A queue in which the names of files lie that have appeared in directories.
pub(in crate::engine) struct Arrivals(OwnedFd);

impl Arrivals {
    /// Watches nothing yet. `None` where that cannot be had.
    pub fn new() -> Option<Self> {
        queue().map(Self)
    }

    /// Watches a directory as well, until it is gone. Returns whether it does.
    pub fn watch(&self, directory: &Path) -> bool {
        let flags = WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVE_SELF
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONLYDIR;
        inotify::add_watch(&self.0, directory, flags).is_ok()
    }

    /// Takes what has come, as much as may be taken at once.
    pub fn take(&self) -> Arrived {
        let mut arrived = Arrived { names: Vec::new(), is_vague: false };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = Reader::new(&self.0, &mut buffer);
        while let Ok(event) = events.next() {
            match event.file_name() {
                Some(name) => arrived.names.push(OsStr::from_bytes(name.to_bytes()).to_owned()),
                None => arrived.is_vague = true,
            }
            if events.is_buffer_empty() {
                break;
            }
        }
        arrived
    }
}

impl AsFd for Arrivals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What has appeared in watched directories.
pub(in crate::engine) struct Arrived {
    names: Vec<OsString>,
    /// A directory is gone, or the queue was too short for all names.
    is_vague: bool,
}

impl Arrived {
    /// Whether one of these files may be among it.
    pub fn any_of(&self, names: &[OsString]) -> bool {
        self.is_vague || names.iter().any(|name| self.names.contains(name))
    }
}

fn queue() -> Option<OwnedFd> {
    sys::fault().ok()?;
    inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()
}
