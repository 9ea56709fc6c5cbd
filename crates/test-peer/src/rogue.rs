//! A peer that goes by the letter of the handshake, or not, and then writes into the shared memory
//! whatever it likes.

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

use crate::wire::{Answer, Failure};
use crate::{Agent, lock, rogue_server, wire};

/// How long a rogue waits for its victim.
const WAIT_POLICY: Duration = Duration::from_secs(5);
const DESCRIPTORS: usize = 4;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Order {
    /// Goes so far in a handshake: `connected`, `hello`, `welcome` or `ready`.
    Connect {
        path: String,
        transport: String,
        until: String,
        hello: HelloOrder,
    },
    /// Is the server of a socket, once, and answers a HELLO in a way of its own.
    Serve {
        path: String,
        transport: String,
        answer: String,
        /// The names of a session and of an engine, in hexadecimal, that are not its own.
        session: Option<String>,
        engine: Option<String>,
    },
    Frame(FrameOrder),
    ControlMessage {
        rogue: u32,
        word: String,
        ring: usize,
        value: String,
    },
    /// Makes the shared memory so long.
    Resize {
        rogue: u32,
        length: u64,
    },
    /// Rings so often, with descriptors beside the bytes.
    Bells {
        rogue: u32,
        count: usize,
        descriptors: usize,
    },
    /// Random words anywhere, each with a ring of the bell.
    Storm {
        rogue: u32,
        seed: u64,
        rounds: u32,
    },
    /// Waits whether the victim hangs up.
    Watch {
        rogue: u32,
        ms: u64,
    },
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct HelloOrder {
    versions: [u16; 2],
    required: u64,
    rings: u32,
    /// Descriptors beside HELLO, beside its last byte, and beside READY.
    descriptors: usize,
    descriptors_late: usize,
    descriptors_ready: usize,
    crc: bool,
    garbage: bool,
    /// What its header has that none of the handshake does: `id`, `more`, `codec` or `options`.
    header: Option<String>,
    /// READY has a payload.
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FrameOrder {
    rogue: u32,
    ring: usize,
    kind: u8,
    code: u16,
    id: u64,
    /// In hexadecimal.
    #[serde(default)]
    payload: String,
    #[serde(default)]
    codec: u8,
    spoil: Option<String>,
}

pub struct Rogue {
    pub socket: UnixStream,
    /// Shared memory, and what was agreed, once there is any.
    shared: Option<Shared>,
}

/// A frame of the handshake: its code, its payload and what came along.
pub type Received = (u16, Vec<u8>, Vec<OwnedFd>);

pub struct Shared {
    pub memory: File,
    pub side: Side,
    pub agreement: Agreement,
    pub written: [u64; RINGS],
    pub published: u64,
}

pub async fn obey(agent: &Arc<Agent>, order: Order) -> Answer {
    match order {
        Order::Connect { path, transport, until, hello } => {
            connect(agent, &path, &transport, &until, &hello).map_err(failed)
        }
        Order::Serve { path, transport, answer, session, engine } => {
            let name = |given: Option<String>| given.map_or([9; 16], |name| bytes_of(&name));
            let names = (name(session), name(engine));
            let agent = Arc::clone(agent);
            rogue_server::serve(&path, &transport, &answer, names, agent).map_err(failed)
        }
        Order::Frame(order) => {
            let rogue = agent.rogue(order.rogue)?;
            frame(&mut lock(&rogue), &order).map(|()| Value::Null).map_err(failed)
        }
        Order::ControlMessage { rogue, word, ring, value } => {
            let rogue = agent.rogue(rogue)?;
            let value = value.parse().expect("a word of 64 bits");
            let mut rogue = lock(&rogue);
            rogue.store(&word, ring, value).map(|()| Value::Null).map_err(failed)
        }
        Order::Storm { rogue, seed, rounds } => {
            let rogue = agent.rogue(rogue)?;
            storm(&mut lock(&rogue), seed, rounds).map(Value::from).map_err(failed)
        }
        Order::Resize { rogue, length } => {
            let rogue = agent.rogue(rogue)?;
            lock(&rogue).resize(length).map(|()| Value::Null).map_err(failed)
        }
        Order::Bells { rogue, count, descriptors } => {
            let rogue = agent.rogue(rogue)?;
            lock(&rogue).ring_with(count, descriptors).map(|()| Value::Null).map_err(failed)
        }
        Order::Watch { rogue, ms } => {
            let rogue = agent.rogue(rogue)?;
            let hangs_up = lock(&rogue).hangs_up(Duration::from_millis(ms)).map_err(failed)?;
            Ok(if hangs_up { "closed" } else { "open" }.into())
        }
    }
}

fn failed(error: Error) -> Failure {
    Failure(json!({ "code": "ROGUE", "message": error.to_string() }))
}

// ---- handshake ----

fn connect(
    agent: &Agent,
    path: &str,
    transport: &str,
    until: &str,
    order: &HelloOrder,
) -> Result<Value> {
    let socket = UnixStream::connect(path)?;
    let mut rogue = Rogue::new(socket)?;
    if until == "connected" {
        return Ok(json!({ "rogue": agent.keep(rogue) }));
    }
    if order.garbage {
        rogue.socket.write_all(&[0xa5; 200])?;
    } else {
        let hello = hello(wire::transport(transport), order);
        rogue.say_hello(&hello, order)?;
    }
    if until == "hello" {
        return Ok(json!({ "rogue": agent.keep(rogue) }));
    }
    let Some((code, payload, descriptors)) = rogue.hear()? else {
        return Ok(json!({ "closed": true }));
    };
    if code == control::REJECT {
        let reject = Reject::decode(&payload).map_err(Error::other)?;
        let reason = reject.reason.clone();
        return Ok(json!({ "rejected": reject.code.as_str(), "reason": reason }));
    }
    let welcome = Welcome::decode(&payload).map_err(Error::other)?;
    rogue.shared = Some(attach(&welcome, descriptors)?);
    let name = welcome.address.map(|address| address.name);
    let (session, engine) = (hex_of(welcome.session), hex_of(welcome.engine));
    if until == "ready" {
        let null = File::open("/dev/null")?;
        let payload: &[u8] = if order.appended { b"from later" } else { b"" };
        rogue.say(control::READY, payload, &vec![null.as_fd(); order.descriptors_ready])?;
    }
    let rogue = agent.keep(rogue);
    Ok(json!({ "rogue": rogue, "segment": name, "session": session, "engine": engine }))
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
        offered: Features(transport.feature().0 | Features::COMPRESSION.0),
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
        None => File::from(descriptors.next().ok_or(ErrorKind::UnexpectedEof)?),
    };
    Ok(Shared::new(memory, Side::Client, welcome.agreement))
}

impl Shared {
    pub fn new(memory: File, side: Side, agreement: Agreement) -> Self {
        Self { memory, side, agreement, written: [0; RINGS], published: 0 }
    }
}

impl Rogue {
    pub fn new(socket: UnixStream) -> Result<Self> {
        socket.set_read_timeout(Some(WAIT_POLICY))?;
        Ok(Self { socket, shared: None })
    }

    pub fn share(&mut self, shared: Shared) {
        self.shared = Some(shared);
    }

    pub fn say(&self, code: u16, payload: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        let header = Header::new(Kind::Control, code, 0).with_len(payload.len());
        self.send(&[&header.to_bytes(payload), payload].concat(), descriptors)
    }

    fn say_hello(&self, hello: &Hello, order: &HelloOrder) -> Result<()> {
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

    /// Sends bytes, and descriptors beside the first of them.
    pub fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let parts = [IoSlice::new(bytes)];
        match rustix::net::sendmsg(&self.socket, &parts, &mut ancillary, SendFlags::NOSIGNAL) {
            // A victim that hung up at once is heard of when there is nothing to hear.
            Ok(_) | Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The next frame; `None` when the victim has hung up.
    pub fn hear(&mut self) -> Result<Option<Received>> {
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

    fn hangs_up(&mut self, wait_policy: Duration) -> Result<bool> {
        self.socket.set_read_timeout(Some(wait_policy))?;
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

    fn store(&mut self, word: &str, ring: usize, value: u64) -> Result<()> {
        let shared = self.shared.as_ref().ok_or(ErrorKind::NotConnected)?;
        let side = shared.side;
        let offset = match word {
            "write" => layout::write_position(side, ring),
            "read" => layout::read_position(side, ring),
            "published" => layout::published(side),
            "armed" => layout::armed(side),
            "syncWait" => layout::sync_wait(side),
            // What only the victim writes.
            "victims" => layout::write_position(side.peer(), ring),
            _ => return Err(ErrorKind::InvalidInput.into()),
        };
        shared.memory.write_all_at(&value.to_le_bytes(), offset as u64)?;
        if word != "published" {
            self.publish()?;
        }
        self.ring()
    }

    /// Tells the victim to look.
    fn publish(&mut self) -> Result<()> {
        let shared = self.shared.as_mut().ok_or(ErrorKind::NotConnected)?;
        shared.published += 1;
        let offset = layout::published(shared.side) as u64;
        shared.memory.write_all_at(&shared.published.to_le_bytes(), offset)
    }

    /// The victim may have hung up already, which is what the row then looks at.
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

fn frame(rogue: &mut Rogue, order: &FrameOrder) -> Result<()> {
    let shared = rogue.shared.as_mut().ok_or(ErrorKind::NotConnected)?;
    let kinds = [Kind::Request, Kind::Reply, Kind::Error, Kind::OneWay, Kind::Control];
    let kind = kinds[usize::from(order.kind) - 1];
    let byte = |at| u8::from_str_radix(&order.payload[at..at + 2], 16).expect("two digits");
    let mut payload: Vec<u8> = (0..order.payload.len()).step_by(2).map(byte).collect();
    let spoil = order.spoil.as_deref().unwrap_or_default();
    let header = Header::new(kind, order.code, order.id)
        .with_codec(ipc_core::Codec::from_bits(order.codec))
        .with_options(spoil == "options")
        .with_len(payload.len());
    let mut words = header.sealed(shared.agreement.crc, &[&payload]);
    match spoil {
        "magic" => words[0] ^= 1,
        "version" => words[0] ^= 2 << 32,
        "kind" => words[0] |= 0xf << 40,
        "length" => words[2] |= 0x7fff_fff8,
        "checksum" => words[2] ^= 1 << 40,
        "payload" => payload[0] ^= 1,
        _ => {}
    }
    let capacity = u64::from(shared.agreement.geometry.rings[order.ring]);
    let start = layout::ring_start(&shared.agreement.geometry, shared.side, order.ring) as u64;
    let at = start + shared.written[order.ring] % capacity;
    shared.memory.write_all_at(&payload, at + HEADER_LEN as u64)?;
    let head: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    shared.memory.write_all_at(&head, at)?;
    let len = (HEADER_LEN + payload.len()).next_multiple_of(8);
    shared.written[order.ring] += len as u64;
    let written = shared.written[order.ring];
    rogue.store("write", order.ring, written)
}

/// Returns after how many rounds the victim had hung up.
fn storm(rogue: &mut Rogue, seed: u64, rounds: u32) -> Result<u32> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..rounds {
        let shared = rogue.shared.as_ref().ok_or(ErrorKind::NotConnected)?;
        let len = layout::segment_len(&shared.agreement.geometry) as u64;
        // Mostly where the words are, and small numbers as often as large ones.
        let within = if next() % 4 == 0 { len } else { 4096 };
        let value = next() >> (next() % 64);
        let offset = next() % (within / 8) * 8;
        shared.memory.write_all_at(&value.to_le_bytes(), offset)?;
        rogue.ring()?;
        if rogue.hangs_up(Duration::from_millis(1))? {
            return Ok(round);
        }
    }
    Ok(rounds)
}

pub fn rejection(code: Code) -> Reject {
    Reject { code, versions: (7, 9), reason: "because".into() }
}
