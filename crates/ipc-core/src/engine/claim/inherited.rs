//! A socket that another process listens at and has handed to this one: a supervisor like systemd,
//! which goes on listening while the server is started anew, so that clients wait instead of being
//! refused. It is used as it is, and never made, replaced or removed.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::Access;
use rustix::io::{Errno, FdFlags};

use super::{Claim, Listening, listening_at};
use crate::engine::directory::{CHOOSING, Directory};
use crate::engine::os::file_id::FileId;
use crate::engine::os::socket;
use crate::error::{Code, Error, Result};
use crate::sys;

impl Claim {
    /// Claims `name` and listens at a socket that was handed to this process, if that is where
    /// clients look for the name. The descriptor stays the caller's and is closed on exec.
    pub fn inherit(
        directory: Directory,
        name: &str,
        handed: BorrowedFd<'_>,
    ) -> Result<(Self, Listening)> {
        let path = directory.socket_path(name);
        let failed = |cause| Error::system(listening_at(&path), cause);
        let socket = duplicate(handed).map_err(|cause| match cause {
            Errno::BADF => wrong("it is not open", &path),
            cause => failed(cause),
        })?;
        let Some(listens_at) = socket::listens_at(&socket).map_err(failed)? else {
            return Err(wrong("it is no Unix stream socket that listens", &path));
        };
        let bound = FileId::at(&path);
        if bound.is_none() || FileId::at(&listens_at) != bound {
            let message = format!("it listens at {}", listens_at.display());
            return Err(wrong(&message, &path));
        }
        if rustix::fs::access(&path, Access::WRITE_OK).is_err() {
            return Err(wrong("its file is closed to this user, which SocketUser= opens", &path));
        }
        let mut this = Self::hold(directory, name)?;
        (this.bound, this.inherited) = (bound, true);
        // Again, because it is what makes clients see this process at the other end.
        socket::listen(&socket).map_err(failed)?;
        Ok((this, socket))
    }

    /// Whether the socket was handed to this process.
    pub fn is_inherited(&self) -> bool {
        self.inherited
    }
}

/// Another descriptor of the same socket. Children get neither.
fn duplicate(handed: BorrowedFd<'_>) -> rustix::io::Result<Listening> {
    sys::fault()?;
    rustix::io::fcntl_setfd(handed, FdFlags::CLOEXEC)?;
    rustix::io::fcntl_dupfd_cloexec(handed.as_fd(), 0)
}

#[cold]
fn wrong(what: &str, path: &Path) -> Error {
    let path = path.display();
    let message = format!(
        "the socket to listen at does not serve: {what}; clients look for it at {path}, so let its \
         unit say ListenStream={path}, or choose another place with {CHOOSING}"
    );
    Error::new(Code::InvalidArgument, message)
}

#[cold]
pub(super) fn gone(path: &Path) -> Error {
    let message = format!(
        "{} is gone, which another process has made and this one cannot: restart its socket unit",
        path.display()
    );
    Error::new(Code::NoServer, message)
}
