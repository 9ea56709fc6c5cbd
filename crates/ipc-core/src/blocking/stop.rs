//! What ends a wait from another thread.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::EventfdFlags;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use crate::error::{Error, Result};
use crate::sys;

/// A descriptor that is readable once it was said to stop, and from then on. It is this process's own.
#[derive(Debug)]
pub(super) struct Stop {
    reading: OwnedFd,
    /// Of a pipe, where there are no event counters.
    writing: Option<OwnedFd>,
}

impl Stop {
    pub fn new() -> Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        match sys::fault().and_then(|()| rustix::event::eventfd(0, flags)) {
            Ok(reading) => Ok(Self { reading, writing: None }),
            // Sandboxes refuse them, and say so in one of these ways.
            Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS) => Self::of_pipe(),
            Err(cause) => Err(Error::system("creating an event counter (eventfd)", cause)),
        }
    }

    fn of_pipe() -> Result<Self> {
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
        let (reading, writing) = sys::fault()
            .and_then(|()| rustix::pipe::pipe_with(flags))
            .map_err(|cause| Error::system("creating a pipe (pipe2)", cause))?;
        Ok(Self { reading, writing: Some(writing) })
    }

    /// From now on. What is full says so already.
    pub fn set(&self) {
        let writing = self.writing.as_ref().unwrap_or(&self.reading);
        let _ = rustix::io::write(writing, &1u64.to_ne_bytes());
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reading.as_fd()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec};

    #[test]
    fn either_kind_is_readable_once_it_was_set() {
        for stop in [Stop::new().unwrap(), Stop::of_pipe().unwrap()] {
            let is_set = || {
                let now = Timespec { tv_sec: 0, tv_nsec: 0 };
                rustix::event::poll(&mut [PollFd::new(&stop, PollFlags::IN)], Some(&now)) == Ok(1)
            };
            assert!(!is_set());
            // As often as one likes.
            for _ in 0..10_000 {
                stop.set();
            }
            assert!(is_set());
        }
    }
}
