//! The doorbells of a real connection: how a sleeping process is woken.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::EventfdFlags;
use rustix::net::SendFlags;

use crate::error::{Code, Error, Result};
use crate::sys;

/// How one end wakes the other, and how it is woken itself.
pub(super) enum Bell {
    /// An event counter per direction. Each write is a fresh edge for the sleeper's epoll, so the
    /// counters are never read.
    Counters {
        /// Wakes this side.
        own: OwnedFd,
        /// Wakes the peer.
        peer: OwnedFd,
    },
    /// One byte on the control socket, where no descriptor can be passed.
    Socket,
}

impl Bell {
    /// Wakes the peer. A bell that is full already has the peer on its way.
    #[cold]
    pub fn ring(&self, socket: &OwnedFd) {
        // An error means that the peer is on its way (EAGAIN) or gone (EPIPE); its end of file
        // tells of the latter.
        match self {
            Self::Counters { peer, .. } => drop(rustix::io::write(peer, &1u64.to_ne_bytes())),
            Self::Socket => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                let _ = rustix::net::send(socket, &[1], flags);
            }
        }
    }

    /// What the sleeper's epoll watches, besides the socket.
    pub fn watched(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Counters { own, .. } => Some(own.as_fd()),
            Self::Socket => None,
        }
    }
}

/// A fresh event counter.
pub(super) fn counter() -> Result<OwnedFd> {
    sys::fault()
        .and_then(|()| rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK))
        .map_err(|cause| Error::system("creating an event counter", cause))
}

/// Checks that a descriptor a peer sent is an event counter that cannot block whoever rings it.
pub(super) fn check_counter(fd: &OwnedFd) -> Result<()> {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let target = std::fs::read_link(link).unwrap_or_default();
    if target.as_os_str() != "anon_inode:[eventfd]" {
        return Err(Error::new(Code::Handshake, "a descriptor received is not an event counter"));
    }
    let flags = rustix::fs::fcntl_getfl(fd)
        .map_err(|cause| Error::system("looking at an event counter", cause))?;
    if !flags.contains(rustix::fs::OFlags::NONBLOCK) {
        return Err(Error::new(Code::Handshake, "an event counter received would block"));
    }
    Ok(())
}
