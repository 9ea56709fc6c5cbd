//! What dead processes have left, for people who want to see it before it goes.
//!
//! That a process is dead is known by the lock it had, never by the age of a file. What was found
//! is remembered as the very file it was: by the time it is to be removed, another may be there.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags};
use rustix::io::Errno;

use super::head::Kind;
use super::opened::{self, SUCCESSOR, WRITER};
use super::{Place, owned, place, shared};
use crate::engine::directory::Directory;
use crate::engine::leftovers::{DeadServer, dead_servers};
use crate::engine::os::byte_lock;
use crate::engine::os::file_id::FileId;
use crate::error::{Error, Result};
use crate::memory::named;

/// What a dead process can leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftoverKind {
    /// The files of a server.
    Server,
    /// A named segment of a connection.
    Segment,
    /// A file that was to be published.
    Unfinished,
    /// The last value of a state frame, which can still be read.
    StateFrame,
    /// A topic with its last messages, which can still be read.
    Topic,
    /// A map with its last entries, which can still be read.
    Map,
}

/// Something that a dead process has left. Made by [`leftovers`].
#[derive(Debug)]
pub struct Leftover {
    /// What it is.
    pub kind: LeftoverKind,
    /// The name of the server, the segment or what is published.
    pub name: String,
    /// Its files.
    pub paths: Vec<PathBuf>,
    which: Which,
}

/// By what it is known again.
#[derive(Debug)]
enum Which {
    Server(DeadServer),
    Segment,
    File(FileId),
}

/// Finds what dead processes of this user have left in the private directories, and the named
/// segments they have left. What they have `published` is meant to outlive them, and is found only
/// if it is asked for. Nothing is removed.
///
/// [`Code::UnsafeDirectory`](crate::Code::UnsafeDirectory) and others: a directory that was chosen
/// cannot be used.
pub fn leftovers(place: &Place, published: bool) -> Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for directory in place.places()?.searched()? {
        found.extend(dead_servers(&directory).into_iter().map(Leftover::of_server));
        let files = fs::read_dir(directory.path()).into_iter().flatten();
        let names = files.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let files = names.filter_map(|file| Leftover::of_file(&directory, &file));
        found.extend(files.filter(|left| published || left.kind == LeftoverKind::Unfinished));
    }
    found.extend(named::abandoned().into_iter().map(Leftover::of_segment));
    Ok(found)
}

impl Leftover {
    fn of_server(server: DeadServer) -> Self {
        let (name, paths) = (server.name.clone(), server.paths());
        Self { kind: LeftoverKind::Server, name, paths, which: Which::Server(server) }
    }

    fn of_segment(name: String) -> Self {
        let paths = vec![named::path(&name)];
        Self { kind: LeftoverKind::Segment, name, paths, which: Which::Segment }
    }

    /// What nobody writes any more, among the files of a directory.
    fn of_file(directory: &Directory, file: &str) -> Option<Self> {
        let path = directory.path().join(file);
        // A server's goes with its other files.
        let published = place::named(file).filter(|(_, kind)| *kind != Kind::Status);
        let published = published.map(|(name, kind)| (name, Some(kind)));
        let (name, of) = published.or_else(|| Some((unfinished_name(file)?, None)))?;
        let opened = opened::open(&path, OFlags::RDONLY).ok()??;
        let stat = opened::check_file(&opened).ok()?;
        // What does not begin as such a file does is not known to be one.
        let is_one = of.is_none_or(|kind| opened::read_head(&opened, kind, &stat).is_ok());
        if !is_one || byte_lock::is_taken(&opened, WRITER) != Ok(false) {
            return None;
        }
        let readers = (of == Some(Kind::Topic)).then(|| shared::unused_beside(&path)).flatten();
        let which = Which::File(FileId::from(&stat));
        let paths = std::iter::once(path).chain(readers).collect();
        Some(Self { kind: of.into(), name: name.into(), paths, which })
    }

    /// Removes it, unless it was replaced or is used again by now. Returns whether it was removed.
    pub fn remove(&self) -> Result<bool> {
        match &self.which {
            Which::Server(server) => server.remove(),
            Which::Segment => named::remove(&self.name),
            Which::File(id) => {
                let path = &self.paths[0];
                remove_file(path, *id, self.kind).map_err(|cause| {
                    Error::system(format_args!("removing {}", path.display()), cause)
                })
            }
        }
    }
}

impl From<Option<Kind>> for LeftoverKind {
    fn from(kind: Option<Kind>) -> Self {
        match kind {
            None => Self::Unfinished,
            Some(Kind::Frame) => Self::StateFrame,
            Some(Kind::Topic) => Self::Topic,
            Some(Kind::Map) => Self::Map,
            Some(Kind::Status) => Self::Server,
        }
    }
}

/// What was to be published in a file that has only a temporary name: `.weather.frame.812-0`.
fn unfinished_name(file: &str) -> Option<&str> {
    let (named, maker) = file.strip_prefix('.')?.rsplit_once('.')?;
    let (pid, count) = maker.split_once('-')?;
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    let published = named.strip_suffix(shared::SUFFIX).unwrap_or(named);
    (is_number(pid) && is_number(count)).then(|| place::named(published)).flatten()?;
    Some(named)
}

fn remove_file(path: &Path, id: FileId, kind: LeftoverKind) -> rustix::io::Result<bool> {
    let opened = opened::open(path, OFlags::RDWR).ok().flatten();
    let Some(file) = opened.filter(|file| FileId::of(file) == Ok(id)) else { return Ok(false) };
    // A writer that starts holds this lock while it takes the place of the file.
    if !byte_lock::take(&file, SUCCESSOR)? || byte_lock::is_taken(&file, WRITER)? {
        return Ok(false);
    }
    if kind == LeftoverKind::Topic
        && let Some(readers) = shared::unused_beside(path)
    {
        rustix::fs::unlink(readers)?;
    }
    remove_certainly(path, id)
}

/// Removes this file and no other, also where one takes its place at this very moment, as a writer
/// may that takes over: what is removed is looked at once nothing finds it any more.
fn remove_certainly(path: &Path, id: FileId) -> rustix::io::Result<bool> {
    let aside = owned::beside(path);
    match rustix::fs::rename(path, &aside) {
        Err(Errno::NOENT) => return Ok(false),
        renamed => renamed?,
    }
    let is_it = FileId::at(&aside) == Some(id);
    if !is_it {
        match rustix::fs::linkat(CWD, &aside, CWD, path, AtFlags::empty()) {
            // By now there is a newer one, or it was cleared away as another's leftover.
            Ok(()) | Err(Errno::EXIST | Errno::NOENT) => {}
            Err(cause) => return Err(cause),
        }
    }
    match rustix::fs::unlink(&aside) {
        Ok(()) | Err(Errno::NOENT) => Ok(is_it),
        Err(cause) => Err(cause),
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
