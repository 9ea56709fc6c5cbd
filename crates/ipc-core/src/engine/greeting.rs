//! A connection before it is one: the handshake's frames on the socket, in both roles.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix,
};

use super::bell::{self, Bell};
use super::host::Peer;
use crate::checksum;
use crate::error::{Code, Corrupt, Error, Result};
use crate::handshake::{EngineId, Hello, PAYLOAD_LEN_MAX, Policy, Reject, Transport, Welcome};
use crate::header::{HEADER_LEN, Header, Kind, bytes_to_words};
use crate::memory::layout::{Side, segment_len};
use crate::memory::{Segment, named, sealed};
use crate::session::control;
use crate::sys;
use crate::time::Time;

/// Descriptors beside a WELCOME: the segment, the server's bell, the client's bell.
const DESCRIPTORS: usize = 3;

/// Everything a link is made of once both sides agree.
pub(super) struct Agreed {
    pub side: Side,
    pub segment: Arc<Segment>,
    pub bell: Bell,
    pub peer: Peer,
}

/// What a greeting came to, for now.
pub(super) enum Progress {
    /// More has to come from the peer.
    Waiting,
    /// Both sides agree.
    Agreed(Agreed),
}

pub(super) struct Greeting {
    socket: OwnedFd,
    pid: i32,
    uid: u32,
    /// Given up then.
    pub deadline: Time,
    incoming: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    stage: Stage,
}

enum Stage {
    /// A client whose server had no room for it yet.
    Knocking { name: String, address: SocketAddrUnix, hello: Hello },
    /// A client that said HELLO.
    AwaitingWelcome(Hello),
    /// A server that heard nothing yet.
    AwaitingHello,
    /// A server that said WELCOME.
    AwaitingReady { segment: Segment, bell: Bell, peer: Peer },
    /// Over.
    Done,
}

impl Greeting {
    /// A client's first step.
    pub fn connect(
        socket: OwnedFd,
        name: String,
        address: SocketAddrUnix,
        hello: Hello,
        deadline: Time,
    ) -> Result<Self> {
        let mut this = Self::new(socket, deadline, Stage::Knocking { name, address, hello });
        this.knock()?;
        Ok(this)
    }

    /// A server's first step: looks who it is before reading a byte.
    pub fn accept(socket: OwnedFd, deadline: Time) -> Result<Self> {
        let mut this = Self::new(socket, deadline, Stage::AwaitingHello);
        this.check_user("the client")?;
        Ok(this)
    }

    /// Tells a client that was not even listened to. Whether it hears is up to it.
    pub fn refuse(socket: &OwnedFd, error: &Error) {
        let _ = say(socket, control::REJECT, &Reject::of(error).encode(), &[]);
    }

    fn new(socket: OwnedFd, deadline: Time, stage: Stage) -> Self {
        let (incoming, descriptors) = (Vec::new(), Vec::new());
        Self { socket, pid: 0, uid: 0, deadline, incoming, descriptors, stage }
    }

    /// The control socket.
    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// The control socket of a greeting that has come to its end.
    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// Whether this is a client that could not even connect yet.
    pub fn is_knocking(&self) -> bool {
        matches!(self.stage, Stage::Knocking { .. })
    }

    /// Whether this is a server's greeting whose client has said nothing yet.
    pub fn is_silent(&self) -> bool {
        matches!(self.stage, Stage::AwaitingHello)
    }

    /// Tries to connect; a full queue leaves it for later.
    pub fn knock(&mut self) -> Result<()> {
        let Stage::Knocking { name, address, hello } = &self.stage else { return Ok(()) };
        match sys::fault().and_then(|()| rustix::net::connect(&self.socket, address)) {
            Ok(()) => {}
            Err(Errno::AGAIN) => return Ok(()),
            Err(Errno::NOENT | Errno::CONNREFUSED) => {
                return Err(Error::new(Code::NoServer, format!("nobody serves \"{name}\"")));
            }
            Err(cause) => return Err(Error::system("connecting", cause)),
        }
        let hello = hello.clone();
        self.check_user("the server")?;
        match say(&self.socket, control::HELLO, &hello.encode(), &[]) {
            // A server that closed at once may have left the reason to be read.
            Err(error) if error.code() == Code::Handshake => {}
            said => said?,
        }
        self.stage = Stage::AwaitingWelcome(hello);
        Ok(())
    }

    /// Reads what has come and answers it.
    pub fn proceed(&mut self, policy: Option<&Policy>, engine: EngineId) -> Result<Progress> {
        loop {
            let Some((code, payload)) = self.hear()? else { return Ok(Progress::Waiting) };
            match (std::mem::replace(&mut self.stage, Stage::Done), code) {
                (Stage::AwaitingHello, control::HELLO) => {
                    let policy = policy.ok_or_else(gone)?;
                    let answer = self.welcome(&payload, policy, engine);
                    self.stage = answer.inspect_err(|error| {
                        // Whoever is refused may already be gone.
                        let _ =
                            say(&self.socket, control::REJECT, &Reject::of(error).encode(), &[]);
                    })?;
                }
                (Stage::AwaitingReady { mut segment, bell, peer }, control::READY) => {
                    segment.forget_name();
                    return self.agreed(Side::Server, segment, bell, peer);
                }
                (Stage::AwaitingWelcome(hello), control::WELCOME) => {
                    let (segment, bell, peer) = self.attach(&payload, &hello)?;
                    say(&self.socket, control::READY, &[], &[])?;
                    return self.agreed(Side::Client, segment, bell, peer);
                }
                (Stage::AwaitingWelcome(_), control::REJECT) => {
                    return Err(Reject::decode(&payload)?.into_error());
                }
                (_, code) => {
                    let message = format!("control code {code} out of turn");
                    return Err(Error::new(Code::Handshake, message));
                }
            }
        }
    }

    fn welcome(&mut self, hello: &[u8], policy: &Policy, engine: EngineId) -> Result<Stage> {
        if !self.descriptors.is_empty() {
            self.descriptors.clear();
            let message = "descriptors came with a HELLO, which has none";
            return Err(Error::new(Code::Handshake, message));
        }
        let terms = policy.negotiate(hello)?;
        let hello = Hello::decode(hello)?;
        let len = segment_len(&terms.agreement.geometry);
        let session = named::random()?;
        let welcome = |address| Welcome {
            version: terms.version,
            transport: terms.transport,
            features: terms.features,
            agreement: terms.agreement,
            session,
            engine,
            address,
        };
        let (segment, bell) = match terms.transport {
            Transport::Sealed => {
                let (segment, memory) = sealed::create(len)?;
                let (own, peer) = (bell::counter()?, bell::counter()?);
                let descriptors = [memory.as_fd(), own.as_fd(), peer.as_fd()];
                say(&self.socket, control::WELCOME, &welcome(None).encode(), &descriptors)?;
                (segment, Bell::Counters { own, peer: Arc::new(peer) })
            }
            Transport::Portable => {
                let (segment, address) = named::create(len)?;
                say(&self.socket, control::WELCOME, &welcome(Some(address)).encode(), &[])?;
                (segment, Bell::Socket)
            }
        };
        let peer = self.peer(session, hello.engine, &welcome(None));
        Ok(Stage::AwaitingReady { segment, bell, peer })
    }

    fn attach(&mut self, welcome: &[u8], hello: &Hello) -> Result<(Segment, Bell, Peer)> {
        let welcome = Welcome::decode(welcome)?;
        welcome.check(hello)?;
        let len = segment_len(&welcome.agreement.geometry);
        let peer = self.peer(welcome.session, welcome.engine, &welcome);
        let descriptors = std::mem::take(&mut self.descriptors);
        let count = descriptors.len();
        let expected = if welcome.address.is_some() { 0 } else { DESCRIPTORS };
        if count != expected {
            let message =
                format!("{count} descriptors came with a WELCOME, {expected} belong to it");
            return Err(Error::new(Code::Handshake, message));
        }
        if let Some(address) = &welcome.address {
            return Ok((named::attach(address, len)?, Bell::Socket, peer));
        }
        let [memory, servers, own]: [OwnedFd; DESCRIPTORS] =
            descriptors.try_into().map_err(|_| gone())?;
        bell::check_counter(&servers)?;
        bell::check_counter(&own)?;
        let bell = Bell::Counters { own, peer: Arc::new(servers) };
        Ok((sealed::attach(&memory, len)?, bell, peer))
    }

    fn peer(&self, session: [u8; 16], engine: EngineId, welcome: &Welcome) -> Peer {
        Peer {
            pid: self.pid,
            uid: self.uid,
            session,
            engine,
            transport: welcome.transport,
            agreement: welcome.agreement,
        }
    }

    fn agreed(&self, side: Side, segment: Segment, bell: Bell, peer: Peer) -> Result<Progress> {
        // Under the portable transport the first doorbell may have come right behind the frame.
        if peer.transport == Transport::Sealed && !self.incoming.is_empty() {
            return Err(Corrupt::Chatter { bytes: self.incoming.len() }.into());
        }
        Ok(Progress::Agreed(Agreed { side, segment: Arc::new(segment), bell, peer }))
    }

    fn check_user(&mut self, who: &str) -> Result<()> {
        let credentials = rustix::net::sockopt::socket_peercred(&self.socket)
            .map_err(|cause| Error::system("asking who is at the other end", cause))?;
        let (uid, own) = (credentials.uid.as_raw(), rustix::process::geteuid().as_raw());
        if uid != own {
            let message = format!("{who} belongs to user {uid}, not to user {own}");
            return Err(Error::new(Code::ForeignUser, message));
        }
        self.pid = credentials.pid.as_raw_nonzero().get();
        self.uid = uid;
        Ok(())
    }

    /// The next whole frame, if it has come: its code and its payload.
    fn hear(&mut self) -> Result<Option<(u16, Vec<u8>)>> {
        loop {
            if let Some(frame) = self.frame()? {
                return Ok(Some(frame));
            }
            match self.read_more() {
                Ok(0) => return Err(gone()),
                Ok(_) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Err(gone()),
                Err(cause) => return Err(Error::system("reading a handshake frame", cause)),
            }
        }
    }

    fn frame(&mut self) -> Result<Option<(u16, Vec<u8>)>> {
        let Some(head) = self.incoming.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let words = bytes_to_words(head);
        let broken = |corrupt: Corrupt| {
            Error::new(Code::Handshake, format!("a handshake frame is broken: {corrupt}"))
        };
        let (header, found) = Header::from_words(words).map_err(broken)?;
        let len = header.len as usize;
        if len > PAYLOAD_LEN_MAX {
            return Err(broken(Corrupt::Length { len, available: PAYLOAD_LEN_MAX }));
        }
        let Some(payload) = self.incoming.get(HEADER_LEN..HEADER_LEN + len) else {
            return Ok(None);
        };
        let expected = checksum::of_frame(words, &[payload]);
        if found != expected {
            return Err(broken(Corrupt::Checksum { found, expected }));
        }
        if header.kind() != Kind::Control {
            return Err(broken(Corrupt::Misplaced { kind: header.kind() as u8 }));
        }
        let payload = payload.to_vec();
        self.incoming.drain(..HEADER_LEN + len);
        Ok(Some((header.code(), payload)))
    }

    fn read_more(&mut self) -> rustix::io::Result<usize> {
        let mut bytes = [0; HEADER_LEN + PAYLOAD_LEN_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        sys::fault()?;
        let received = rustix::net::recvmsg(
            &self.socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
        )?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        // The kernel closed the rest: there was no space for it, or this process may have no more.
        if received.flags.contains(ReturnFlags::CTRUNC) {
            let is_full = self.descriptors.len() >= DESCRIPTORS;
            return Err(if is_full { Errno::CONNRESET } else { Errno::MFILE });
        }
        self.incoming.extend_from_slice(&bytes[..received.bytes]);
        Ok(received.bytes)
    }
}

/// Sends a frame. It is far smaller than any socket's buffer and the first or second thing
/// in it, so anything but "all of it" means that the peer is gone.
fn say(
    socket: &OwnedFd,
    code: u16,
    payload: &[u8],
    descriptors: &[rustix::fd::BorrowedFd<'_>],
) -> Result<()> {
    let header = Header::new(Kind::Control, code, 0).with_len(payload.len());
    let header = header.to_bytes(payload);
    let parts = [IoSlice::new(&header), IoSlice::new(payload)];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let sent = sys::fault()
        .and_then(|()| rustix::net::sendmsg(socket, &parts, &mut ancillary, flags))
        .map_err(|cause| match cause {
            Errno::PIPE | Errno::CONNRESET => gone(),
            cause => Error::system("sending a handshake frame", cause),
        })?;
    if sent == HEADER_LEN + payload.len() { Ok(()) } else { Err(gone()) }
}

#[cold]
fn gone() -> Error {
    Error::new(Code::Handshake, "the other side went away during the handshake")
}
