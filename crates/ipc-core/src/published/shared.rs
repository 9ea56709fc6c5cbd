//! A small file beside a published one that its readers may write to: where those say how far they
//! have come that the writer waits for.
//!
//! It belongs to no generation: it is made once, by the first who needs it, and stays. Each reader
//! has a slot in it, which is its own as long as it holds the lock of the byte of that number; the
//! kernel gives the lock back when the reader dies.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use super::head::BELL;
use super::opened;
use super::owned::{self, Temporary};
use crate::engine::os::byte_lock;
use crate::engine::os::file_id::FileId;
use crate::error::{Code, Error, Result};
use crate::memory::words::{WORD, Words};
use crate::memory::{Object, Segment};
use crate::sync::Ordering;

/// What the name of such a file ends with, behind that of the published one.
pub(super) const SUFFIX: &str = "-readers";
/// Where the slots begin.
pub(crate) const SLOTS_START: usize = 4096;
/// First word: "ringpost".
const MAGIC: u64 = u64::from_le_bytes(*b"ringpost");
/// Second word: version 1, and a number that no kind of published file has.
const MARK: u64 = 1 | 16 << 32;

/// Such a file, open and mapped.
pub(crate) struct Shared {
    pub segment: Arc<Segment>,
    file: OwnedFd,
    id: FileId,
}

impl Shared {
    /// The file beside `path` with slots of so many bytes in all, made if there is none.
    pub fn make(path: &Path, slots_len: usize) -> Result<Self> {
        let path = beside(path);
        // Between finding none and making one, another process may make it, or remove it.
        for _ in 0..8 {
            if let Some(shared) = Self::open_at(&path, slots_len, OFlags::RDWR)? {
                return Ok(shared);
            }
            let len = SLOTS_START + slots_len;
            let made = Temporary::with_len(&path, len, len)?;
            made.segment.store(WORD, MARK, Ordering::Relaxed);
            made.segment.store(0, MAGIC, Ordering::Relaxed);
            made.link(&path)?;
            drop(made);
            clear_leftovers(&path);
        }
        let message = format!("{} is removed by others all the time", path.display());
        Err(Error::new(Code::Access, message))
    }

    /// The file beside `path`, if there is one.
    pub fn open(path: &Path, slots_len: usize) -> Result<Option<Self>> {
        Self::open_at(&beside(path), slots_len, OFlags::RDWR)
    }

    /// The same to look at and not to write to.
    pub fn look(path: &Path, slots_len: usize) -> Result<Option<Self>> {
        Self::open_at(&beside(path), slots_len, OFlags::RDONLY)
    }

    fn open_at(path: &Path, slots_len: usize, access: OFlags) -> Result<Option<Self>> {
        let Some(file) = opened::open(path, access)? else { return Ok(None) };
        let len = SLOTS_START + slots_len;
        let checked = opened::check_private(&file).and_then(|stat| {
            if u64::try_from(stat.st_size) != Ok(len as u64) {
                let message = format!("it has {} bytes, not {len}: remove it", stat.st_size);
                return Err(Error::new(Code::Corrupt, message));
            }
            let map =
                if access == OFlags::RDWR { Segment::map_guarded } else { Segment::map_readable };
            let segment = map(&file, Object::published(len))?;
            let words = [0, WORD].map(|at| segment.load(at, Ordering::Relaxed));
            if words != [MAGIC, MARK] {
                return Err(Error::new(Code::Corrupt, "it is something else: remove it"));
            }
            Ok((Arc::new(segment), FileId::from(&stat)))
        });
        let (segment, id) = checked.map_err(|error| opened::located(path, &error))?;
        Ok(Some(Self { segment, file, id }))
    }

    /// Takes a free one of `count` slots, for as long as this is open.
    pub fn claim(&self, count: usize) -> Result<Option<usize>> {
        for slot in 0..count {
            let taken = byte_lock::take(&self.file, slot as u64);
            if taken.map_err(|cause| Error::system("taking a slot for a reader", cause))? {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    /// Whether a living process has this slot. What cannot be asked counts as one: a wait for it
    /// has a deadline.
    pub fn is_claimed(&self, slot: usize) -> bool {
        byte_lock::is_taken(&self.file, slot as u64).unwrap_or(true)
    }

    /// Wakes all who watch this file.
    pub fn ring(&self) {
        let _ = rustix::io::pwrite(&self.file, &[0], BELL);
    }

    /// Whether it is the one beside a file at this path.
    pub fn is_beside(&self, path: &Path) -> bool {
        !self.segment.is_lost() && FileId::at(&beside(path)) == Some(self.id)
    }
}

/// The name of such a file beside one of this name.
pub(crate) fn name_beside(file: &str) -> String {
    format!("{file}{SUFFIX}")
}

/// The file beside `path`, if there is one and no living process has a slot in it.
pub(super) fn unused_beside(path: &Path) -> Option<PathBuf> {
    let path = beside(path);
    let file = opened::open(&path, OFlags::RDONLY).ok()??;
    let is_unused =
        opened::check_file(&file).is_ok() && byte_lock::is_any_taken(&file) == Ok(false);
    is_unused.then_some(path)
}

fn clear_leftovers(path: &Path) {
    if let (Some(directory), Some(file)) = (path.parent(), path.file_name()) {
        owned::clear_leftovers(directory, &file.to_string_lossy());
    }
}

fn beside(path: &Path) -> PathBuf {
    let file = path.file_name().map(|file| name_beside(&file.to_string_lossy()));
    path.with_file_name(file.unwrap_or_default())
}
