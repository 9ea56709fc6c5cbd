//! What servers that are dead have left: a lock and a socket for each name, and named segments. It
//! is known by its lock, which nothing holds any more, and never by its age.

use std::fs;
use std::path::PathBuf;

use super::claim;
use super::directory::{Directory, Places};
use super::os::file_id::FileId;
use crate::error::{Error, Result};
use crate::limits::check_server_name;
use crate::memory::named;

/// Files of a directory that are checked at once.
const LOOKS_MAX: usize = 4096;

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Removed {
    /// Names with their files.
    pub servers: usize,
    /// Named segments.
    pub segments: usize,
}

/// Removes what dead servers have left, wherever servers may have been.
pub(super) fn clear(places: &Places) -> Removed {
    let servers = places.usable().map(|directory| clear_directory(&directory)).sum();
    Removed { servers, segments: named::reclaim() }
}

fn clear_directory(directory: &Directory) -> usize {
    dead_servers(directory).iter().filter(|server| server.remove().is_ok_and(|done| done)).count()
}

/// What a dead server has left.
#[derive(Debug)]
pub(crate) struct DeadServer {
    directory: Directory,
    pub name: String,
    lock: FileId,
}

impl DeadServer {
    /// Its files.
    pub fn paths(&self) -> Vec<PathBuf> {
        let Self { directory, name, .. } = self;
        let paths = [Directory::lock_path, Directory::socket_path, Directory::status_path];
        let paths = paths.map(|of| of(directory, name));
        paths.into_iter().filter(|path| fs::symlink_metadata(path).is_ok()).collect()
    }

    /// Removes them, unless others have taken their place or a server has the name by now: no
    /// server gets it meanwhile. Returns whether they were removed.
    pub fn remove(&self) -> Result<bool> {
        let Self { directory, name, .. } = self;
        // Locked as long as it is open.
        let Some((_locked, id)) = claim::abandoned(directory, name) else { return Ok(false) };
        if id != self.lock {
            return Ok(false);
        }
        let removed = claim::remove_files(directory, name);
        let failed = |cause| Error::from_io(format_args!("removing the server \"{name}\""), &cause);
        removed.map(|()| true).map_err(failed)
    }
}

/// The dead servers of a directory.
pub(crate) fn dead_servers(directory: &Directory) -> Vec<DeadServer> {
    let names = locked_names(directory).into_iter();
    let dead = names.filter_map(|name| {
        let (_, lock) = claim::abandoned(directory, &name)?;
        Some(DeadServer { directory: directory.clone(), name, lock })
    });
    dead.collect()
}

/// The names of servers that lock files stand for.
fn locked_names(directory: &Directory) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory.path()) else { return Vec::new() };
    let names = entries.take(LOOKS_MAX).filter_map(|entry| {
        let file = entry.ok()?.file_name().into_string().ok()?;
        let name = file.strip_suffix(".lock")?;
        check_server_name(name).is_ok().then(|| name.to_owned())
    });
    // First all names: while files are removed, a directory may be read with gaps.
    names.collect()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::engine::directory::tests::Scratch;

    #[test]
    fn names_of_files_that_are_none_of_servers_are_passed_over() {
        let scratch = Scratch::new("leftovers");
        let directory = Directory::make(&scratch).unwrap();
        let path = directory.path();
        for name in ["dead.lock", "not a name.lock", ".hidden.lock", "dead.txt"] {
            fs::write(path.join(name), "ringpost\n").unwrap();
        }
        assert_eq!(clear_directory(&directory), 1);
        assert_eq!(clear_directory(&directory), 0);
        assert_eq!(fs::read_dir(path).unwrap().count(), 3);
    }
}
