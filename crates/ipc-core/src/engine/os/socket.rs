//! The Unix sockets that servers listen at and that handshakes travel over. None ever blocks, and
//! no child process inherits one.

use std::ffi::OsString;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
    sockopt,
};

use super::credentials::{self, Credentials};
use crate::sys;

/// Where a server listens: a path.
pub(in crate::engine) use rustix::net::SocketAddrUnix as Address;

/// A socket that is closed with this.
pub(in crate::engine) type OwnedSocket = OwnedFd;

/// A socket that another process listens at and has handed to this one.
pub(in crate::engine) type Handed<'a> = BorrowedFd<'a>;

/// Connections the kernel holds for a listener that is busy.
const BACKLOG: i32 = 4096;
/// Descriptors that go with a frame, at most.
const DESCRIPTORS: usize = 2;

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

/// Whether a living process has the socket of an address, as far as can be told; it notices
/// nothing of that.
pub(in crate::engine) fn is_bound(address: &Address) -> bool {
    // What is there is of another type, and the kernel says so only of what is there.
    let attempt = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, FLAGS, None)
        .and_then(|probe| rustix::net::connect(&probe, address));
    !matches!(attempt, Err(Errno::NOENT | Errno::CONNREFUSED))
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

/// Where a descriptor of another process listens, if it is a socket that does, and never blocks
/// from now on.
pub(in crate::engine) fn listens_at(socket: &OwnedFd) -> rustix::io::Result<Option<PathBuf>> {
    let of_its_kind = sockopt::socket_domain(socket) == Ok(AddressFamily::UNIX)
        && sockopt::socket_type(socket) == Ok(SocketType::STREAM)
        && sockopt::socket_acceptconn(socket) == Ok(true);
    if !of_its_kind {
        return Ok(None);
    }
    rustix::io::ioctl_fionbio(socket, true)?;
    let address = Address::try_from(rustix::net::getsockname(socket)?)?;
    let path = address.path().map(|path| OsString::from_vec(path.to_bytes().to_vec()).into());
    Ok(path)
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
    /// So many bytes, and the descriptors that came beside them.
    Bytes(usize, Vec<OwnedFd>),
    /// Nothing yet.
    Nothing,
    /// The end: the peer has gone.
    End,
    /// More descriptors than belong there.
    Excess,
}

impl HandshakeSocket {
    /// The socket of a client, which is not connected yet. Of what it gets the kernel says who has
    /// sent it, from the first byte on: a server may refuse before anything else happens here.
    pub fn new() -> rustix::io::Result<Self> {
        let socket = stream()?;
        credentials::note_senders(socket.as_fd(), true)?;
        Ok(Self(socket))
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

    /// Who has sent what comes from now on does not matter.
    pub fn forget_senders(&self) -> rustix::io::Result<()> {
        credentials::note_senders(self.0.as_fd(), false)
    }

    /// The process that has sent what is to be read next; see [`credentials::of_sender`].
    pub fn sender(&self) -> rustix::io::Result<Option<Credentials>> {
        loop {
            match credentials::of_sender(self.0.as_fd()) {
                Err(Errno::INTR) => {}
                found => return found,
            }
        }
    }

    /// Receives nothing from now on: what the peer sends fails there. What has come can be read.
    pub fn stop_receiving(&self) {
        let _ = rustix::net::shutdown(&self.0, Shutdown::Read);
    }

    /// Sends a frame, with descriptors beside it. It is far smaller than any socket's buffer and
    /// the first or second thing in it, so anything but "all of it" means that the peer is gone,
    /// which is what false says.
    pub fn send(
        &self,
        parts: [&[u8]; 2],
        descriptors: &[BorrowedFd<'_>],
    ) -> rustix::io::Result<bool> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sys::fault()?;
        match rustix::net::sendmsg(&self.0, &parts.map(IoSlice::new), &mut ancillary, flags) {
            Ok(sent) => Ok(sent == parts[0].len() + parts[1].len()),
            Err(Errno::PIPE | Errno::CONNRESET) => Ok(false),
            Err(cause) => Err(cause),
        }
    }

    /// Reads what has come, with so many descriptors beside it at most. Where none belongs there is
    /// no room for any, and the kernel closes what comes.
    pub fn receive(&self, bytes: &mut [u8], taken_max: usize) -> rustix::io::Result<Received> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = match taken_max {
            0 => RecvAncillaryBuffer::default(),
            _ => RecvAncillaryBuffer::new(&mut space),
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
        let came = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let came: Vec<_> = came.flatten().collect();
        let is_cut = received.flags.contains(ReturnFlags::CTRUNC);
        if is_cut && came.len() < taken_max {
            // There was room for more, but this process may have no more.
            return Err(Errno::MFILE);
        }
        if is_cut || came.len() > taken_max {
            return Ok(Received::Excess);
        }
        if received.bytes == 0 {
            return Ok(Received::End);
        }
        Ok(Received::Bytes(received.bytes, came))
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
    use super::super::soon;
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
        assert!(matches!(there.receive(&mut bytes, 1), Ok(Received::Nothing)));
        assert_eq!(here.send([b"one", b" two"], &[here.as_fd()]), Ok(true));
        let Ok(Received::Bytes(7, came)) = there.receive(&mut bytes, 1) else { panic!() };
        assert_eq!((&bytes[..7], came.len()), (&b"one two"[..], 1));
        for (sent, taken_max) in [(1, 0), (2, 1), (2, 0)] {
            assert_eq!(here.send([b"one", b""], &vec![here.as_fd(); sent]), Ok(true));
            assert!(matches!(there.receive(&mut bytes, taken_max), Ok(Received::Excess)));
        }
        assert_eq!(here.send([b"one", b""], &[here.as_fd(); 2]), Ok(true));
        let Ok(Received::Bytes(3, came)) = there.receive(&mut bytes, 2) else { panic!() };
        assert_eq!(came.len(), 2);
        assert_eq!(here.send([b"one", b""], &[]), Ok(true));
        let Ok(Received::Bytes(3, came)) = there.receive(&mut bytes, 1) else { panic!() };
        assert!(came.is_empty());
    }

    #[test]
    fn what_was_sent_before_the_end_of_receiving_is_read_and_nothing_after_it_is_sent() {
        let (here, there) = pair();
        assert_eq!(here.send([b"one", b""], &[]), Ok(true));
        there.stop_receiving();
        assert_eq!(here.send([b"two", b""], &[]), Ok(false));
        assert_eq!(there.send([b"back", b""], &[]), Ok(true));
        let mut bytes = [0; 8];
        assert!(matches!(there.receive(&mut bytes, 0), Ok(Received::Bytes(3, _))));
        assert!(matches!(there.receive(&mut bytes, 0), Ok(Received::End)));
        assert!(matches!(here.receive(&mut bytes, 0), Ok(Received::Bytes(4, _))));
    }

    #[test]
    fn a_peer_that_has_gone_is_no_failure_of_a_call() {
        let (here, there) = pair();
        drop(there);
        assert!(soon(|| here.send([b"one", b""], &[]) == Ok(false)));
        assert!(matches!(here.receive(&mut [0; 8], 0), Ok(Received::End)));
    }

    #[test]
    fn an_address_without_a_server_is_no_failure_either() {
        let path = std::env::temp_dir().join(format!("ringpost-socket-{}", std::process::id()));
        let address = Address::new(&path).unwrap();
        let connect = || HandshakeSocket::new().unwrap().connect(&address);
        assert_eq!(connect(), Ok(Attempt::NoServer), "there is no file");
        assert!(!is_bound(&address));
        let server = stream().unwrap();
        bind(&server, &address).unwrap();
        assert_eq!(connect(), Ok(Attempt::NoServer), "it does not listen");
        assert!(is_bound(&address));
        assert_eq!(listens_at(&server), Ok(None));
        listen(&server).unwrap();
        assert_eq!(listens_at(&server), Ok(Some(path.clone())));
        let client = HandshakeSocket::new().unwrap();
        assert_eq!(client.connect(&address), Ok(Attempt::Connected));
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(accept(&server).unwrap().peer().unwrap().pid, pid);
        assert_eq!(accept(&server).err(), Some(Errno::AGAIN));
        assert!(is_bound(&address));
        assert_eq!(accept(&server).err(), Some(Errno::AGAIN), "it has not noticed");
        drop(server);
        assert!(soon(|| !is_bound(&address)), "its file is left");
        std::fs::remove_file(path).unwrap();
    }
}
