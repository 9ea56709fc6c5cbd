//! Clients that come at once, and a server that has no means left for them.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use ipc_core::testing::{Reject, control};
use ipc_core::{Code, Engine, ListenOptions, Options, Transport};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::engines::{Side, rest};
use super::malicious_peer::{self, is_hung_up, receive, send_frame};
use super::{Meeting, alone};

fn serve(options: &Options, listen: &ListenOptions) -> (Engine, Side) {
    let mut server = Engine::new().unwrap();
    server.listen("server", options, listen).unwrap();
    (server, Side::default())
}

/// Drives a server until it has nothing to do.
fn settle(server: &mut Engine, serving: &mut Side) {
    while server.drive(serving) || !server.arm() {}
}

/// The outcome of a handshake, for the client.
fn outcome(socket: &UnixStream) -> Option<Result<(), Code>> {
    let (code, payload, _) = receive(socket)?;
    Some(match code {
        control::WELCOME => Ok(()),
        _ => Err(Reject::decode(&payload).unwrap().code),
    })
}

#[test]
fn no_more_clients_are_welcomed_than_the_limit_allows() {
    let _alone = alone();
    let meeting = Meeting::new("at-once");
    let options = meeting.options(Transport::Sealed);
    let listen = ListenOptions {
        connections_max: 3,
        ready_timeout: Duration::from_millis(300),
        ..ListenOptions::default()
    };
    let (mut server, mut serving) = serve(&options, &listen);
    let path = meeting.0.join("server.sock");
    let hello = malicious_peer::hello(Transport::Sealed).encode();
    let clients: Vec<_> = (0..200)
        .map(|_| {
            let socket = UnixStream::connect(&path).unwrap();
            send_frame(&socket, control::HELLO, &hello, &[]);
            socket
        })
        .collect();
    settle(&mut server, &mut serving);
    let outcomes: Vec<_> =
        clients.iter().map(|socket| outcome(socket).expect("an answer")).collect();
    let welcomed: Vec<_> = (0..200).filter(|at| outcomes[*at].is_ok()).collect();
    assert_eq!(welcomed.len(), 3);
    let refused = outcomes.iter().filter(|it| **it == Err(Code::TooManyConnections)).count();
    assert_eq!(refused, 197);
    // Two of them go on, and one never does: its place is free again when its time is up.
    for at in &welcomed[..2] {
        send_frame(&clients[*at], control::READY, &[], &[]);
    }
    let until = Instant::now() + Duration::from_secs(10);
    while !is_hung_up(&clients[welcomed[2]]) {
        assert!(Instant::now() < until, "it is waited for without end");
        server.drive(&mut serving);
        if server.arm() {
            rest([&server, &server]);
        }
    }
    assert_eq!(server.stats().links, 2);
    let next = UnixStream::connect(&path).unwrap();
    send_frame(&next, control::HELLO, &hello, &[]);
    settle(&mut server, &mut serving);
    assert_eq!(outcome(&next), Some(Ok(())));
}

#[test]
fn clients_that_say_nothing_go_in_turn_and_not_those_that_were_welcomed() {
    let _alone = alone();
    let meeting = Meeting::new("silent");
    let options = meeting.options(Transport::Sealed);
    let listen = ListenOptions { unfinished_max: 10, ..ListenOptions::default() };
    let (mut server, mut serving) = serve(&options, &listen);
    let path = meeting.0.join("server.sock");
    let welcomed = UnixStream::connect(&path).unwrap();
    send_frame(&welcomed, control::HELLO, &malicious_peer::hello(Transport::Sealed).encode(), &[]);
    settle(&mut server, &mut serving);
    assert_eq!(outcome(&welcomed), Some(Ok(())));
    let silent: Vec<_> = (0..30).map(|_| UnixStream::connect(&path).unwrap()).collect();
    settle(&mut server, &mut serving);
    let hung_up = silent.iter().filter(|socket| is_hung_up(socket)).count();
    assert_eq!(hung_up, 20);
    send_frame(&welcomed, control::READY, &[], &[]);
    settle(&mut server, &mut serving);
    assert!(serving.connected.is_some());
}

// ---- without descriptors ----

/// All descriptors of this process are taken as long as this lives.
struct Exhausted {
    limit: Rlimit,
    _taken: Vec<File>,
}

impl Exhausted {
    fn new() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let highest = std::fs::read_dir("/proc/self/fd").unwrap();
        let highest = highest.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let current = Some(highest.max().unwrap_or(0u64) + 4);
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
        let _taken = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        Self { limit, _taken }
    }
}

impl Drop for Exhausted {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.limit).unwrap();
    }
}

/// Sockets that need no descriptor any more to connect.
fn sockets(count: usize) -> Vec<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        || rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
    (0..count).map(|_| socket()).collect()
}

fn connect(socket: OwnedFd, path: &Path) -> UnixStream {
    rustix::net::connect(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    let socket = UnixStream::from(socket);
    send_frame(&socket, control::HELLO, &malicious_peer::hello(Transport::Sealed).encode(), &[]);
    socket
}

#[test]
fn without_descriptors_all_waiting_clients_are_refused_at_once() {
    let _alone = alone();
    let meeting = Meeting::new("descriptors");
    let options = meeting.options(Transport::Sealed);
    let (mut server, mut serving) = serve(&options, &ListenOptions::default());
    let path = meeting.0.join("server.sock");
    let (early, late, last) = (sockets(150), sockets(1), sockets(1));
    let exhausted = Exhausted::new();
    let early: Vec<_> = early.into_iter().map(|socket| connect(socket, &path)).collect();
    // One turn is enough for all.
    server.drive(&mut serving);
    for socket in &early {
        assert_eq!(outcome(socket), Some(Err(Code::NoDescriptors)));
    }
    // And the next one in its turn, while nothing is done in between.
    let turns = turns_within(&mut server, &mut serving, Duration::from_millis(200));
    assert!(turns < 300, "{turns} turns while nothing could be done");
    let late = connect(late.into_iter().next().unwrap(), &path);
    server.drive(&mut serving);
    assert_eq!(outcome(&late), Some(Err(Code::NoDescriptors)));
    // As soon as there are descriptors again, clients are let in.
    drop(exhausted);
    let next = connect(last.into_iter().next().unwrap(), &path);
    let since = Instant::now();
    while serving.connected.is_none() {
        assert!(since.elapsed() < Duration::from_secs(5), "it never recovers");
        server.drive(&mut serving);
        if outcome(&next) == Some(Ok(())) {
            send_frame(&next, control::READY, &[], &[]);
        }
        if server.arm() {
            rest([&server, &server]);
        }
    }
}

/// How often a host turns that sleeps whenever it may: each rest takes a millisecond at most.
fn turns_within(server: &mut Engine, serving: &mut Side, span: Duration) -> u32 {
    let until = Instant::now() + span;
    let mut turns = 0;
    while Instant::now() < until {
        turns += 1;
        server.drive(serving);
        if server.arm() {
            rest([server, server]);
        }
    }
    turns
}
