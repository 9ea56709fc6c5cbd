//! The private directories in which a machine's processes of one user meet.
//!
//! One that was chosen is the only one. Where none was, there are places every process of this user
//! knows, in one order: a server takes the first it can use, and a client searches all of them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;

use super::claim::{self, Claim, Listening};
use super::options::Options;
use super::os::credentials::own_uid;
use super::os::socket::Address;
use super::os::watch::Arrivals;
use crate::error::{Code, Error, Result};
use crate::limits::check_server_name;

/// The environment variable that names another directory to meet in.
pub const DIRECTORY_VARIABLE: &str = "RINGPOST_DIR";

/// How another place is chosen.
pub(super) const CHOOSING: &str = "the option `directory`, or RINGPOST_DIR in the environment";

/// Where to meet.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    paths: Vec<PathBuf>,
    /// There is one, and it was chosen.
    chosen: bool,
    /// A directory that one of them is in, which does not count unless that is private, too.
    run: Option<PathBuf>,
}

impl Places {
    /// The directory of the options if there is one, else the environment's, else those every
    /// process of this user knows. Peers must meet, and neither `XDG_RUNTIME_DIR` nor `TMPDIR` is
    /// the same in all sandboxes, sessions and services of one user. What is relative is so to the
    /// directory this process is in now, wherever it goes later.
    pub fn of(options: &Options) -> Result<Self> {
        Self::at(options.directory.as_deref(), options.environment)
    }

    /// The same for what has no more options than these.
    pub fn at(directory: Option<&Path>, environment: bool) -> Result<Self> {
        let variable = || std::env::var_os(DIRECTORY_VARIABLE).filter(|path| !path.is_empty());
        let chosen = match directory {
            Some(path) => Some(path.to_owned()),
            None if environment => variable().map(PathBuf::from),
            None => None,
        };
        let Some(path) = chosen else { return Ok(Self::known_below(Path::new("/"))) };
        let path = std::path::absolute(&path).map_err(|error| {
            let message = format!("{} cannot be made absolute: {error}", path.display());
            Error::new(Code::UnsafeDirectory, message)
        })?;
        Ok(Self { paths: vec![path], chosen: true, run: None })
    }

    /// Those every process of this user knows, whether or not they are there: who waits may have
    /// begun before the system has made this user's own directory for a login.
    pub fn known_below(root: &Path) -> Self {
        let uid = own_uid();
        let run = root.join(format!("run/user/{uid}"));
        let within =
            ["tmp", "var/tmp"].map(|parent| root.join(parent).join(format!("ringpost-{uid}")));
        let paths = std::iter::once(run.join("ringpost")).chain(within).collect();
        Self { paths, chosen: false, run: Some(run) }
    }

    /// Claims `name` in the first place that can be used, and listens there: at the socket that was
    /// handed to this process, if one was, and else at one of its own.
    pub(super) fn listen(
        &self,
        name: &str,
        handed: Option<BorrowedFd<'_>>,
    ) -> Result<(Claim, Listening)> {
        check_server_name(name)?;
        // In a place that is not the first, where an earlier server could use no other.
        if !self.chosen && self.usable().any(|directory| claim::is_held(&directory, name)) {
            return Err(claim::in_use(name));
        }
        self.in_first_usable(|directory| match handed {
            Some(socket) => Claim::inherit(directory, name, socket),
            None => Claim::listen(directory, name),
        })
    }

    /// Makes something in the first place that can be used.
    pub fn in_first_usable<T>(&self, make: impl Fn(Directory) -> Result<T>) -> Result<T> {
        let mut reasons = Vec::new();
        for path in self.candidates() {
            match Directory::make(path).and_then(&make) {
                Ok(made) => return Ok(made),
                Err(error) if self.chosen || !is_about_the_place(&error) => return Err(error),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        Err(nowhere(&reasons))
    }

    /// All of them, also those that do not count now but may later.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Those that count now, in the order in which they are tried.
    pub fn candidates(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(PathBuf::as_path).filter(|path| match &self.run {
            Some(run) if path.parent() == Some(run.as_path()) => check(run, own_uid()).is_ok(),
            _ => true,
        })
    }

    /// The places where a server of that name may be, and why the others were not searched.
    pub(super) fn doors(&self, name: &str) -> Result<(Vec<Door>, Vec<String>)> {
        check_server_name(name)?;
        let (mut doors, mut reasons) = (Vec::new(), Vec::new());
        let mut candidates = 0;
        for path in self.candidates() {
            candidates += 1;
            let door = match Directory::existing(path) {
                Ok(Some(directory)) => directory.door(name),
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            match door {
                Ok(door) => doors.push(door),
                Err(error) if self.chosen => return Err(error),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        // Of those that are missing one could be made.
        if doors.is_empty() && reasons.len() == candidates {
            return Err(nowhere(&reasons));
        }
        Ok((doors, reasons))
    }

    /// Watches for a server of that name: each place, or what one that is missing would be in.
    /// Returns the files to watch for, and whether a server can come in no other way than by one of
    /// them: each place is watched, and none has a socket. At one that is there already its server
    /// may begin to listen, which nothing reports. It is looked for behind the watch, so that none
    /// comes between the two.
    pub(super) fn watch(&self, name: &str, arrivals: &Arrivals) -> (Vec<OsString>, bool) {
        let socket = OsString::from(format!("{name}.sock"));
        let mut awaited = vec![socket.clone()];
        let mut comes_seen = true;
        for path in &self.paths {
            comes_seen &= watch_up_to(path, arrivals, &mut awaited);
            comes_seen &= fs::symlink_metadata(path.join(&socket)).is_err();
        }
        (awaited, comes_seen)
    }

    /// Those that are there and can be used.
    pub fn usable(&self) -> impl Iterator<Item = Directory> {
        self.candidates().filter_map(|path| Directory::existing(path).ok().flatten())
    }

    /// The same; one that was chosen is an error if it cannot be used.
    pub fn searched(&self) -> Result<Vec<Directory>> {
        match self.paths.as_slice() {
            [path] if self.chosen => Ok(Directory::existing(path)?.into_iter().collect()),
            _ => Ok(self.usable().collect()),
        }
    }

    /// Their names, for people.
    pub fn shown(&self) -> String {
        let shown: Vec<_> = self.candidates().map(|path| path.display().to_string()).collect();
        shown.join(" or ")
    }
}

/// A place that failed is one thing, a name or a want of descriptors another.
fn is_about_the_place(error: &Error) -> bool {
    let is_about_the_name = matches!(error.code(), Code::NameInUse | Code::InvalidName);
    !is_about_the_name && !matches!(error.code(), Code::NoDescriptors | Code::InvalidArgument)
}

#[cold]
fn nowhere(reasons: &[String]) -> Error {
    let reasons = reasons.join("; ");
    let message =
        format!("there is no place to meet in: {reasons}; another one is chosen with {CHOOSING}");
    Error::new(Code::UnsafeDirectory, message)
}

/// Watches a directory, or the nearest one above it that is there. Adds the names to watch for, and
/// returns whether the directory cannot come unseen.
fn watch_up_to(path: &Path, arrivals: &Arrivals, awaited: &mut Vec<OsString>) -> bool {
    let above: Vec<_> = path.ancestors().collect();
    let Some(nearest) = above.iter().position(|place| arrivals.watch(place)) else { return false };
    let missing = &above[..nearest];
    awaited.extend(missing.iter().filter_map(|place| place.file_name()).map(OsStr::to_owned));
    // Down again: each may have come between the two attempts.
    missing.iter().rev().all(|place| !place.exists() || arrivals.watch(place))
}

/// A server's socket, as a client searches for it.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub directory: Directory,
    pub address: Address,
}

impl Door {
    /// Its path, for people.
    pub fn shown(&self, name: &str) -> String {
        self.directory.socket_path(name).display().to_string()
    }
}

/// A directory that was checked: owned by this user and closed to all others. Its path is absolute.
#[derive(Clone, Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// The directory at `path`, made if it is missing.
    pub fn make(path: &Path) -> Result<Self> {
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let cause = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                let doing = format!("creating the directory {} to meet in", path.display());
                let error = Error::system(doing, cause);
                // What is not permitted, or has no room, is that. Anything else is about the place.
                return Err(match error.code() {
                    Code::System => Error::new(Code::UnsafeDirectory, remedied(&error.to_string())),
                    _ => error,
                });
            }
        }
        check(path, own_uid())?;
        Ok(Self(path.to_owned()))
    }

    /// The directory at `path`, if there is one.
    pub fn existing(path: &Path) -> Result<Option<Self>> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            _ => check(path, own_uid()).map(|()| Some(Self(path.to_owned()))),
        }
    }

    /// The same, made anew if it has gone.
    pub fn remake(&self) -> Result<()> {
        Self::make(&self.0).map(drop)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn lock_path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.lock"))
    }

    pub fn socket_path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.sock"))
    }

    pub fn status_path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.status"))
    }

    fn door(self, name: &str) -> Result<Door> {
        let address = self.address(name)?;
        Ok(Door { directory: self, address })
    }

    /// The address of a server's socket.
    pub(super) fn address(&self, name: &str) -> Result<Address> {
        let path = self.socket_path(name);
        Address::new(&path).map_err(|_| {
            let (len, path) = (path.as_os_str().len(), path.display());
            let message = format!(
                "{path} has {len} bytes, and the address of a socket at most 107: choose a shorter \
                 name, or a shorter directory with {CHOOSING}"
            );
            Error::new(Code::InvalidName, message)
        })
    }
}

/// Checked, not trusted: a real directory, ours, closed to all others. If it is ours, and only its
/// owner lacks something, a umask has taken that, and it is given back.
fn check(path: &Path, uid: u32) -> Result<()> {
    let shown = path.display();
    let unsafe_place = |message: String| Error::new(Code::UnsafeDirectory, remedied(&message));
    let look = || {
        fs::symlink_metadata(path).map_err(|error| match Errno::from_io_error(&error) {
            Some(cause) => Error::system(format_args!("reading {shown}"), cause),
            None => unsafe_place(format!("reading {shown}: {error}")),
        })
    };
    let mut meta = look()?;
    if !meta.is_dir() {
        let what = if meta.is_symlink() { "a link" } else { "a file" };
        return Err(unsafe_place(format!("{shown} is {what}, not a directory")));
    }
    if meta.uid() != uid {
        let message = format!("{shown} belongs to user {}, not to user {uid}", meta.uid());
        return Err(Error::new(Code::ForeignUser, remedied(&message)));
    }
    if meta.mode() & 0o077 == 0 && meta.mode() & 0o700 != 0o700 {
        // A failure is no error here: the check that follows decides.
        let _ = rustix::fs::chmod(path, Mode::RWXU);
        meta = look()?;
    }
    let mode = meta.mode() & 0o777;
    if mode != 0o700 {
        let reason = if mode & 0o077 == 0 { "closed to its owner" } else { "open to others" };
        let message = format!(
            "{shown} is {reason}, its mode is {mode:03o}: make it private with \
             `chmod 700 {shown}`, or choose another place with {CHOOSING}"
        );
        return Err(Error::new(Code::UnsafeDirectory, message));
    }
    Ok(())
}

fn remedied(message: &str) -> String {
    format!("{message}: remove what is there, or choose another place with {CHOOSING}")
}

#[cfg(all(test, not(loom)))]
pub(super) mod tests;
