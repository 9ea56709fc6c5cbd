//! Reports when files were touched: by cleaners of temporary directories, say.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::sys;

/// A queue of the kernel's in which something lies when a file was removed, moved or changed.
pub(in crate::engine) struct Watch(OwnedFd);

impl Watch {
    /// Watches files. `None` where that cannot be had: there are few such queues per
    /// user, and sandboxes without any.
    pub fn over(paths: &[PathBuf]) -> Option<Self> {
        let flags = CreateFlags::CLOEXEC | CreateFlags::NONBLOCK;
        sys::fault().ok()?;
        let this = Self(inotify::init(flags).ok()?);
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
