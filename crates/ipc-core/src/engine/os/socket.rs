//! The Unix sockets that servers listen at and that handshakes travel over. None ever blocks, and
//! no child process inherits one.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use super::credentials::{self, Credentials};
use crate::sys;

/// Where a server listens: a path.
pub(in crate::engine) use rustix::net::SocketAddrUnix as Address;

/// Connections the kernel holds for a listener that is busy.
const BACKLOG: i32 = 4096;
/// Descriptors that go with a frame, at most.
const DESCRIPTORS: usize = 1;

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// A socket that is neither bound nor connected.
pub(in crate::engine) fn stream() -> rustix::io::Result<OwnedFd> {
    sys::fault()?;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)
}

/// Makes the file of an address, if there is none.
pub(in crate::engine) fn bind(socket: &OwnedFd, address: &Address) -> rustix::io::Result<()> {
    sys::fault()?;
    rustix::net::bind(socket, address)
}

/// Lets clients connect at the address of a bound socket.
pub(in crate::engine) fn listen(socket: &OwnedFd) -> rustix::io::Result<()> {
    sys::fault()?;
    rustix::net::listen(socket, BACKLOG)
}

/// The next client that waits at a listening socket.
pub(in crate::engine) fn accept(socket: &OwnedFd) -> rustix::io::Result<HandshakeSocket> {
    sys::fault()?;
    rustix::net::accept_with(socket, FLAGS).map(HandshakeSocket)
}

/// A descriptor to be closed where there is none for a client.
pub(in crate::engine) fn spare_descriptor() -> Option<OwnedFd> {
    sys::fault().ok()?;
    rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// The socket of a connection in the making.
pub(in crate::engine) struct HandshakeSocket(OwnedFd);

/// What became of an attempt to connect.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) enum Attempt {
    Connected,
    /// A server listens, and its queue is full.
    QueueFull,
    /// No server listens there.
    NoServer,
    /// This user may not connect there.
    Barred,
}

/// What there was to read.
#[derive(Debug)]
pub(in crate::engine) enum Received {
    /// So many bytes, and the descriptor that came beside them.
    Bytes(usize, Option<OwnedFd>),
    /// Nothing yet.
    Nothing,
    /// The end: the peer has gone.
    End,
    /// More descriptors than belong there.
    Excess,
}

impl HandshakeSocket {
    /// The socket of a client, which is not connected yet.
    pub fn new() -> rustix::io::Result<Self> {
        stream().map(Self)
    }

    /// Tries to connect.
    pub fn connect(&self, address: &Address) -> rustix::io::Result<Attempt> {
        match sys::fault().and_then(|()| rustix::net::connect(&self.0, address)) {
            Ok(()) => Ok(Attempt::Connected),
            Err(Errno::AGAIN) => Ok(Attempt::QueueFull),
            Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(Attempt::NoServer),
            Err(Errno::ACCESS | Errno::PERM) => Ok(Attempt::Barred),
            Err(cause) => Err(cause),
        }
    }

    /// The process at the other end.
    pub fn peer(&self) -> rustix::io::Result<Credentials> {
        credentials::of_peer(self.0.as_fd())
    }

    /// Sends a frame, with a descriptor beside it. It is far smaller than any socket's buffer and
    /// the first or second thing in it, so anything but "all of it" means that the peer is gone,
    /// which is what false says.
    pub fn send(
        &self,
        parts: [&[u8]; 2],
        descriptor: Option<BorrowedFd<'_>>,
    ) -> rustix::io::Result<bool> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if let Some(descriptor) = &descriptor {
            ancillary.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(descriptor)));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sys::fault()?;
        match rustix::net::sendmsg(&self.0, &parts.map(IoSlice::new), &mut ancillary, flags) {
            Ok(sent) => Ok(sent == parts[0].len() + parts[1].len()),
            Err(Errno::PIPE | Errno::CONNRESET) => Ok(false),
            Err(cause) => Err(cause),
        }
    }

    /// Reads what has come. Where no descriptor belongs there is no room for any, and the kernel
    /// closes what comes.
    pub fn receive(
        &self,
        bytes: &mut [u8],
        takes_descriptor: bool,
    ) -> rustix::io::Result<Received> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = match takes_descriptor {
            true => RecvAncillaryBuffer::new(&mut space),
            false => RecvAncillaryBuffer::default(),
        };
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = loop {
            sys::fault()?;
            let into = &mut [IoSliceMut::new(bytes)];
            match rustix::net::recvmsg(&self.0, into, &mut ancillary, flags) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Received::Nothing),
                Err(Errno::CONNRESET) => return Ok(Received::End),
                received => break received?,
            }
        };
        // What is not kept here is closed when this returns.
        let mut came = ancillary.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let mut came = came.by_ref().flatten();
        let (first, second) = (came.next(), came.next());
        let is_cut = received.flags.contains(ReturnFlags::CTRUNC);
        if is_cut && takes_descriptor && first.is_none() {
            // There was room for one, but this process may have no more.
            return Err(Errno::MFILE);
        }
        if is_cut || second.is_some() {
            return Ok(Received::Excess);
        }
        if received.bytes == 0 {
            return Ok(Received::End);
        }
        Ok(Received::Bytes(received.bytes, first))
    }
}

impl AsFd for HandshakeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<HandshakeSocket> for OwnedFd {
    /// The socket goes on as the doorbell of the connection.
    fn from(socket: HandshakeSocket) -> Self {
        socket.0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn pair() -> (HandshakeSocket, HandshakeSocket) {
        let (here, there) = UnixStream::pair().unwrap();
        (HandshakeSocket(here.into()), HandshakeSocket(there.into()))
    }

    #[test]
    fn a_descriptor_is_taken_where_one_belongs_and_nowhere_else() {
        let (here, there) = pair();
        let mut bytes = [0; 8];
        assert!(matches!(there.receive(&mut bytes, true), Ok(Received::Nothing)));
        assert_eq!(here.send([b"one", b" two"], Some(here.as_fd())), Ok(true));
        let Ok(Received::Bytes(7, Some(_))) = there.receive(&mut bytes, true) else { panic!() };
        assert_eq!(bytes[..7], *b"one two");
        assert_eq!(here.send([b"one", b""], Some(here.as_fd())), Ok(true));
        assert!(matches!(there.receive(&mut bytes, false), Ok(Received::Excess)));
        assert_eq!(here.send([b"one", b""], None), Ok(true));
        assert!(matches!(there.receive(&mut bytes, true), Ok(Received::Bytes(3, None))));
    }

    #[test]
    fn a_peer_that_has_gone_is_no_failure_of_a_call() {
        let (here, there) = pair();
        drop(there);
        assert_eq!(here.send([b"one", b""], None), Ok(false));
        assert!(matches!(here.receive(&mut [0; 8], false), Ok(Received::End)));
    }

    #[test]
    fn an_address_without_a_server_is_no_failure_either() {
        let path = std::env::temp_dir().join(format!("ringpost-socket-{}", std::process::id()));
        let address = Address::new(&path).unwrap();
        let connect = || HandshakeSocket::new().unwrap().connect(&address);
        assert_eq!(connect(), Ok(Attempt::NoServer), "there is no file");
        let server = stream().unwrap();
        bind(&server, &address).unwrap();
        assert_eq!(connect(), Ok(Attempt::NoServer), "it does not listen");
        listen(&server).unwrap();
        let client = HandshakeSocket::new().unwrap();
        assert_eq!(client.connect(&address), Ok(Attempt::Connected));
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(accept(&server).unwrap().peer().unwrap().pid, pid);
        assert_eq!(accept(&server).err(), Some(Errno::AGAIN));
        std::fs::remove_file(path).unwrap();
    }
}
