//! Peers that die, are too many, or write nonsense.

use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use ipc_core::testing::faults;
use ipc_core::{
    Bounds, Code, CrcMode, Engine, Geometry, HEADER_LEN, LinkId, ListenOptions, Options, Transport,
    id,
};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::engines::{Side, answer_all, request, rest};
use super::{Meeting, alone};

/// Two engines of this thread and what became of them.
pub struct Pair {
    pub server: Engine,
    pub client: Engine,
    pub serving: Side,
    pub asking: Side,
    pub link: LinkId,
}

impl Pair {
    /// A server, and a client on its way to it.
    pub fn meet(options: &Options) -> Self {
        let (mut server, mut client) = (Engine::new().unwrap(), Engine::new().unwrap());
        server.listen("server", options, &ListenOptions::default()).unwrap();
        let link = client.connect("server", options, Duration::from_secs(5)).unwrap();
        Self { server, client, serving: Side::default(), asking: Side::default(), link }
    }

    pub fn connected(options: &Options) -> Self {
        let mut pair = Self::meet(options);
        pair.drive_until("connected", |pair| {
            pair.asking.connected.is_some() && pair.serving.connected.is_some()
        });
        pair
    }

    pub fn drive_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(10);
        while !done(self) {
            assert!(Instant::now() < until, "never {what}");
            self.client.drive(&mut self.asking);
            self.server.drive(&mut self.serving);
            if self.client.arm() & self.server.arm() {
                rest([&self.client, &self.server]);
            }
        }
    }
}

#[test]
fn a_server_without_memory_waits_before_it_accepts_again() {
    let _alone = alone();
    let meeting = Meeting::new("memory");
    for errno in [Errno::NOMEM, Errno::NOBUFS, Errno::MFILE] {
        let mut pair = Pair::meet(&meeting.options(Transport::Sealed));
        faults::fail_nth(0, true, errno);
        let until = Instant::now() + Duration::from_millis(60);
        let mut turns = 0;
        while Instant::now() < until {
            turns += 1;
            pair.server.drive(&mut pair.serving);
            if pair.server.arm() {
                rest([&pair.server, &pair.server]);
            }
        }
        assert!(faults::stop(), "no client was accepted");
        // Each rest takes a millisecond, unless something is there at once, again and again.
        assert!(turns < 200, "{turns} turns with {errno:?}");
        if errno == Errno::MFILE {
            // The reserve could not be used either, so the client is still waiting.
            assert!(pair.asking.closed.is_empty());
        }
        pair.drive_until("connected", |pair| pair.asking.connected.is_some());
    }
}

/// Connects without ever sending anything, or reports that the queue is full.
fn crowd(path: &Path) -> Option<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
    match rustix::net::connect(&socket, &SocketAddrUnix::new(path).unwrap()) {
        Ok(()) => Some(socket),
        Err(Errno::AGAIN) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_client_whose_server_has_a_full_queue_tries_until_it_is_accepted() {
    let _alone = alone();
    let meeting = Meeting::new("queue");
    let options = meeting.options(Transport::Sealed);
    let (mut server, mut client) = (Engine::new().unwrap(), Engine::new().unwrap());
    server.listen("server", &options, &ListenOptions::default()).unwrap();
    let path = meeting.0.join("server.sock");
    let crowd: Vec<_> = std::iter::from_fn(|| crowd(&path)).collect();
    let link = client.connect("server", &options, Duration::from_secs(5)).unwrap();
    let (serving, mut asking) = (Side::default(), Side::default());
    let until = Instant::now() + Duration::from_millis(60);
    let mut turns = 0;
    while Instant::now() < until {
        turns += 1;
        client.drive(&mut asking);
        if client.arm() {
            rest([&client, &client]);
        }
    }
    assert!(asking.closed.is_empty(), "it gave up: {:?}", asking.closed);
    assert!(turns < 200, "{turns} turns while there was nothing to do");
    drop(crowd);
    let mut pair = Pair { server, client, serving, asking, link };
    pair.drive_until("let in", |pair| pair.asking.connected.is_some());
}

#[test]
fn the_requests_of_a_dead_client_do_not_hold_its_end_back() {
    let _alone = alone();
    let meeting = Meeting::new("dead");
    let bounds = Bounds { serving_max: 4, ..Bounds::DEFAULT };
    let options = Options { bounds, ..meeting.options(Transport::Sealed) };
    let mut pair = Pair::connected(&options);
    let code = pair.client.code("echo").unwrap();
    for slot in 0..40 {
        let draft = ipc_core::Draft { id: id::join(slot, 1), timeout: None, ..request(code) };
        pair.client.send(pair.link, &draft, b"question").unwrap();
    }
    pair.client.flush();
    // No word of farewell: this is how a killed process leaves.
    pair.client = Engine::new().unwrap();
    pair.drive_until("closed", |pair| !pair.serving.closed.is_empty());
    assert_eq!(pair.serving.closed, [Some(Code::PeerLost)]);
    assert_eq!(pair.serving.asked.len(), 40, "what it had asked was read");
    assert_eq!(pair.server.stats().links, 0);
}

// ---- flipped bits between two engines ----

/// Where the rings the client writes start in memory, in either mapping.
fn client_rings(geometry: &Geometry) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mapping = maps.lines().find(|line| line.contains("memfd:ringpost")).unwrap();
    let start = mapping.split('-').next().unwrap();
    let direction: u32 = geometry.rings.iter().sum();
    u64::from_str_radix(start, 16).unwrap() + 4096 + u64::from(direction)
}

fn flip(address: u64, bit: u64) {
    let memory = std::fs::File::options().read(true).write(true).open("/proc/self/mem").unwrap();
    let (mut byte, at) = ([0], address + bit / 8);
    memory.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 1 << (bit % 8);
    memory.write_all_at(&byte, at).unwrap();
}

/// Flips one bit of what `write` makes the client write first into ring `ring`, before the server
/// has
/// looked. Returns what the server closed with.
fn closed_with(
    options: &Options,
    ring: usize,
    bit: u64,
    write: impl Fn(&mut Pair),
) -> Option<Code> {
    let mut pair = Pair::connected(options);
    write(&mut pair);
    let geometry = Geometry { rings: options.rings };
    let before: u32 = geometry.rings[..ring].iter().sum();
    flip(client_rings(&geometry) + u64::from(before), bit);
    pair.drive_until("closed", |pair| !pair.serving.closed.is_empty());
    pair.serving.closed[0]
}

#[test]
fn every_flipped_bit_of_a_cancel_ends_the_session() {
    let _alone = alone();
    let meeting = Meeting::new("cancel");
    for crc in [CrcMode::Header, CrcMode::Full] {
        let rings = [4096; 5];
        let options = Options { crc, rings, ..meeting.options(Transport::Sealed) };
        for bit in 0..HEADER_LEN as u64 * 8 {
            let code = closed_with(&options, 4, bit, |pair| {
                let code = pair.client.code("echo").unwrap();
                let draft = ipc_core::Draft { timeout: None, ..request(code) };
                pair.client.send(pair.link, &draft, b"question").unwrap();
                pair.client.flush();
                // The server is at work on it when it is cancelled.
                let Pair { server, serving, .. } = pair;
                server.drive(serving);
                assert!(pair.client.cancel(pair.link, id::join(0, 1)));
            });
            assert_eq!(code, Some(Code::Corrupt), "bit {bit} with {crc:?}");
        }
    }
}

#[test]
fn every_flipped_bit_of_a_late_reply_ends_the_session() {
    let _alone = alone();
    let meeting = Meeting::new("reply");
    let rings = [4096; 5];
    let crc = CrcMode::Full;
    let options = Options { crc, rings, ..meeting.options(Transport::Sealed) };
    for bit in 0..(HEADER_LEN as u64 + 8) * 8 {
        let code = closed_with(&options, 2, bit, |pair| {
            // The server asks, the client answers, and a bit of the answer flips: also one that
            // makes it the answer to another request.
            let Pair { server, client, serving, asking, .. } = pair;
            let (to_client, code) = (serving.connected.unwrap(), server.code("echo").unwrap());
            server.send(to_client, &request(code), b"question").unwrap();
            server.flush();
            client.drive(asking);
            answer_all(client, asking);
        });
        assert_eq!(code, Some(Code::Corrupt), "bit {bit}");
    }
}
