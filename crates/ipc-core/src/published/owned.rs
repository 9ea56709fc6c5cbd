//! A published file as its writer sees it: making it, putting it in the place of the one before,
//! and waking its readers.

mod temporary;

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::OFlags;

use super::head::{BELL, Head, SUPERSEDED, Shape};
use super::opened::{self, SUCCESSOR, WRITER};
use super::place::Name;
use crate::engine::directory::Directory;
use crate::engine::os::byte_lock;
use crate::engine::os::file_id::FileId;
use crate::error::{Code, Error, Result};
use crate::memory::words::Words;
use crate::memory::{Object, Segment};
use crate::sync::{OBSERVE, PUBLISH};
use crate::sys::{self, kill_point};
use crate::time::Time;
pub(super) use temporary::{Temporary, beside};

/// The least time between two rings. Readers that were woken look once more this much later, so
/// that a change without a ring is seen as well.
pub(crate) const RING_INTERVAL: Duration = Duration::from_micros(100);
/// How often a writer looks whether its file is still found by its name, at most.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often to begin again when others make and remove files of the same name at the same time.
const TRIES: usize = 16;

/// A file that this process alone writes.
pub(crate) struct Owned {
    pub head: Head,
    pub segment: Arc<Segment>,
    name: Name,
    path: PathBuf,
    file: OwnedFd,
    id: FileId,
    rung_at: Time,
    looked_at: Time,
    /// A forked child inherits this value, but not what it stands for.
    creator: u32,
}

/// Whether the name still leads to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Whole,
    /// The file was removed, with its directory perhaps.
    Removed,
    /// Another writer has taken the name.
    Superseded,
}

/// Whose file another may take the place of.
#[derive(Clone, Copy)]
enum Replaced {
    /// That of a writer that is gone.
    Dead,
    /// This one of the writer's own. Whoever has the name instead has taken it over.
    Own(FileId),
    Any,
}

/// What there is at the path of a file that is to be made.
struct Predecessor {
    file: OwnedFd,
    id: FileId,
    /// `None`: it is garbage.
    head: Option<Head>,
}

impl Owned {
    /// Makes a file and gives it its name. `begin` writes what readers are to find in it from the
    /// start. [`Code::NameInUse`]: a writer that lives has the name, and `take_over` is not set.
    pub fn create(
        name: &Name,
        shape: &Shape,
        take_over: bool,
        begin: impl Fn(&Segment, &Head, Option<&Segment>) -> Result<()>,
    ) -> Result<Self> {
        let replaced = if take_over { Replaced::Any } else { Replaced::Dead };
        let owned = Self::create_after(0, name, shape, replaced, begin)?;
        if take_over {
            owned.supersede_elsewhere();
        }
        Ok(owned)
    }

    /// Takes the name from writers that live in other places, too.
    fn supersede_elsewhere(&self) {
        for place in self.name.places.usable() {
            let path = place.path().join(&self.name.file);
            if !has_writer(&path) {
                continue;
            }
            // Two places may be the same.
            if let Ok(Some(other)) = Predecessor::at(&path, &self.name)
                && !self.is(other.id)
                && let Some(before) = other.map()
            {
                supersede(&before, &other.file, self.head.generation);
                let _ = fs::remove_file(&path);
            }
        }
    }

    /// Makes a file that takes the place of this one, and says so in this one.
    /// [`Code::NameInUse`]: another writer has taken the name, also while the file was made.
    pub fn replace(
        &mut self,
        shape: &Shape,
        begin: impl Fn(&Segment, &Head, Option<&Segment>) -> Result<()>,
    ) -> Result<()> {
        // The lock of a file that is still there is this process's own.
        let is_there = self.is_at_its_path();
        let replaced = if is_there { Replaced::Own(self.id) } else { Replaced::Dead };
        let after = self.head.generation;
        // Beside it, then: a place that comes before this one may count by now, and a file that
        // stayed behind would be found again as soon as it does not.
        let beside = self.path.parent().filter(|_| is_there).map(Directory::existing);
        let next = match beside {
            Some(Ok(Some(directory))) => {
                Self::create_in(&directory, after, &self.name, shape, replaced, &begin)?
            }
            _ => Self::create_after(after, &self.name, shape, replaced, begin)?,
        };
        supersede(&self.segment, &self.file, next.head.generation);
        *self = next;
        Ok(())
    }

    fn create_after(
        after: u64,
        name: &Name,
        shape: &Shape,
        replaced: Replaced,
        begin: impl Fn(&Segment, &Head, Option<&Segment>) -> Result<()>,
    ) -> Result<Self> {
        name.places.in_first_usable(|directory| {
            let elsewhere = name.places.usable().any(|place| {
                place.path() != directory.path() && has_writer(&place.path().join(&name.file))
            });
            if elsewhere && matches!(replaced, Replaced::Dead) {
                return Err(in_use(name, None));
            }
            Self::create_in(&directory, after, name, shape, replaced, &begin)
        })
    }

    fn create_in(
        directory: &Directory,
        after: u64,
        name: &Name,
        shape: &Shape,
        replaced: Replaced,
        begin: &impl Fn(&Segment, &Head, Option<&Segment>) -> Result<()>,
    ) -> Result<Self> {
        let path = directory.path().join(&name.file);
        for _ in 0..TRIES {
            let predecessor = Predecessor::at(&path, name)?;
            if let Some(predecessor) = &predecessor
                && !predecessor.is_free(replaced, &path)?
            {
                return Err(in_use(name, predecessor.head.as_ref()));
            }
            let before = predecessor.as_ref().and_then(Predecessor::map);
            let known = predecessor.as_ref().and_then(|predecessor| predecessor.head.as_ref());
            let last = known.map_or(after, |head| head.generation.max(after));
            // What may be anything may be the largest number as well.
            let generation = last.checked_add(1).unwrap_or(1);
            let head = Head { generation, writer: std::process::id(), shape: shape.clone() };
            let made = Temporary::make(directory, &name.file, &head)?;
            begin(&made.segment, &head, before.as_ref())?;
            kill_point("made");
            let is_named = match &predecessor {
                None => made.link(&path)?,
                Some(predecessor) => {
                    made.replace(&path, predecessor, before.as_ref(), generation)?
                }
            };
            kill_point("named");
            if is_named {
                clear_leftovers(directory.path(), &name.file);
                return Ok(made.into_owned(name, path, head));
            }
        }
        let message = format!("{} is replaced by others all the time", path.display());
        Err(Error::new(Code::NameInUse, message))
    }

    /// Where its file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Wakes readers that sleep, unless that was done a moment ago.
    ///
    /// To be called when everything is stored. The clock is read here and not before: a writer that
    /// is held up in between would otherwise not ring for what its readers, which have looked twice
    /// by then, have not seen.
    #[inline]
    pub fn ring(&mut self) {
        let now = Time::now();
        if now.saturating_since(self.rung_at) >= RING_INTERVAL {
            self.rung_at = now;
            ring(&self.file);
        }
    }

    /// Whether another writer has taken the name.
    #[inline]
    pub fn is_superseded(&self) -> bool {
        self.segment.load(SUPERSEDED, OBSERVE) != 0
    }

    /// Looks at times whether the file is still found. What a file that was truncated has lost
    /// counts as removed.
    #[inline]
    pub fn standing(&mut self, now: Time) -> Standing {
        if self.is_superseded() {
            return Standing::Superseded;
        }
        if now.saturating_since(self.looked_at) < LOOK_INTERVAL {
            return Standing::Whole;
        }
        self.looked_at = now;
        self.look()
    }

    /// Whether that was done just now.
    #[inline]
    pub fn has_looked(&self, now: Time) -> bool {
        self.looked_at == now
    }

    /// Takes a file back with which nothing can be done: the next look finds none, and another is
    /// made.
    #[cold]
    pub fn take_back(&mut self) {
        self.remove();
        self.looked_at = Time::default();
    }

    #[cold]
    fn look(&self) -> Standing {
        match FileId::at(&self.path) {
            _ if self.segment.is_lost() => Standing::Removed,
            Some(id) if id == self.id => Standing::Whole,
            Some(_) => Standing::Superseded,
            None => Standing::Removed,
        }
    }

    /// Removes the file from its directory. Who reads it keeps it.
    pub fn remove(&self) {
        if self.creator == std::process::id() && self.is_at_its_path() {
            let _ = fs::remove_file(&self.path);
        }
    }

    pub(super) fn is_at_its_path(&self) -> bool {
        FileId::at(&self.path).is_some_and(|found| self.is(found))
    }

    /// Whether it is this file.
    pub fn is(&self, file: FileId) -> bool {
        file == self.id
    }
}

impl Predecessor {
    /// A file of this user that lies at `path`; anything else there is an error.
    fn at(path: &Path, name: &Name) -> Result<Option<Self>> {
        let Some(file) = opened::open(path, OFlags::RDWR)? else { return Ok(None) };
        let stat = opened::check_file(&file).map_err(|error| opened::located(path, &error))?;
        let head = opened::read_head(&file, name.kind, &stat).ok();
        Ok(Some(Self { file, id: FileId::from(&stat), head }))
    }

    fn is_free(&self, replaced: Replaced, path: &Path) -> Result<bool> {
        match replaced {
            Replaced::Dead => self.lock(path),
            Replaced::Own(id) => Ok(self.id == id),
            Replaced::Any => Ok(true),
        }
    }

    /// Takes the place of its writer, if that is gone: from now on no other does.
    fn lock(&self, path: &Path) -> Result<bool> {
        sys::fault()
            .and_then(|()| {
                let is_next = byte_lock::take(&self.file, SUCCESSOR)?;
                Ok(is_next && !byte_lock::is_taken(&self.file, WRITER)?)
            })
            .map_err(|cause| Error::system(format_args!("locking {}", path.display()), cause))
    }

    /// Its memory, which is never touched where it may be anything.
    fn map(&self) -> Option<Segment> {
        let head = self.head.as_ref()?;
        Segment::map_guarded(&self.file, Object::published(head.file_len())).ok()
    }
}

fn supersede(segment: &Segment, file: &OwnedFd, generation: u64) {
    segment.store(SUPERSEDED, generation, PUBLISH);
    kill_point("superseded");
    ring(file);
}

/// Wakes all who watch this file. A failure is none of the writer's concern: who was not woken
/// reads what is there when it looks.
fn ring(file: &OwnedFd) {
    let _ = rustix::io::pwrite(file, &[0], BELL);
}

/// Removes what processes have left that died while they made a file of this name.
pub(super) fn clear_leftovers(directory: &Path, file_name: &str) {
    let prefix = format!(".{file_name}.");
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_one = entry.file_name().to_string_lossy().starts_with(&prefix);
        if is_one && !has_writer(&path) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Whether a living process writes the file at `path`.
fn has_writer(path: &Path) -> bool {
    let file = opened::open(path, OFlags::RDONLY);
    file.is_ok_and(|file| file.is_some_and(|file| byte_lock::is_taken(&file, WRITER) == Ok(true)))
}

#[cold]
pub(crate) fn in_use(name: &Name, head: Option<&Head>) -> Error {
    let writer = head.map_or(String::new(), |head| format!(", process {}", head.writer));
    let message = format!("a living writer has {}{writer}: only one may write it", name.shown());
    Error::new(Code::NameInUse, message)
}

#[cfg(all(test, not(loom)))]
mod tests;
