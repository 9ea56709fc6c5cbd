//! Being told of changes of published objects, also of some that are not there yet.
//!
//! One queue of the kernel's serves all objects that a thread or an engine reads, because there are
//! few of them per user. A change says no more than that it is time to look.
//!
//! **Look again.** A writer rings at most every [`RING_INTERVAL`](super::owned::RING_INTERVAL): who
//! was woken and has looked has to look once more that much later, and so on until there was
//! nothing new. [`Watcher::LOOK_AGAIN`] is that span.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use super::owned::RING_INTERVAL;
use super::place::Name;
use crate::engine::os::watch::{Change, Changes, Watched};
use crate::error::{Error, Result};

/// Something that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchId(pub u32);

/// A descriptor that can be read when something that is watched may have changed.
pub struct Watcher {
    changes: Changes,
    /// What is watched by the kernel, and what for.
    users: HashMap<Watched, Vec<WatchId>>,
    watches: HashMap<WatchId, Watch>,
    next: u32,
}

struct Watch {
    /// Where the file may be.
    paths: Vec<PathBuf>,
    /// What is watched for it now.
    watched: Vec<Watched>,
    /// Names whose appearance means that it may be there.
    awaited: Vec<OsString>,
    /// Why not all of it is watched that is to be.
    failure: Option<Errno>,
}

impl Watcher {
    /// How long after a look that has found something the next one is due.
    pub const LOOK_AGAIN: Duration = RING_INTERVAL;

    /// Watches nothing yet.
    pub fn new() -> Result<Self> {
        let failed = |cause| {
            Error::system(
                "making a queue of changes (inotify_init1, of which a user has few)",
                cause,
            )
        };
        let changes = Changes::new().map_err(failed)?;
        Ok(Self { changes, users: HashMap::new(), watches: HashMap::new(), next: 0 })
    }

    /// From now on this object is watched. Whether it has changed before is not said: look first.
    pub(crate) fn add(&mut self, name: &Name) -> WatchId {
        let paths = name.places.paths().iter().map(|place| place.join(&name.file)).collect();
        let id = WatchId(self.next);
        self.next = self.next.wrapping_add(1);
        let watch = Watch { paths, watched: Vec::new(), awaited: Vec::new(), failure: None };
        self.watches.insert(id, watch);
        self.renew(id);
        id
    }

    /// Whether all is watched that is to be: there are limits.
    pub fn check(&self, id: WatchId) -> Result<()> {
        let failure = self.watches.get(&id).and_then(|watch| watch.failure);
        failure.map_or(Ok(()), |cause| {
            let doing = "watching a published file (inotify_add_watch, max_user_watches)";
            Err(Error::system(doing, cause))
        })
    }

    /// The object is not watched any more.
    pub fn remove(&mut self, id: WatchId) {
        if let Some(watch) = self.watches.remove(&id) {
            self.release(id, &watch.watched);
        }
    }

    /// Whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    /// Takes what has come, and adds to `changed` what may have changed.
    pub fn take(&mut self, changed: &mut Vec<WatchId>) {
        let start = changed.len();
        let mut moved = Vec::new();
        let Self { changes, users, watches, .. } = self;
        changes.take(|change| {
            let Some(watched) = change.watched else {
                changed.extend(watches.keys());
                moved.extend(watches.keys());
                return;
            };
            for id in users.get(&watched).into_iter().flatten() {
                if !watches[id].is_about(&change) {
                    continue;
                }
                changed.push(*id);
                if change.is_moved {
                    moved.push(*id);
                }
            }
        });
        changed[start..].sort_unstable();
        let mut kept = changed.split_off(start);
        kept.dedup();
        changed.append(&mut kept);
        moved.sort_unstable();
        moved.dedup();
        for id in moved {
            self.renew(id);
        }
    }

    /// Waits until something may have changed, so long at most. Returns whether it may have.
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        self.changes.wait(timeout)
    }

    /// What can wait while others add, remove and take.
    pub fn sleeper(&self) -> Sleeper {
        Sleeper(self.changes.clone())
    }

    /// Watches what there is now: the file, and where another may take its place; or, if there is
    /// none, all places where it may appear.
    fn renew(&mut self, id: WatchId) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let before = std::mem::take(&mut watch.watched);
        let paths = std::mem::take(&mut watch.paths);
        let mut awaited = Vec::new();
        let mut watched = Vec::new();
        let mut failure = None;
        let mut add = |added: Result<Watched, Errno>| match added {
            Ok(place) => watched.push(place),
            // Nothing that could be watched, or not yet.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {}
            Err(cause) => failure = Some(cause),
        };
        // The directory first: a file that comes meanwhile is either found or reported.
        for path in &paths {
            let (directory, file) = apart(path);
            awaited.extend(file);
            // Up to what is there, and down again: each may have come between the two.
            let mut above: Vec<_> = directory.ancestors().collect();
            // In the place of the directory itself a link is an intruder, which may go again.
            let watch = |place: &Path| self.changes.watch_directory(place, place != directory);
            let first = above.iter().position(|place| watch(place).is_ok());
            let first = first.unwrap_or(above.len());
            above.truncate(first + 1);
            awaited.extend(above.iter().filter_map(|place| apart(place).1));
            for place in above.into_iter().rev() {
                let place = watch(place);
                let is_there = place.is_ok();
                add(place);
                if !is_there {
                    break;
                }
            }
            let file = self.changes.watch_file(path);
            let is_there = file.is_ok();
            add(file);
            if is_there {
                break;
            }
        }
        watched.sort_unstable();
        watched.dedup();
        for place in &watched {
            let users = self.users.entry(*place).or_default();
            if !users.contains(&id) {
                users.push(id);
            }
        }
        let gone: Vec<_> = before.into_iter().filter(|place| !watched.contains(place)).collect();
        self.release(id, &gone);
        if let Some(watch) = self.watches.get_mut(&id) {
            *watch = Watch { paths, watched, awaited, failure };
        }
    }

    fn release(&mut self, id: WatchId, watched: &[Watched]) {
        for place in watched {
            let Some(users) = self.users.get_mut(place) else { continue };
            users.retain(|user| *user != id);
            if users.is_empty() {
                self.users.remove(place);
                self.changes.forget(*place);
            }
        }
    }
}

impl Watch {
    fn is_about(&self, change: &Change) -> bool {
        change.appeared.as_ref().is_none_or(|name| self.awaited.contains(name))
    }
}

/// Waits for a [`Watcher`] that is behind a lock. A clone is the same descriptor.
#[derive(Clone)]
pub struct Sleeper(Changes);

impl Sleeper {
    /// As [`Watcher::wait`].
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        self.0.wait(timeout)
    }
}

impl AsFd for Sleeper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Sleeper {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }
}

/// The directory of a path, and the name in it.
fn apart(path: &Path) -> (&Path, Option<OsString>) {
    let name = path.file_name().map(OsString::from);
    (path.parent().unwrap_or(path), name)
}
