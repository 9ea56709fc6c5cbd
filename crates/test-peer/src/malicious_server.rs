//! A malicious server: it answers a HELLO with an invalid WELCOME, or not at all.

use std::fs::{self, File, Permissions};
use std::io::{Read, Result, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use ipc_core::testing::layout::{self, Side};
use ipc_core::testing::{Address, Features, Header, Hello, Welcome, control};
use ringpost::{Agreement, Code, EngineId, Kind, SessionId, Transport};
use rustix::fs::{FlockOperation, MemfdFlags, SealFlags};
use serde_json::{Value, json};

use crate::malicious::{MaliciousPeer, Shared, rejection};
use crate::{State, lock, malicious_takeover, records, wire};

/// The session and engine it claims.
type Names = (SessionId, EngineId);

/// Listens, and returns the number of the malicious peer that exists once a client has connected.
pub fn serve(
    path: &str,
    transport: &str,
    answer: &str,
    names: Names,
    state: Arc<State>,
) -> Result<Value> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    let (number, transport, answer) =
        (state.number(), wire::transport(transport), answer.to_owned());
    let path = PathBuf::from(path);
    std::thread::spawn(move || {
        let Ok((socket, _)) = listener.accept() else { return };
        let mut peer = MaliciousPeer::new(socket).expect("a socket");
        // The row checks how the client fails.
        let played = match peer.receive() {
            Ok(Some((control::TAKE_OVER, ..))) => {
                malicious_takeover::answer(&peer, &path, &listener, &answer)
            }
            Ok(Some((_, hello, _))) => play(&mut peer, &hello, transport, &answer, names),
            _ => Ok(()),
        };
        if played.is_ok() {
            lock(&state.malicious).insert(number, Arc::new(Mutex::new(peer)));
        }
    });
    Ok(json!({ "peer": number }))
}

fn play(
    peer: &mut MaliciousPeer,
    hello: &[u8],
    transport: Transport,
    answer: &str,
    names: Names,
) -> Result<()> {
    let hello = Hello::decode(hello).map_err(std::io::Error::other)?;
    match answer {
        "version" => peer.send_frame(control::REJECT, &rejection(Code::Version).encode(), &[]),
        "feature" => peer.send_frame(control::REJECT, &rejection(Code::Feature).encode(), &[]),
        "garbage" => peer.socket.write_all(&[0xa5; 200]),
        "silence" => {
            // Until the client hangs up.
            let _ = peer.receive();
            Ok(())
        }
        "hangUp" => peer.socket.shutdown(std::net::Shutdown::Both),
        _ => welcome(peer, &hello, transport, answer, names),
    }
}

fn welcome(
    peer: &mut MaliciousPeer,
    hello: &Hello,
    transport: Transport,
    answer: &str,
    (session, engine): Names,
) -> Result<()> {
    let geometry = transport.geometry().with(hello.rings);
    let (crc, limits) = (hello.crc, hello.limits);
    let agreement =
        Agreement { geometry, crc, limits, streams: false, compression: false, liveness: false };
    let features = match answer {
        "unknownFeature" => Features(transport.feature().0 | 1 << 40),
        "noTransport" => Features(0),
        _ => transport.feature(),
    };
    let welcome = |address| Welcome {
        version: if answer == "otherVersion" { 2 } else { 1 },
        transport,
        features,
        agreement,
        session,
        engine,
        address,
    };
    let len = layout::segment_len(&geometry) as u64;
    let memory = match transport {
        Transport::Portable => named(peer, welcome, len, answer)?,
        Transport::Socket => {
            let none = records::no_memory()?;
            let descriptors = if answer == "tooMany" { vec![none.as_fd()] } else { vec![] };
            peer.send_frame(control::WELCOME, &welcome(None).encode(), &descriptors)?;
            none
        }
        _ => sealed(peer, &welcome(None), len, answer)?,
    };
    peer.share(Shared::new(memory, transport, Side::Server, agreement));
    // READY, or a client that has hung up.
    peer.receive()?;
    Ok(())
}

fn sealed(peer: &MaliciousPeer, welcome: &Welcome, len: u64, answer: &str) -> Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let memory = rustix::fs::memfd_create("ringpost", flags)?;
    rustix::fs::ftruncate(&memory, if answer == "otherSize" { len / 2 } else { len })?;
    if answer != "unsealed" {
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&memory, seals)?;
    }
    let null = File::open("/dev/null")?;
    let descriptors = match answer {
        "noDescriptors" => vec![],
        "tooMany" => vec![memory.as_fd(), null.as_fd()],
        "farTooMany" => vec![memory.as_fd(); 8],
        "noMemory" => vec![null.as_fd()],
        _ => vec![memory.as_fd()],
    };
    if answer == "lateDescriptor" {
        let payload = welcome.encode();
        let header = Header::new(Kind::Control, control::WELCOME, 0).with_len(payload.len());
        let frame = [&header.to_bytes(&payload), &payload[..]].concat();
        peer.send(&frame[..40], &[])?;
        // Until the client has read the first part.
        while unread(&peer.socket) > 0 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        peer.send(&frame[40..], &descriptors)?;
    } else {
        peer.send_frame(control::WELCOME, &welcome.encode(), &descriptors)?;
    }
    Ok(File::from(memory))
}

/// Bytes in the kernel's buffers that the other side has not read.
#[allow(unsafe_code)]
fn unread(socket: &impl AsRawFd) -> libc::c_int {
    let mut unread = 0;
    // SAFETY: the socket is open, and the ioctl writes one `c_int`.
    unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut unread) };
    unread
}

fn named(
    peer: &MaliciousPeer,
    welcome: impl Fn(Option<Address>) -> Welcome,
    len: u64,
    answer: &str,
) -> Result<File> {
    let mut random = [0; 20];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let suffix: String = random.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    let name = format!("ringpost.{suffix}");
    let path = format!("/dev/shm/{name}");
    let memory = File::options().read(true).write(true).create_new(true).open(&path)?;
    if answer == "linked" {
        fs::hard_link(&path, format!("{path}.link"))?;
    }
    let mode = if answer == "openToAll" { 0o666 } else { 0o600 };
    memory.set_permissions(Permissions::from_mode(mode))?;
    // Locked, so that it does not count as left behind by a dead process.
    rustix::fs::flock(&memory, FlockOperation::LockExclusive)?;
    memory.set_len(if answer == "otherSize" { len / 2 } else { len })?;
    let nonce = [5; layout::NONCE_LEN];
    memory.write_all_at(&nonce, layout::NONCE as u64)?;
    let (name, nonce) = match answer {
        "noSegment" => ("ringpost.aaaaaaaaaaaaaaaaaaaa".into(), nonce),
        "otherName" => ("../../etc/passwd".into(), nonce),
        "otherNonce" => (name, [6; layout::NONCE_LEN]),
        _ => (name, nonce),
    };
    let null = File::open("/dev/null")?;
    let descriptors = if answer == "tooMany" { vec![null.as_fd()] } else { vec![] };
    peer.send_frame(
        control::WELCOME,
        &welcome(Some(Address { name, nonce })).encode(),
        &descriptors,
    )?;
    // Once READY or an end of file arrives, the client has mapped the segment or rejected it.
    let mut peek = [0];
    let _ = rustix::net::recv(&peer.socket, &mut peek, rustix::net::RecvFlags::PEEK);
    if answer == "linked" {
        fs::remove_file(format!("{path}.link"))?;
    }
    fs::remove_file(path)?;
    Ok(memory)
}
