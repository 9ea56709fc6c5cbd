//! The doorbells of a real connection: how a sleeping process is woken.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

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
        peer: Arc<OwnedFd>,
    },
    /// One byte on the control socket, where no descriptor can be passed.
    Socket,
}

impl Bell {
    /// Wakes the peer. A bell that is full already has the peer on its way.
    #[cold]
    pub fn ring(&self, socket: &OwnedFd) {
        match self {
            Self::Counters { peer, .. } => ring_counter(peer),
            Self::Socket => ring_socket(socket),
        }
    }

    /// A handle that does the same from any thread, when it is owed. It does not keep the connection
    /// open: whoever is at the other end has to see its end of file all the same.
    pub fn waker(&self, socket: &Arc<OwnedFd>) -> Waker {
        let knob = match self {
            Self::Counters { peer, .. } => Knob::Counter(Arc::downgrade(peer)),
            Self::Socket => Knob::Socket(Arc::downgrade(socket)),
        };
        Waker { owed: Arc::default(), knob }
    }

    /// What the sleeper's epoll watches, besides the socket.
    pub fn watched(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Counters { own, .. } => Some(own.as_fd()),
            Self::Socket => None,
        }
    }
}

/// Wakes the peer of a real-time link, from any thread.
#[derive(Clone, Debug)]
pub struct Waker {
    /// The peer sleeps and waits for a ring.
    owed: Arc<AtomicBool>,
    knob: Knob,
}

#[derive(Clone, Debug)]
enum Knob {
    Counter(Weak<OwnedFd>),
    Socket(Weak<OwnedFd>),
}

impl Waker {
    /// Wakes the peer if it sleeps although there is something for it: a system call that does not
    /// block. Otherwise this is one look at a word of memory, so it may be called as often as one
    /// likes.
    pub fn wake(&self) {
        if !self.owed.swap(false, Ordering::Acquire) {
            return;
        }
        match &self.knob {
            Knob::Counter(counter) => drop(counter.upgrade().map(|fd| ring_counter(&fd))),
            Knob::Socket(socket) => drop(socket.upgrade().map(|fd| ring_socket(&fd))),
        }
    }

    /// Whether the peer sleeps and there is something for it.
    pub fn is_needed(&self) -> bool {
        self.owed.load(Ordering::Relaxed)
    }

    /// The peer has to be woken. Release: what it is woken for was published before, and whoever
    /// takes this up rings after that.
    pub(super) fn owe(&self) {
        self.owed.store(true, Ordering::Release);
    }
}

// An error means that the peer is on its way (EAGAIN) or gone (EPIPE); its end of file tells of the
// latter.

fn ring_counter(peer: &OwnedFd) {
    let _ = rustix::io::write(peer, &1u64.to_ne_bytes());
}

fn ring_socket(socket: &OwnedFd) {
    let _ = rustix::net::send(socket, &[1], SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
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
