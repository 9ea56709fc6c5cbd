//! Reports when files were touched, by cleaners of temporary directories, say, and when they
//! appear.
//!
//! There are few queues of the kernel's for that per user, and sandboxes without any.

use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::sys;

/// What is reported of a directory: files that appear in it, and that it is gone.
const APPEARANCES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::ONLYDIR);

/// A queue of the kernel's in which something lies when a file was removed, moved or changed.
pub(in crate::engine) struct Watch(OwnedFd);

impl Watch {
    /// Watches files. `None` where that cannot be had.
    pub fn over(paths: &[PathBuf]) -> Option<Self> {
        let this = Self(queue().ok()?);
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
        queue().ok().map(Self)
    }

    /// Watches a directory as well, until it is gone. Returns whether it does.
    pub fn watch(&self, directory: &Path) -> bool {
        inotify::add_watch(&self.0, directory, APPEARANCES).is_ok()
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

/// A queue in which it lies that watched files or directories have changed, and which. A clone is
/// the same queue.
#[derive(Clone)]
pub(crate) struct Changes(Arc<OwnedFd>);

/// What was watched, as the kernel numbers it.
pub(crate) type Watched = i32;

/// Something has happened to what is watched.
pub(crate) struct Change {
    /// To what; `None`: the queue was too short, it may have been to anything.
    pub watched: Option<Watched>,
    /// In a directory: the name of what has appeared there.
    pub appeared: Option<OsString>,
    /// More than bytes have changed: another file may be found at this path by now.
    pub is_moved: bool,
}

impl Changes {
    pub fn new() -> Result<Self, Errno> {
        queue().map(|queue| Self(Arc::new(queue)))
    }

    /// Watches the bytes of a file, its name, and for its writers to close it.
    pub fn watch_file(&self, path: &Path) -> Result<Watched, Errno> {
        let flags = WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::MOVE_SELF
            | WatchFlags::DELETE_SELF
            | WatchFlags::DONT_FOLLOW;
        sys::fault().and_then(|()| inotify::add_watch(&*self.0, path, flags))
    }

    /// Watches for files that appear in a directory, where a link to one may count as one.
    pub fn watch_directory(&self, path: &Path, may_be_link: bool) -> Result<Watched, Errno> {
        let mut flags = APPEARANCES;
        flags.set(WatchFlags::DONT_FOLLOW, !may_be_link);
        sys::fault().and_then(|()| inotify::add_watch(&*self.0, path, flags))
    }

    pub fn forget(&self, watched: Watched) {
        let _ = inotify::remove_watch(&*self.0, watched);
    }

    /// Takes what has come, as much as may be taken at once: files may change without a pause.
    pub fn take(&self, mut seen: impl FnMut(Change)) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = Reader::new(&*self.0, &mut buffer);
        while let Ok(event) = events.next() {
            let flags = event.events();
            let is_content = flags.intersects(ReadFlags::MODIFY | ReadFlags::CLOSE_WRITE);
            let watched = event.wd();
            seen(Change {
                watched: (!flags.contains(ReadFlags::QUEUE_OVERFLOW)).then_some(watched),
                appeared: event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()).into()),
                is_moved: !is_content,
            });
            if events.is_buffer_empty() {
                break;
            }
        }
    }

    /// Waits until there is something to take, so long at most. Returns whether there is.
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        let timeout = timeout.map(|span| Timespec {
            tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: span.subsec_nanos().into(),
        });
        let mut set = [PollFd::new(&*self.0, PollFlags::IN)];
        // An interrupted wait is over, as one whose time has passed.
        rustix::event::poll(&mut set, timeout.as_ref()).is_ok_and(|ready| ready > 0)
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn queue() -> Result<OwnedFd, Errno> {
    sys::fault()?;
    inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
}
