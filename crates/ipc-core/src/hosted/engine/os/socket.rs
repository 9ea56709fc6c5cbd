//! Sockets of the host, as the engine has them: one that listens, or one of a connection.

use std::cell::RefCell;

use super::credentials::{self, Credentials};
use super::sockets;
use crate::hosted::imports::{Number, Sending};
use crate::sys::{BorrowedFd, Errno, OwnedFd};

/// Where a server listens, as the host says it.
pub(in crate::engine) type Address = String;

/// A socket of the host's that listens.
pub(in crate::engine) type Handed<'a> = Number;

/// What the host knows by a number.
pub(in crate::engine) trait Numbered {
    /// `None`: the host does not know it yet.
    fn number(&self) -> Option<Number>;
}

/// A socket that is closed with this.
pub(in crate::engine) struct OwnedSocket(Number);

impl OwnedSocket {
    /// A socket of the host's that listens.
    pub fn listening(number: Number) -> Self {
        sockets::adopt(number);
        Self(number)
    }

    /// Sends bytes, all of them or none.
    pub fn send(&self, bytes: &[u8]) -> Sending {
        sockets::send(self.0, bytes)
    }

    /// Moves what has come into an empty buffer. Returns whether that was, and is, the end.
    pub fn receive(&self, buffer: &mut Vec<u8>) -> bool {
        let read = sockets::with(self.0, |socket| {
            socket.read_all(buffer);
            socket.has_ended
        });
        buffer.is_empty() && read.unwrap_or(true)
    }

    /// Nothing more will come of it.
    pub fn end(&self) {
        sockets::with(self.0, |socket| socket.has_ended = true);
    }
}

impl Numbered for OwnedSocket {
    fn number(&self) -> Option<Number> {
        Some(self.0)
    }
}

impl Drop for OwnedSocket {
    fn drop(&mut self) {
        sockets::close(self.0);
    }
}

/// The next client that waits at a listening socket.
pub(in crate::engine) fn accept(socket: &OwnedSocket) -> Result<HandshakeSocket, Errno> {
    let next = sockets::with(socket.0, |socket| socket.clients.pop_front());
    let number = next.flatten().ok_or(Errno::AGAIN)?;
    Ok(HandshakeSocket(RefCell::new(Some(OwnedSocket(number)))))
}

/// None is needed to refuse a client with.
pub(in crate::engine) fn spare_descriptor() -> Option<OwnedFd> {
    None
}

/// The socket of a connection in the making. There is none before it is to be connected, and none
/// behind an attempt that has failed.
pub(in crate::engine) struct HandshakeSocket(RefCell<Option<OwnedSocket>>);

/// What became of an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Attempt {
    Connected,
    /// It is not known yet, or a server listens, and its queue is full.
    QueueFull,
    /// No server listens there.
    NoServer,
    /// This user may not connect there.
    Barred,
}

/// What there was to read.
#[derive(Debug)]
pub(in crate::engine) enum Received {
    /// So many bytes; no descriptors come beside them.
    Bytes(usize, Vec<OwnedFd>),
    /// Nothing yet.
    Nothing,
    /// The end: the peer has gone.
    End,
    /// More descriptors than belong there.
    Excess,
}

impl HandshakeSocket {
    #[expect(clippy::unnecessary_wraps, reason = "where it has to be opened, it can fail")]
    pub fn new() -> Result<Self, Errno> {
        Ok(Self(RefCell::new(None)))
    }

    /// Begins to connect, or says what has come of that: to be asked again with the same address
    /// until that is known.
    pub fn connect(&self, address: &Address) -> Result<Attempt, Errno> {
        let mut begun = self.0.borrow_mut();
        let number = begun.get_or_insert_with(|| OwnedSocket(sockets::connect(address))).0;
        let attempt = sockets::with(number, |socket| socket.attempt).flatten();
        match attempt {
            None | Some(Ok(Attempt::Connected)) => {}
            Some(_) => *begun = None,
        }
        attempt.unwrap_or(Ok(Attempt::QueueFull))
    }

    /// The process at the other end, as far as it is known.
    pub fn peer(&self) -> Result<Credentials, Errno> {
        Ok(credentials::of_peer())
    }

    /// It was not asked.
    pub fn forget_senders(&self) -> Result<(), Errno> {
        Ok(())
    }

    /// The process that has sent what is to be read next, as far as it is known; `None` at its end.
    pub fn sender(&self) -> Result<Option<Credentials>, Errno> {
        let state = self.with(|socket| (socket.has_unread(), socket.has_ended));
        match state {
            Some((true, _)) => Ok(Some(credentials::of_peer())),
            Some((false, false)) => Err(Errno::AGAIN),
            Some((false, true)) | None => Ok(None),
        }
    }

    /// Receives nothing from now on.
    pub fn stop_receiving(&self) {
        self.with(|socket| socket.has_ended = true);
    }

    /// Sends a frame, the first or second thing that is sent there, so that the host takes it.
    /// Returns whether the peer was still there.
    pub fn send(&self, parts: [&[u8]; 2], _: &[BorrowedFd<'_>]) -> Result<bool, Errno> {
        let Some(number) = self.number() else { return Ok(false) };
        let frame = parts.concat();
        Ok(matches!(sockets::send(number, &frame), Sending::Taken(_)))
    }

    /// Reads what has come.
    pub fn receive(&self, bytes: &mut [u8], _: usize) -> Result<Received, Errno> {
        let read = self.with(|socket| (socket.read(bytes), socket.has_ended));
        Ok(match read {
            Some((0, false)) => Received::Nothing,
            Some((0, true)) | None => Received::End,
            Some((len, _)) => Received::Bytes(len, Vec::new()),
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut sockets::Socket) -> T) -> Option<T> {
        sockets::with(self.number()?, work)
    }
}

impl Numbered for HandshakeSocket {
    fn number(&self) -> Option<Number> {
        self.0.borrow().as_ref().map(|socket| socket.0)
    }
}

impl From<HandshakeSocket> for OwnedSocket {
    /// The socket goes on as that of the connection.
    fn from(socket: HandshakeSocket) -> Self {
        socket.0.into_inner().expect("what is agreed on has crossed a socket")
    }
}
