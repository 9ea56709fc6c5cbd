//! What servers that are dead have left: a lock and a socket for each name, and named segments. It
//! is known by its lock, which nothing holds any more, and never by its age.

use std::fs;

use super::claim;
use super::directory::{Directory, Places};
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
    let Ok(entries) = fs::read_dir(directory.path()) else { return 0 };
    let names = entries.take(LOOKS_MAX).filter_map(|entry| {
        let file = entry.ok()?.file_name().into_string().ok()?;
        let name = file.strip_suffix(".lock")?;
        check_server_name(name).is_ok().then(|| name.to_owned())
    });
    // First all names: while files are removed, a directory may be read with gaps.
    let names: Vec<_> = names.collect();
    names.iter().filter(|name| claim::clear(directory, name)).count()
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
