//! A malicious peer: it follows the handshake or violates it, and then writes arbitrary data into
//! the shared memory.

use std::fs::File;
use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Read, Result, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::testing::layout::{self, Side};
use ipc_core::testing::{Features, Header, Hello, Reject, Welcome, bytes_to_words, control};
use ipc_core::{HEADER_LEN, RINGS};
use ringpost::{Agreement, Code, CrcMode, Kind, Limits, Transport};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::malicious_frame::FrameOrder;
use crate::wire::{Answer, Failure};
use crate::{State, lock, malicious_frame, malicious_server, malicious_takeover, records, wire};

/// How long a malicious peer waits for its victim.
const TIMEOUT: Duration = Duration::from_secs(60);
const DESCRIPTORS: usize = 4;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Order {
    /// Connects up to a step of the handshake: `connected`, `hello`, `welcome` or `ready`.
    Connect {
        path: String,
        transport: String,
        until: String,
        hello: HelloOrder,
    },
    /// Accepts one connection and answers its HELLO in the given way.
    Serve {
        path: String,
        transport: String,
        answer: String,
        /// The identities of another session and engine, in hexadecimal.
        session: Option<String>,
        engine: Option<String>,
    },
    /// Asks a server for its name in the given way.
    TakeOver {
        path: String,
        how: String,
    },
    Frame(FrameOrder),
    Word {
        peer: u32,
        word: String,
        ring: usize,
        value: String,
    },
    /// Resizes the shared memory.
    Resize {
        peer: u32,
        length: u64,
    },
    /// Rings the bell so often, with descriptors attached.
    Bells {
        peer: u32,
        count: usize,
        descriptors: usize,
    },
    /// Writes random words at random positions, and rings the bell after each.
    Storm {
        peer: u32,
        seed: u64,
        rounds: u32,
    },
    /// Waits until the victim hangs up, so long at most.
    Watch {
        peer: u32,
        ms: u64,
    },
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct HelloOrder {
    versions: [u16; 2],
    required: u64,
    rings: u32,
    /// Numbers of descriptors attached to HELLO, to its last byte, and to READY.
    descriptors: usize,
    descriptors_late: usize,
    descriptors_ready: usize,
    crc: bool,
    garbage: bool,
    /// A field its header must not have: `id`, `more`, `codec` or `options`.
    header: Option<String>,
    /// Sends READY with a payload.
    appended: bool,
}

impl Default for HelloOrder {
    fn default() -> Self {
        Self {
            versions: [1, 1],
            required: 0,
            rings: 0,
            descriptors: 0,
            descriptors_late: 0,
            descriptors_ready: 0,
            crc: false,
            garbage: false,
            header: None,
            appended: false,
        }
    }
}

pub struct MaliciousPeer {
    pub socket: UnixStream,
    /// Frames that go with the next one, where no memory is shared.
    pub held: Vec<u8>,
    /// The shared memory and the agreement, once attached.
    pub shared: Option<Shared>,
}

/// A frame of the handshake: its code, its payload and its descriptors.
pub type Received = (u16, Vec<u8>, Vec<OwnedFd>);

pub struct Shared {
    /// Of its own, where none is shared.
    pub memory: File,
    pub transport: Transport,
    pub side: Side,
    pub agreement: Agreement,
    pub written: [u64; RINGS],
    pub published: u64,
}

pub async fn execute(state: &Arc<State>, order: Order) -> Answer {
    match order {
        Order::Connect { path, transport, until, hello } => {
            connect(state, &path, &transport, &until, &hello).map_err(failed)
        }
        Order::Serve { path, transport, answer, session, engine } => {
            let name = |given: Option<String>| given.map_or([9; 16], |name| bytes_of(&name));
            let names = (name(session), name(engine));
            let state = Arc::clone(state);
            malicious_server::serve(&path, &transport, &answer, names, state).map_err(failed)
        }
        Order::TakeOver { path, how } => {
            malicious_takeover::ask(state, &path, &how).map_err(failed)
        }
        Order::Frame(order) => {
            let peer = state.malicious(order.peer)?;
            malicious_frame::write(&mut lock(&peer), &order).map(|()| Value::Null).map_err(failed)
        }
        Order::Word { peer, word, ring, value } => {
            let peer = state.malicious(peer)?;
            let value = value.parse().expect("a word of 64 bits");
            let mut peer = lock(&peer);
            peer.store(&word, ring, value).map(|()| Value::Null).map_err(failed)
        }
        Order::Storm { peer, seed, rounds } => {
            let peer = state.malicious(peer)?;
            storm(&mut lock(&peer), seed, rounds).map(Value::from).map_err(failed)
        }
        Order::Resize { peer, length } => {
            let peer = state.malicious(peer)?;
            lock(&peer).resize(length).map(|()| Value::Null).map_err(failed)
        }
        Order::Bells { peer, count, descriptors } => {
            let peer = state.malicious(peer)?;
            lock(&peer).ring_with(count, descriptors).map(|()| Value::Null).map_err(failed)
        }
        Order::Watch { peer, ms } => {
            let peer = state.malicious(peer)?;
            let hangs_up = lock(&peer).hangs_up(Duration::from_millis(ms)).map_err(failed)?;
            Ok(if hangs_up { "closed" } else { "open" }.into())
        }
    }
}

fn failed(error: Error) -> Failure {
    Failure(json!({ "code": "MALICIOUS", "message": error.to_string() }))
}

// ---- handshake ----

fn connect(
    state: &State,
    path: &str,
    transport: &str,
    until: &str,
    order: &HelloOrder,
) -> Result<Value> {
    let socket = UnixStream::connect(path)?;
    let mut peer = MaliciousPeer::new(socket)?;
    if until == "connected" {
        return Ok(json!({ "peer": state.keep(peer) }));
    }
    if order.garbage {
        peer.socket.write_all(&[0xa5; 200])?;
    } else {
        let hello = hello(wire::transport(transport), order);
        peer.send_hello(&hello, order)?;
    }
    if until == "hello" {
        return Ok(json!({ "peer": state.keep(peer) }));
    }
    let Some((code, payload, descriptors)) = peer.receive()? else {
        return Ok(json!({ "closed": true }));
    };
    if code == control::REJECT {
        let reject = Reject::decode(&payload).map_err(Error::other)?;
        let reason = reject.reason.clone();
        return Ok(json!({ "rejected": reject.code.as_str(), "reason": reason }));
    }
    let welcome = Welcome::decode(&payload).map_err(Error::other)?;
    peer.shared = Some(attach(&welcome, descriptors)?);
    let name = welcome.address.map(|address| address.name);
    let (session, engine) = (hex_of(welcome.session), hex_of(welcome.engine));
    if until == "ready" {
        let null = File::open("/dev/null")?;
        let payload: &[u8] = if order.appended { b"from later" } else { b"" };
        peer.send_frame(control::READY, payload, &vec![null.as_fd(); order.descriptors_ready])?;
    }
    let peer = state.keep(peer);
    Ok(json!({ "peer": peer, "segment": name, "session": session, "engine": engine }))
}

fn hex_of(name: [u8; 16]) -> String {
    name.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes_of(name: &str) -> [u8; 16] {
    u128::from_str_radix(name, 16).expect("32 digits").to_be_bytes()
}

fn hello(transport: Transport, order: &HelloOrder) -> Hello {
    Hello {
        version_min: order.versions[0],
        version_max: order.versions[1],
        offered: Features(transport.feature().0 | Features::COMPRESSION.0 | Features::LIVENESS.0),
        required: Features(order.required),
        crc: if order.crc { CrcMode::Full } else { CrcMode::Header },
        rings: [order.rings; RINGS],
        limits: Limits::DEFAULT,
        engine: [7; 16],
        token: Vec::new(),
    }
}

fn attach(welcome: &Welcome, descriptors: Vec<OwnedFd>) -> Result<Shared> {
    let mut descriptors = descriptors.into_iter();
    let memory = match &welcome.address {
        Some(address) => {
            let path = format!("/dev/shm/{}", address.name);
            File::options().read(true).write(true).open(path)?
        }
        None if welcome.transport == Transport::Socket => records::no_memory()?,
        None => File::from(descriptors.next().ok_or(ErrorKind::UnexpectedEof)?),
    };
    Ok(Shared::new(memory, welcome.transport, Side::Client, welcome.agreement))
}

impl Shared {
    pub fn new(memory: File, transport: Transport, side: Side, agreement: Agreement) -> Self {
        Self { memory, transport, side, agreement, written: [0; RINGS], published: 0 }
    }
}

impl MaliciousPeer {
    pub fn new(socket: UnixStream) -> Result<Self> {
        socket.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { socket, held: Vec::new(), shared: None })
    }

    pub fn share(&mut self, shared: Shared) {
        self.shared = Some(shared);
    }

    pub fn send_frame(
        &self,
        code: u16,
        payload: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<()> {
        let header = Header::new(Kind::Control, code, 0).with_len(payload.len());
        self.send(&[&header.to_bytes(payload), payload].concat(), descriptors)
    }

    fn send_hello(&self, hello: &Hello, order: &HelloOrder) -> Result<()> {
        let payload = hello.encode();
        let spoilt = order.header.as_deref().unwrap_or_default();
        let header = Header::new(Kind::Control, control::HELLO, u64::from(spoilt == "id"))
            .with_len(payload.len())
            .with_more(spoilt == "more")
            .with_options(spoilt == "options")
            .with_codec(ipc_core::Codec::from_bits(u8::from(spoilt == "codec")));
        let frame = [&header.to_bytes(&payload), &payload[..]].concat();
        let null = File::open("/dev/null")?;
        let (most, last) = frame.split_at(frame.len() - 1);
        self.send(most, &vec![null.as_fd(); order.descriptors])?;
        self.send(last, &vec![null.as_fd(); order.descriptors_late])
    }

    /// Sends bytes, with descriptors attached to the first of them.
    pub fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let parts = [IoSlice::new(bytes)];
        match rustix::net::sendmsg(&self.socket, &parts, &mut ancillary, SendFlags::NOSIGNAL) {
            // A victim that has hung up is noticed by the next read.
            Ok(_) | Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The next frame, or `None` if the victim has hung up.
    pub fn receive(&mut self) -> Result<Option<Received>> {
        let mut head = [0; HEADER_LEN];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let parts = &mut [IoSliceMut::new(&mut head)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
        let received = match rustix::net::recvmsg(&self.socket, parts, &mut ancillary, flags) {
            Ok(received) => received.bytes,
            Err(rustix::io::Errno::CONNRESET) => 0,
            Err(error) => return Err(error.into()),
        };
        if received < HEADER_LEN {
            return Ok(None);
        }
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(found) = message {
                descriptors.extend(found);
            }
        }
        let (header, _) = Header::from_words(bytes_to_words(&head)).map_err(Error::other)?;
        let mut payload = vec![0; header.len as usize];
        self.socket.read_exact(&mut payload)?;
        Ok(Some((header.code(), payload, descriptors)))
    }

    fn hangs_up(&mut self, timeout: Duration) -> Result<bool> {
        self.socket.set_read_timeout(Some(timeout))?;
        let mut bytes = [0; 64];
        loop {
            match self.socket.read(&mut bytes) {
                Ok(0) => return Ok(true),
                // Bells.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(true),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    // ---- shared memory ----

    pub fn store(&mut self, word: &str, ring: usize, value: u64) -> Result<()> {
        let shared = self.shared.as_ref().ok_or(ErrorKind::NotConnected)?;
        if shared.transport == Transport::Socket {
            return self.send(&records::of_word(word, ring, value)?, &[]);
        }
        let side = shared.side;
        let offset = match word {
            "write" => layout::write_position(side, ring),
            "read" => layout::read_position(side, ring),
            "published" => layout::published(side),
            "armed" => layout::armed(side),
            "syncWait" => layout::sync_wait(side),
            // Only the victim may write this one.
            "victims" => layout::write_position(side.peer(), ring),
            _ => return Err(ErrorKind::InvalidInput.into()),
        };
        shared.memory.write_all_at(&value.to_le_bytes(), offset as u64)?;
        if word != "published" {
            self.publish()?;
        }
        self.ring()
    }

    /// Publishes, so that the victim reads.
    fn publish(&mut self) -> Result<()> {
        let shared = self.shared.as_mut().ok_or(ErrorKind::NotConnected)?;
        shared.published += 1;
        let offset = layout::published(shared.side) as u64;
        shared.memory.write_all_at(&shared.published.to_le_bytes(), offset)
    }

    /// Succeeds even if the victim has hung up, which the row checks separately.
    fn ring(&mut self) -> Result<()> {
        self.send(&[1], &[])
    }

    fn ring_with(&mut self, count: usize, descriptors: usize) -> Result<()> {
        let null = File::open("/dev/null")?;
        self.send(&vec![1; count], &vec![null.as_fd(); descriptors])
    }

    fn resize(&mut self, length: u64) -> Result<()> {
        self.shared.as_ref().ok_or(ErrorKind::NotConnected)?.memory.set_len(length)
    }
}

/// Returns the number of rounds after which the victim had hung up.
fn storm(peer: &mut MaliciousPeer, seed: u64, rounds: u32) -> Result<u32> {
    let mut random = seed | 1;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for round in 0..rounds {
        let shared = peer.shared.as_ref().ok_or(ErrorKind::NotConnected)?;
        let len = layout::segment_len(&shared.agreement.geometry) as u64;
        // Mostly in the range of the shared words, and small values as often as large ones.
        let within = if next() % 4 == 0 { len } else { 4096 };
        let value = next() >> (next() % 64);
        let offset = next() % (within / 8) * 8;
        if shared.transport == Transport::Socket {
            peer.send(&records::any(value, offset), &[])?;
        } else {
            shared.memory.write_all_at(&value.to_le_bytes(), offset)?;
            peer.ring()?;
        }
        if peer.hangs_up(Duration::from_millis(1))? {
            return Ok(round);
        }
    }
    Ok(rounds)
}

pub fn rejection(code: Code) -> Reject {
    Reject { code, versions: (7, 9), reason: "because".into() }
}
