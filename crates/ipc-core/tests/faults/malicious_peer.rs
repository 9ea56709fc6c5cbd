//! A client that shakes hands by the letter, driven by the thread of its victim, and then does what
//! no honest one does.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use ipc_core::testing::layout::{self, Side};
use ipc_core::testing::{Features, Header, Hello, Welcome, bytes_to_words, control};
use ipc_core::{CrcMode, HEADER_LEN, Kind, Limits, RINGS, Transport};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

/// Descriptors one of its messages may have beside it, in either direction.
const DESCRIPTORS: usize = 8;

pub struct MaliciousPeer {
    pub socket: UnixStream,
    /// Nothing, where none is shared.
    pub memory: File,
    /// What came beside the memory.
    pub descriptors: Vec<OwnedFd>,
    armings: u64,
}

/// The HELLO of a client that wants nothing in particular.
pub fn hello(transport: Transport) -> Hello {
    Hello {
        version_min: 1,
        version_max: 1,
        offered: transport.feature(),
        required: Features(0),
        crc: CrcMode::Header,
        rings: [0; RINGS],
        limits: Limits::DEFAULT,
        engine: [7; 16],
        token: Vec::new(),
    }
}

/// Sends a frame of the handshake.
pub fn send_frame(socket: &UnixStream, code: u16, payload: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let header = Header::new(Kind::Control, code, 0).with_len(payload.len());
    send(socket, &[&header.to_bytes(payload), payload].concat(), descriptors);
}

/// Sends bytes, and descriptors beside the first of them.
pub fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    // A victim that hung up is what a test may expect.
    let _ = rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags);
}

/// The next frame of the handshake that has come: its code, its payload and its descriptors.
pub fn receive(socket: &UnixStream) -> Option<(u16, Vec<u8>, Vec<OwnedFd>)> {
    let mut head = [0; HEADER_LEN];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let parts = &mut [IoSliceMut::new(&mut head)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = rustix::net::recvmsg(socket, parts, &mut ancillary, flags).ok()?;
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(found) = message {
            descriptors.extend(found);
        }
    }
    if received.bytes < HEADER_LEN {
        return None;
    }
    let (header, _) = Header::from_words(bytes_to_words(&head)).unwrap();
    let mut payload = vec![0; header.len as usize];
    (&mut &*socket).read_exact(&mut payload).unwrap();
    Some((header.code(), payload, descriptors))
}

/// Whether the victim has hung up; bells are skipped.
pub fn is_hung_up(mut socket: &UnixStream) -> bool {
    socket.set_nonblocking(true).unwrap();
    loop {
        match socket.read(&mut [0; 4096]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

impl MaliciousPeer {
    /// Connects to the server whose socket is at `path` and lets `drive` drive it meanwhile.
    pub fn meet(path: &Path, hello: &Hello, mut drive: impl FnMut()) -> Self {
        let socket = UnixStream::connect(path).unwrap();
        send_frame(&socket, control::HELLO, &hello.encode(), &[]);
        let (code, payload, mut descriptors) = loop {
            drive();
            if let Some(received) = receive(&socket) {
                break received;
            }
        };
        assert_eq!(code, control::WELCOME);
        let welcome = Welcome::decode(&payload).unwrap();
        let memory = match &welcome.address {
            Some(address) => {
                let path = format!("/dev/shm/{}", address.name);
                File::options().read(true).write(true).open(path).unwrap()
            }
            None if welcome.transport == Transport::Socket => File::open("/dev/null").unwrap(),
            None => File::from(descriptors.remove(0)),
        };
        send_frame(&socket, control::READY, &[], &[]);
        drive();
        Self { socket, memory, descriptors, armings: 0 }
    }

    fn word(&self, offset: usize) -> u64 {
        let mut word = [0; 8];
        self.memory.read_exact_at(&mut word, offset as u64).unwrap();
        u64::from_le_bytes(word)
    }

    fn store(&self, offset: usize, word: u64) {
        self.memory.write_all_at(&word.to_le_bytes(), offset as u64).unwrap();
    }

    /// Claims to sleep and to have read everything, without having read any of it.
    pub fn pretend_to_sleep(&mut self) {
        self.armings += 1;
        for ring in 0..RINGS {
            let written = self.word(layout::write_position(Side::Server, ring));
            self.store(layout::read_position(Side::Client, ring), written);
        }
        self.store(layout::armed(Side::Client), self.armings * 4 + 3);
    }

    /// Everything it was given: its end of the socket and what came beside the memory.
    pub fn given(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.socket.as_fd()).chain(self.descriptors.iter().map(AsFd::as_fd))
    }
}
