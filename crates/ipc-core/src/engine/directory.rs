//! The private directory in which a machine's processes of one user meet, and the claim of a server
//! to its name there.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::error::{Code, Error, Result};
use crate::limits::check_server_name;
use crate::sys;

/// The environment variable that names another directory to meet in.
pub const DIRECTORY_VARIABLE: &str = "RINGPOST_DIR";

/// Connections the kernel holds for a listener that is busy.
const BACKLOG: i32 = 4096;

/// A directory that was checked: owned by this user and closed to all others.
#[derive(Clone, Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    /// `explicit` if there is one, else the environment's, else the user's run-time directory, else
    /// one under the temporary directory. Peers must meet, and `XDG_RUNTIME_DIR` differs between
    /// sandboxes, sessions and services of one user; so the well-known place comes first.
    pub fn find(explicit: Option<&Path>) -> Result<Self> {
        let uid = rustix::process::geteuid().as_raw();
        let path = match explicit {
            Some(path) => path.to_owned(),
            None => match std::env::var_os(DIRECTORY_VARIABLE) {
                Some(path) => path.into(),
                None => {
                    let run = PathBuf::from(format!("/run/user/{uid}"));
                    if check(&run, uid).is_ok() {
                        run.join("ringpost")
                    } else {
                        std::env::temp_dir().join(format!("ringpost-{uid}"))
                    }
                }
            },
        };
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let message = format!("creating {}: {error}", path.display());
                return Err(Error::new(Code::UnsafeDirectory, message));
            }
        }
        check(&path, uid)?;
        Ok(Self(path))
    }

    fn socket_path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.sock"))
    }

    /// The address of a server's socket.
    pub fn address(&self, name: &str) -> Result<SocketAddrUnix> {
        check_server_name(name)?;
        let path = self.socket_path(name);
        SocketAddrUnix::new(&path).map_err(|_| {
            let message = format!("{} is too long for a socket address", path.display());
            Error::new(Code::InvalidName, message)
        })
    }

    /// Claims `name`, clears away what a dead server left, and listens.
    pub fn listen(&self, name: &str) -> Result<(Claim, OwnedFd)> {
        let address = self.address(name)?;
        let claim = self.claim(name)?;
        let _ = fs::remove_file(&claim.socket_path);
        let failed = |cause| Error::system(format_args!("listening as \"{name}\""), cause);
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = sys::fault()
            .and_then(|()| {
                rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            })
            .map_err(failed)?;
        // The mode goes with the socket into its name, so there is no moment with a wider one.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        sys::fault().and_then(|()| rustix::net::bind(&socket, &address)).map_err(failed)?;
        sys::fault().and_then(|()| rustix::net::listen(&socket, BACKLOG)).map_err(failed)?;
        Ok((claim, socket))
    }

    /// Locks `name`. The kernel drops the lock with its process, so a name that cannot be locked is
    /// held by someone alive, and a name that can be is free whatever lies about.
    fn claim(&self, name: &str) -> Result<Claim> {
        let lock_path = self.0.join(format!("{name}.lock"));
        let failed = |cause| Error::system(format_args!("locking the name \"{name}\""), cause);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let lock: File = sys::fault()
                .and_then(|()| rustix::fs::open(&lock_path, flags, Mode::RUSR | Mode::WUSR))
                .map_err(failed)?
                .into();
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    let message = format!("a living server holds the name \"{name}\"");
                    return Err(Error::new(Code::NameInUse, message));
                }
                Err(cause) => return Err(failed(cause)),
            }
            // Whoever held it before may have removed the file between our open and our lock; then
            // the lock is on a file nobody else will find.
            let ours = rustix::fs::fstat(&lock).map_err(failed)?;
            if fs::metadata(&lock_path).is_ok_and(|found| found.ino() == ours.st_ino) {
                let socket_path = self.socket_path(name);
                return Ok(Claim {
                    _lock: lock,
                    lock_path,
                    socket_path,
                    creator: std::process::id(),
                });
            }
        }
    }
}

/// A name held by this process.
pub(super) struct Claim {
    _lock: File,
    lock_path: PathBuf,
    socket_path: PathBuf,
    /// A forked child inherits this value, but the name is not its to give up.
    creator: u32,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.creator == std::process::id() {
            let _ = fs::remove_file(&self.socket_path);
            let _ = fs::remove_file(&self.lock_path);
        }
    }
}

/// Checked, not trusted: a real directory, ours, closed to everybody else.
fn check(path: &Path, uid: u32) -> Result<()> {
    let shown = path.display();
    let meta = fs::symlink_metadata(path).map_err(|error| {
        Error::new(Code::UnsafeDirectory, format!("looking at {shown}: {error}"))
    })?;
    if !meta.is_dir() {
        return Err(Error::new(Code::UnsafeDirectory, format!("{shown} is not a directory")));
    }
    if meta.uid() != uid {
        let message = format!("{shown} belongs to user {}, not to user {uid}", meta.uid());
        return Err(Error::new(Code::ForeignUser, message));
    }
    if meta.mode() & 0o077 != 0 {
        let message = format!("{shown} is open to others: mode {:o}", meta.mode() & 0o777);
        return Err(Error::new(Code::UnsafeDirectory, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A path where nothing is, neither now nor afterwards.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(test: &str) -> Self {
            let name = format!("ringpost-test-{test}-{}", std::process::id());
            Self(std::env::temp_dir().join(name))
        }
    }

    impl std::ops::Deref for Scratch {
        type Target = Path;

        fn deref(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_directory_is_made_private() {
        let scratch = Scratch::new("private");
        let path: &Path = &scratch;
        Directory::find(Some(path)).unwrap();
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_link_a_file_and_an_open_directory_are_refused() {
        let scratch = Scratch::new("open");
        let path: &Path = &scratch;
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        let refused = |path: &Path| Directory::find(Some(path)).unwrap_err().code();
        assert_eq!(refused(path), Code::UnsafeDirectory);
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        let other = Scratch::new("link");
        let link: &Path = &other;
        symlink(path, link).unwrap();
        assert_eq!(refused(link), Code::UnsafeDirectory);
        fs::write(path.join("file"), "").unwrap();
        assert_eq!(refused(&path.join("file")), Code::UnsafeDirectory);
    }

    #[test]
    fn a_name_is_held_once_and_free_again_afterwards() {
        let path = Scratch::new("claim");
        let directory = Directory::find(Some(&path)).unwrap();
        let (claim, _socket) = directory.listen("demo").unwrap();
        assert_eq!(directory.listen("demo").err().unwrap().code(), Code::NameInUse);
        let mode = fs::symlink_metadata(&claim.socket_path).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600);
        drop(claim);
        directory.listen("demo").unwrap();
    }

    #[test]
    fn what_a_dead_server_left_is_cleared_away() {
        let path = Scratch::new("stale");
        let directory = Directory::find(Some(&path)).unwrap();
        fs::write(directory.socket_path("demo"), "").unwrap();
        fs::write(directory.0.join("demo.lock"), "").unwrap();
        directory.listen("demo").unwrap();
    }

    #[test]
    fn a_planted_lock_that_is_a_link_is_not_followed() {
        let path = Scratch::new("planted");
        let directory = Directory::find(Some(&path)).unwrap();
        let target = directory.0.join("target");
        symlink(&target, directory.0.join("demo.lock")).unwrap();
        assert!(directory.listen("demo").is_err());
        assert!(!target.exists());
    }
}
