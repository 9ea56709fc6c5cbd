//! Ending a wait from another thread.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;

use crate::error::{Error, Result};
use crate::sys;

/// A descriptor of this process that becomes readable when [`Self::set`] is called, and stays so.
/// [`Engine::sleep`](crate::Engine::sleep) returns for it.
///
/// ```
/// use std::time::Duration;
///
/// let (engine, stop) = (ipc_core::Engine::new()?, ipc_core::StopSignal::new()?);
/// stop.set();
/// assert!(engine.sleep(Some(&stop), Duration::MAX)?);
/// # Ok::<(), ipc_core::Error>(())
/// ```
#[derive(Debug)]
pub struct StopSignal {
    reading: OwnedFd,
    /// Of a pipe, where there are no event counters.
    writing: Option<OwnedFd>,
}

impl StopSignal {
    /// One that is not set.
    pub fn new() -> Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        match sys::fault().and_then(|()| rustix::event::eventfd(0, flags)) {
            Ok(reading) => Ok(Self { reading, writing: None }),
            // Sandboxes refuse event counters with one of these.
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

    /// Makes it readable for good. A counter or pipe that is full is readable already.
    pub fn set(&self) {
        let writing = self.writing.as_ref().unwrap_or(&self.reading);
        let _ = rustix::io::write(writing, &1u64.to_ne_bytes());
    }
}

/// Blocks until `fd` can be read, `stop` is set or `span` is over. Returns whether `stop` is set.
pub(in crate::engine) fn wait(
    fd: BorrowedFd<'_>,
    stop: Option<&StopSignal>,
    span: Duration,
) -> Result<bool> {
    // Without a signal the one descriptor is waited for twice, which costs nothing.
    let other = stop.map_or(fd, AsFd::as_fd);
    let mut fds = [fd, other].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    // A span that no clock can hold has no end.
    let span = Timespec::try_from(span).ok();
    match rustix::event::poll(&mut fds, span.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(cause) => return Err(Error::system("waiting", cause)),
    }
    Ok(stop.is_some() && fds[1].revents().contains(PollFlags::IN))
}

impl AsFd for StopSignal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reading.as_fd()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn either_kind_is_readable_once_it_was_set() {
        for stop in [StopSignal::new().unwrap(), StopSignal::of_pipe().unwrap()] {
            let is_set = || {
                let now = Timespec { tv_sec: 0, tv_nsec: 0 };
                rustix::event::poll(&mut [PollFd::new(&stop, PollFlags::IN)], Some(&now)) == Ok(1)
            };
            assert!(!is_set());
            for _ in 0..10_000 {
                stop.set();
            }
            assert!(is_set());
        }
    }
}
