//! The doorbells of a connection: how a sleeping process is woken.
//!
//! A bell is one byte on the control socket, in either direction. Each side has its own open file
//! description of the socket, so that no flag a peer can set makes a call here block, and a peer
//! whose receive buffer is full has bytes to wake up for. A descriptor both sides held, as an event
//! counter would be, could be made to block the other side by either.
//!
//! Where no memory is shared, the bell is rung by sending what the peer would be woken for: a
//! [`Stream`].

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendFlags};

use super::stream::Stream;
use crate::error::{Corrupt, Result};
use crate::sys::kill_point;

/// Bells taken at once. The kernel holds some hundreds; a peer that sends more in vain is not to
/// keep this side from the others.
const BELLS_MAX: usize = 512;

/// Wakes the peer. An error means that it has more than enough to wake up for (EAGAIN) or is gone
/// (EPIPE); its end of file reports the latter.
#[cold]
fn ring(socket: &OwnedFd) {
    let _ = rustix::net::send(socket, &[1], SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
}

/// What has arrived on the socket of an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Received {
    /// Something, or nothing.
    Some,
    /// The end: the peer closed, or its process is gone.
    End,
}

/// Takes the bells that have come, as many as may be taken at once; if there are more, the socket
/// is still readable. Descriptors that come along find no room: the kernel closes them, and sets a
/// flag.
fn receive(socket: &OwnedFd) -> Result<Received, Corrupt> {
    let mut bells = [0; BELLS_MAX];
    let received = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bells)],
        &mut RecvAncillaryBuffer::default(),
        RecvFlags::DONTWAIT,
    );
    match received {
        Ok(received) if received.flags.contains(ReturnFlags::CTRUNC) => Err(Corrupt::Descriptors),
        Ok(received) if received.bytes == 0 => Ok(Received::End),
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(Received::Some),
        Err(_) => Ok(Received::End),
    }
}

/// The doorbell of one connection, at this end.
pub(in crate::engine) struct Bell {
    socket: Arc<OwnedFd>,
    /// Set: rings are owed instead of rung, because ringing is a system call.
    waker: Option<Waker>,
    /// Set: nothing is shared, and the peer is sent what there is for it.
    stream: Option<Box<Stream>>,
    rings: u64,
}

impl Bell {
    pub fn new(socket: OwnedFd, stream: Option<Stream>) -> Self {
        let stream = stream.map(Box::new);
        Self { socket: Arc::new(socket), waker: None, stream, rings: 0 }
    }

    /// The control socket.
    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Wakes the peer, or leaves that to the waker.
    #[cold]
    pub fn ring(&mut self) {
        if let Some(stream) = &mut self.stream {
            self.rings += u64::from(stream.flush(&self.socket));
            return;
        }
        self.rings += 1;
        kill_point("before the bell");
        match &self.waker {
            None => ring(&self.socket),
            Some(waker) => waker.owe(),
        }
        kill_point("bell");
    }

    /// Takes what has come behind the handshake: bells are of no use to a link that is awake.
    pub fn begin(&mut self, bytes: &[u8]) -> Result<(), Corrupt> {
        self.stream.as_mut().map_or(Ok(()), |stream| stream.begin(bytes))
    }

    /// Takes the bells that have arrived, or what came in their place, by way of `buffer`.
    pub fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Received> {
        match &mut self.stream {
            None => Ok(receive(&self.socket)?),
            Some(stream) => stream.receive(&self.socket, buffer),
        }
    }

    /// Whether what is shared with the peer is sent to it.
    #[inline]
    pub fn is_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether something was rung for that could not be sent yet.
    pub fn has_unsent(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.waits())
    }

    /// From now on [`Self::ring`] makes no system call; the waker returned here does.
    pub fn defer(&mut self) -> Waker {
        self.waker.insert(Waker::of(&self.socket)).clone()
    }

    /// How often the peer was to be woken.
    pub fn rings(&self) -> u64 {
        self.rings
    }
}

/// Wakes the peer of a real-time link, from any thread.
#[derive(Clone, Debug)]
pub struct Waker {
    /// The peer sleeps and waits for a ring.
    owed: Arc<AtomicBool>,
    /// It does not keep the connection open: the peer has to see its end of file all the same.
    socket: Weak<OwnedFd>,
}

impl Waker {
    /// A handle that rings this connection's bell from any thread, when that is owed.
    fn of(socket: &Arc<OwnedFd>) -> Self {
        Self { owed: Arc::default(), socket: Arc::downgrade(socket) }
    }

    /// Wakes the peer if it sleeps although there is something for it: a system call that does not
    /// block. Otherwise this is one load, so it may be called at any rate.
    pub fn wake(&self) {
        if !self.owed.swap(false, Ordering::Acquire) {
            return;
        }
        if let Some(socket) = self.socket.upgrade() {
            ring(&socket);
        }
    }

    /// Whether the peer sleeps and there is something for it.
    pub fn is_needed(&self) -> bool {
        self.owed.load(Ordering::Relaxed)
    }

    /// The peer has to be woken. Release: what it is woken for was published before, and the thread
    /// that takes this up rings after that.
    fn owe(&self) {
        self.owed.store(true, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::soon;
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    #[test]
    fn ringing_does_not_block_even_where_the_socket_would() {
        // Both block, and nothing is read.
        let (here, there) = UnixStream::pair().unwrap();
        let here = OwnedFd::from(here);
        let (done, rung) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            (0..10_000).for_each(|_| ring(&here));
            done.send(here)
        });
        let here = rung.recv_timeout(Duration::from_secs(20)).expect("it blocks");
        assert_eq!(receive(&there.into()), Ok(Received::Some), "what is there wakes");
        drop(here);
    }

    #[test]
    fn bells_are_taken_in_portions_and_the_end_comes_behind_them() {
        let (mut here, there) = UnixStream::pair().unwrap();
        let there = OwnedFd::from(there);
        assert_eq!(receive(&there), Ok(Received::Some), "none are there");
        here.write_all(&[1; 2 * BELLS_MAX + 1]).unwrap();
        drop(here);
        for left in [BELLS_MAX as u64 + 1, 1, 0] {
            assert_eq!(receive(&there), Ok(Received::Some));
            assert_eq!(rustix::io::ioctl_fionread(&there), Ok(left));
        }
        assert!(soon(|| receive(&there) == Ok(Received::End)));
    }
}
