//! Bells of peers that try to block this side or to keep it busy.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ipc_core::{Draft, Engine, Kind, ListenOptions, Options, Transport, id};
use rustix::fs::OFlags;

use super::engines::{Side, answer_all, request, rest};
use super::malicious_peer::{self, MaliciousPeer};
use super::{Meeting, alone};

/// Within this everything has to be over that might block.
pub const BOUND: Duration = Duration::from_secs(20);
const TRANSPORTS: [Transport; 2] = [Transport::Sealed, Transport::Portable];

/// Runs something in a thread of its own, which has to come to an end.
pub fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    outcome.recv_timeout(BOUND).unwrap_or_else(|error| panic!("{what}: {error}"))
}

#[test]
fn a_bell_never_blocks_whatever_a_peer_does_to_its_descriptors() {
    let _alone = alone();
    for transport in TRANSPORTS {
        let meeting = Meeting::new("full-bell");
        let options = meeting.options(transport);
        let path = meeting.0.join("server.sock");
        let rings = in_time("ringing", move || ring_a_malicious_peer(&options, &path));
        assert!(rings >= 2000, "{rings} bells under {transport:?}");
    }
}

/// Rings for a peer that has filled up whatever takes bells and reads nothing. Returns how often.
fn ring_a_malicious_peer(options: &Options, path: &std::path::Path) -> u64 {
    let (mut server, mut serving) = (Engine::new().unwrap(), Side::default());
    server.listen("server", options, &ListenOptions::default()).unwrap();
    let hello = malicious_peer::hello(options.transport.unwrap());
    let mut malicious_peer = MaliciousPeer::meet(path, &hello, || {
        server.drive(&mut serving);
    });
    for fd in malicious_peer.given() {
        // The flags are of the open file description, which both may hold.
        rustix::fs::fcntl_setfl(fd, OFlags::empty()).unwrap();
    }
    for counter in &malicious_peer.descriptors {
        rustix::io::write(counter, &(u64::MAX - 1).to_ne_bytes()).unwrap();
    }
    let link = serving.connected.unwrap();
    let code = server.code("tick").unwrap();
    let tick = Draft { kind: Kind::OneWay, id: 0, timeout: None, ..request(code) };
    for _ in 0..2000 {
        malicious_peer.pretend_to_sleep();
        server.send(link, &tick, b"tick").unwrap();
        server.flush();
        server.drive(&mut serving);
    }
    assert!(serving.closed.is_empty(), "closed: {:?}", serving.closed);
    // What is there wakes it.
    assert!(rustix::io::ioctl_fionread(&malicious_peer.socket).unwrap() > 0);
    server.link_stats(link).unwrap().rings
}

#[test]
fn a_flood_of_bells_does_not_delay_other_connections() {
    let _alone = alone();
    for transport in TRANSPORTS {
        let meeting = Meeting::new("flood");
        let options = meeting.options(transport);
        let path = meeting.0.join("server.sock");
        in_time("asking beside a flood", move || ask_beside_a_flood(&options, &path));
    }
}

fn ask_beside_a_flood(options: &Options, path: &std::path::Path) {
    let (mut server, mut serving) = (Engine::new().unwrap(), Side::default());
    server.listen("server", options, &ListenOptions::default()).unwrap();
    let hello = malicious_peer::hello(options.transport.unwrap());
    let attackers: Vec<_> = (0..4)
        .map(|_| {
            MaliciousPeer::meet(path, &hello, || {
                server.drive(&mut serving);
            })
        })
        .collect();
    let over = Arc::new(AtomicBool::new(false));
    let floods: Vec<_> = attackers
        .iter()
        .map(|malicious_peer| flood(malicious_peer.socket.try_clone().unwrap(), Arc::clone(&over)))
        .collect();
    let (mut client, mut asking) = (Engine::new().unwrap(), Side::default());
    let link = client.connect("server", options, BOUND).unwrap();
    let code = client.code("echo").unwrap();
    let mut answers = 0;
    let until = Instant::now() + BOUND;
    while answers < 200 {
        assert!(Instant::now() < until, "{answers} answers");
        client.drive(&mut asking);
        if asking.connected.is_some() && asking.answer.take().is_some() | (answers == 0) {
            answers += 1;
            let draft = Draft { id: id::join(0, answers), timeout: None, ..request(code) };
            client.send(link, &draft, b"question").unwrap();
            client.flush();
        }
        server.drive(&mut serving);
        answer_all(&mut server, &mut serving);
        if client.arm() {
            rest([&client, &server]);
        }
    }
    over.store(true, Ordering::Relaxed);
    for flood in floods {
        flood.join().unwrap();
    }
    assert!(serving.closed.is_empty(), "closed: {:?}", serving.closed);
}

/// Rings as often as there is room.
fn flood(socket: UnixStream, over: Arc<AtomicBool>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            malicious_peer::send(&socket, &[1; 4096], &[]);
        }
    })
}
