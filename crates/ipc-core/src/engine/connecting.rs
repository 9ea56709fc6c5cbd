//! A connection in the making: the handshake's frames on the socket, in both roles.

#[cfg_attr(target_family = "wasm", path = "../hosted/engine/lending.rs")]
mod lending;

use std::sync::Arc;

use super::directory::Door;
use super::host::Peer;
use super::listener::Listener;
use super::os::credentials::{self, Credentials};
use super::os::socket::{Attempt, HandshakeSocket, OwnedSocket, Received};
use crate::checksum;
use crate::error::{Code, Corrupt, Error, Result};
use crate::handshake::{EngineId, Handover, Hello, PAYLOAD_LEN_MAX, Reject, Transport, Welcome};
use crate::header::{Codec, HEADER_LEN, Header, Kind, bytes_to_words};
use crate::memory::layout::Side;
use crate::memory::{Handle, Object, Segment, named};
use crate::mirror::Mirror;
use crate::session::control;
use crate::sys::{BorrowedFd, Errno, OwnedFd, kill_point};
use crate::time::Time;

/// The user a supervisor of the system runs as.
const ROOT: u32 = 0;
const SENDING: &str = "sending a handshake frame";

/// Everything a link is made of once both sides agree.
pub(super) struct Agreed {
    pub side: Side,
    pub segment: Arc<Segment>,
    pub peer: Peer,
}

impl Agreed {
    /// What plays the peer, where no memory is shared.
    pub fn mirror(&self) -> Option<Mirror> {
        let geometry = &self.peer.agreement.geometry;
        (self.peer.transport == Transport::Socket)
            .then(|| Mirror::over(Arc::clone(&self.segment), geometry, self.side))
    }
}

/// What a step of a handshake came to.
pub(super) enum Progress {
    /// More has to come from the peer.
    Waiting,
    /// Both sides agree.
    Agreed(Agreed),
    /// A server has sent its name to a new one.
    Lent,
    /// The new server has it.
    LetGo,
    /// A new server was sent what it asked for.
    Offered(Vec<OwnedFd>),
}

pub(super) struct Handshaking {
    socket: HandshakeSocket,
    /// Of the peer, once they were checked.
    credentials: Option<Credentials>,
    /// Given up then.
    pub deadline: Time,
    incoming: Vec<u8>,
    /// What came beside a WELCOME or a HANDOVER.
    descriptors: Vec<OwnedFd>,
    stage: Stage,
    /// A server has agreed to it, so that it counts.
    is_welcomed: bool,
    /// All that the peer has sent was read, and its end.
    has_ended: bool,
}

enum Stage {
    /// A client that is not connected yet: it tries these doors, and the `next` has a full queue.
    Connecting { name: String, doors: Vec<Door>, next: usize, hello: Hello },
    /// A client that sent HELLO.
    AwaitingWelcome(Hello),
    /// A server that has received nothing yet.
    AwaitingHello,
    /// A server that sent WELCOME.
    AwaitingReady { segment: Segment, peer: Peer },
    /// A server that has sent its name to a new one.
    Lending,
    /// A new server that has asked for the name.
    AwaitingHandover,
    /// The same, which has said that it takes the name, but perhaps too late.
    AwaitingEnd,
    /// Over.
    Done,
}

impl Handshaking {
    /// A client's first step.
    pub fn connect(
        socket: HandshakeSocket,
        name: String,
        doors: Vec<Door>,
        hello: Hello,
        deadline: Time,
    ) -> Result<Self> {
        let mut this =
            Self::new(socket, deadline, Stage::Connecting { name, doors, next: 0, hello });
        this.try_connect()?;
        Ok(this)
    }

    /// A server's first step: checks the client's user before reading a byte.
    pub fn accept(socket: HandshakeSocket, deadline: Time) -> Result<Self> {
        let mut this = Self::new(socket, deadline, Stage::AwaitingHello);
        let client = this.socket.peer().map_err(unknown_peer)?;
        this.accept_peer("the client", client)?;
        Ok(this)
    }

    /// Refuses a client before reading anything from it. It may or may not read the reason.
    pub fn refuse(socket: &HandshakeSocket, error: &Error) {
        let _ = send(socket, control::REJECT, &Reject::of(error).encode(), &[]);
    }

    fn new(socket: HandshakeSocket, deadline: Time, stage: Stage) -> Self {
        Self {
            socket,
            credentials: None,
            deadline,
            incoming: Vec::new(),
            descriptors: Vec::new(),
            stage,
            is_welcomed: false,
            has_ended: false,
        }
    }

    /// The control socket.
    pub fn socket(&self) -> &HandshakeSocket {
        &self.socket
    }

    /// The control socket of a handshake that is over, and what has come behind that.
    pub fn into_socket(self) -> (OwnedSocket, Vec<u8>) {
        (self.socket.into(), self.incoming)
    }

    /// Whether this is a client that could not even connect yet.
    pub fn is_connecting(&self) -> bool {
        matches!(self.stage, Stage::Connecting { .. })
    }

    /// Whether this is a server's handshake whose client has sent nothing yet.
    pub fn is_silent(&self) -> bool {
        matches!(self.stage, Stage::AwaitingHello)
    }

    /// Whether this is a server's handshake that has sent WELCOME.
    pub fn is_welcomed(&self) -> bool {
        self.is_welcomed
    }

    /// The session a server has offered to its client.
    pub fn offered(&self) -> Option<&Peer> {
        match &self.stage {
            Stage::AwaitingReady { peer, .. } => Some(peer),
            _ => None,
        }
    }

    /// Tries to connect at each place where the server may be; a full queue leaves it for later.
    pub fn try_connect(&mut self) -> Result<()> {
        let Stage::Connecting { name, doors, next, hello } = &mut self.stage else { return Ok(()) };
        let mut barred = None;
        let through = loop {
            let Some(door) = doors.get(*next) else { break false };
            let attempt = self
                .socket
                .connect(&door.address)
                .map_err(|cause| Error::system(format_args!("connecting to \"{name}\""), cause))?;
            match attempt {
                Attempt::Connected => break true,
                Attempt::QueueFull => return Ok(()),
                Attempt::NoServer => {}
                Attempt::Barred => barred = Some(barred_by(door, name)),
            }
            *next += 1;
        };
        if !through {
            return Err(barred.unwrap_or_else(|| nobody(doors, name)));
        }
        let hello = hello.clone();
        self.check_listener()?;
        match send(&self.socket, control::HELLO, &hello.encode(), &[]) {
            // A server that closed at once may have left the reason to read.
            Err(error) if error.code() == Code::Handshake => {}
            sent => sent?,
        }
        self.stage = Stage::AwaitingWelcome(hello);
        Ok(())
    }

    /// Reads what has come and answers it. A server has a listener.
    pub fn proceed(&mut self, listener: Option<&Listener>, engine: EngineId) -> Result<Progress> {
        loop {
            let Some((code, payload)) = self.next_frame()? else { return Ok(Progress::Waiting) };
            match (std::mem::replace(&mut self.stage, Stage::Done), code) {
                (Stage::AwaitingHello, control::HELLO) => {
                    let listener = listener.ok_or_else(gone)?;
                    let answer = self.welcome(&payload, listener, engine);
                    // A client that is refused may already be gone.
                    self.stage = answer.inspect_err(|error| Self::refuse(&self.socket, error))?;
                    self.is_welcomed = true;
                }
                (Stage::AwaitingHello, control::TAKE_OVER) => {
                    let listener = listener.ok_or_else(gone)?;
                    let lent = self.lend(&payload, listener);
                    lent.inspect_err(|error| Self::refuse(&self.socket, error))?;
                    self.stage = Stage::Lending;
                    return Ok(Progress::Lent);
                }
                (Stage::Lending, control::READY) => {
                    kill_point("confirmed");
                    return Ok(Progress::LetGo);
                }
                (Stage::AwaitingHandover, control::HANDOVER) => {
                    Handover::decode(&payload)?;
                    self.stage = Stage::AwaitingHandover;
                    return Ok(Progress::Offered(std::mem::take(&mut self.descriptors)));
                }
                (Stage::AwaitingReady { mut segment, peer }, control::READY) => {
                    segment.forget_name();
                    return Ok(agreed(Side::Server, segment, peer));
                }
                (Stage::AwaitingWelcome(hello), control::WELCOME) => {
                    let (segment, peer) = self.attach(&payload, &hello)?;
                    send(&self.socket, control::READY, &[], &[])?;
                    return Ok(agreed(Side::Client, segment, peer));
                }
                (
                    Stage::AwaitingWelcome(_) | Stage::AwaitingHandover | Stage::AwaitingEnd,
                    control::REJECT,
                ) => {
                    return Err(Reject::decode(&payload)?.into_error());
                }
                (_, code) => {
                    let message = format!("control code {code} is not expected now");
                    return Err(Error::new(Code::Handshake, message));
                }
            }
        }
    }

    fn welcome(&mut self, hello: &[u8], listener: &Listener, engine: EngineId) -> Result<Stage> {
        let terms = listener.policy.negotiate(hello)?;
        listener.check_room()?;
        let hello = Hello::decode(hello)?;
        let session = named::random()?;
        let object = Object::lanes(&terms.agreement.geometry);
        let (segment, handle) = object.create(terms.transport.backing())?;
        let welcome = Welcome {
            version: terms.version,
            transport: terms.transport,
            features: terms.features,
            agreement: terms.agreement,
            session,
            engine,
            address: handle.address().cloned(),
        };
        let memory = handle.descriptor();
        send(&self.socket, control::WELCOME, &welcome.encode(), memory.as_slice())?;
        let peer = self.peer(session, hello.engine, &welcome)?;
        Ok(Stage::AwaitingReady { segment, peer })
    }

    fn attach(&mut self, welcome: &[u8], hello: &Hello) -> Result<(Segment, Peer)> {
        let welcome = Welcome::decode(welcome)?;
        welcome.check(hello)?;
        let peer = self.peer(welcome.session, welcome.engine, &welcome)?;
        let is_passed = welcome.transport == Transport::Sealed;
        let handle = match (self.descriptors.pop(), welcome.address) {
            (Some(memory), None) if is_passed => Handle::Descriptor(memory),
            (None, Some(address)) => Handle::Address(address),
            (None, None) if is_passed => return Err(beside("no descriptor")),
            (None, None) => Handle::Nothing,
            (Some(_), _) => return Err(beside("a descriptor, where none belongs,")),
        };
        let segment = Object::lanes(&welcome.agreement.geometry).attach(&handle)?;
        Ok((segment, peer))
    }

    fn peer(&self, session: [u8; 16], engine: EngineId, welcome: &Welcome) -> Result<Peer> {
        let Credentials { pid, uid } = self.credentials.ok_or_else(gone)?;
        Ok(Peer {
            pid,
            uid,
            is_self: false,
            session,
            engine,
            transport: welcome.transport,
            agreement: welcome.agreement,
        })
    }

    /// Checks who listens at the socket this one has connected to, before a byte is sent. It need
    /// not be the server: that may have the socket from a supervisor, which may be root's, or has
    /// it after another that has died. The server is who answers.
    fn check_listener(&self) -> Result<()> {
        let listener = self.socket.peer().map_err(unknown_peer)?;
        if listener.uid == ROOT { Ok(()) } else { check_user("the server", listener.uid) }
    }

    /// Checks who sends the first answer. Returns whether one has come, or the end.
    fn check_answerer(&mut self) -> Result<bool> {
        match self.socket.sender() {
            Err(Errno::AGAIN) => return Ok(false),
            Err(cause) => return Err(unknown_peer(cause)),
            Ok(None) => {}
            Ok(Some(server)) => {
                self.accept_peer("the server", server)?;
                self.socket.forget_senders().map_err(unknown_peer)?;
            }
        }
        Ok(true)
    }

    fn accept_peer(&mut self, who: &str, peer: Credentials) -> Result<()> {
        check_user(who, peer.uid)?;
        self.credentials = Some(peer);
        Ok(())
    }

    /// The next whole frame, if it has come: its code and its payload. What is behind WELCOME and
    /// READY are bells, of which a link that is awake has no need, or records.
    fn next_frame(&mut self) -> Result<Option<(u16, Vec<u8>)>> {
        loop {
            if let Some(frame) = self.frame()? {
                return Ok(Some(frame));
            }
            if !self.read_more()? {
                return Ok(None);
            }
        }
    }

    fn frame(&mut self) -> Result<Option<(u16, Vec<u8>)>> {
        let Some(head) = self.incoming.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let words = bytes_to_words(head);
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
        let is_plain =
            header.id == 0 && header.codec() == Codec::Bytes && !header.more() && !header.options();
        if header.kind() != Kind::Control || !is_plain {
            return Err(broken(Corrupt::Misplaced { kind: header.kind() as u8 }));
        }
        let payload = payload.to_vec();
        self.incoming.drain(..HEADER_LEN + len);
        Ok(Some((header.code(), payload)))
    }

    /// Reads on. Descriptors are taken in the two places where they belong, beside the first bytes
    /// of a WELCOME or of a HANDOVER. Returns whether anything has come.
    fn read_more(&mut self) -> Result<bool> {
        let mut bytes = [0; HEADER_LEN + PAYLOAD_LEN_MAX];
        let taken_max = match self.stage {
            _ if !(self.incoming.is_empty() && self.descriptors.is_empty()) => 0,
            Stage::AwaitingWelcome(_) => 1,
            Stage::AwaitingHandover => 2,
            _ => 0,
        };
        if taken_max > 0 && self.credentials.is_none() && !self.check_answerer()? {
            return Ok(false);
        }
        let received = match self.socket.receive(&mut bytes, taken_max) {
            // What has come decides whose the name is, so that it is read again.
            Err(_) if self.is_lending() => Received::Nothing,
            received => {
                received.map_err(|cause| Error::system("reading a handshake frame", cause))?
            }
        };
        match received {
            Received::Bytes(len, mut descriptors) => {
                self.descriptors.append(&mut descriptors);
                self.incoming.extend_from_slice(&bytes[..len]);
                Ok(true)
            }
            Received::Nothing => Ok(false),
            Received::End => {
                self.has_ended = true;
                Err(gone())
            }
            Received::Excess => Err(beside("other descriptors than belong")),
        }
    }
}

fn check_user(who: &str, uid: u32) -> Result<()> {
    let own = credentials::own_uid();
    if uid == own {
        return Ok(());
    }
    let message = format!("{who} belongs to user {uid}, not to user {own}");
    Err(Error::new(Code::ForeignUser, message))
}

fn agreed(side: Side, segment: Segment, peer: Peer) -> Progress {
    Progress::Agreed(Agreed { side, segment: Arc::new(segment), peer })
}

/// Sends a frame.
fn send(
    socket: &HandshakeSocket,
    code: u16,
    payload: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> Result<()> {
    let header = Header::new(Kind::Control, code, 0).with_len(payload.len());
    let sent = socket.send([&header.to_bytes(payload), payload], descriptors);
    match sent.map_err(|cause| Error::system(SENDING, cause))? {
        true => Ok(()),
        false => Err(gone()),
    }
}

#[cold]
fn unknown_peer(cause: Errno) -> Error {
    Error::system("reading the credentials of the peer", cause)
}

#[cold]
fn gone() -> Error {
    Error::new(Code::Handshake, "the peer went away during the handshake")
}

#[cold]
fn broken(corrupt: Corrupt) -> Error {
    Error::new(Code::Handshake, format!("a handshake frame is broken: {corrupt}"))
}

#[cold]
fn nobody(doors: &[Door], name: &str) -> Error {
    let tried: Vec<_> = doors.iter().map(|door| door.shown(name)).collect();
    let message = format!("no server is named \"{name}\" at {}", tried.join(" or "));
    Error::new(Code::NoServer, message)
}

#[cold]
pub(super) fn beside(what: &str) -> Error {
    Error::new(Code::Handshake, format!("{what} came beside a handshake frame"))
}

#[cold]
pub(super) fn barred_by(door: &Door, name: &str) -> Error {
    let message = format!(
        "this user may not connect to {}: its mode has to be 600, and that of its directory 700",
        door.shown(name)
    );
    Error::new(Code::Access, message)
}
