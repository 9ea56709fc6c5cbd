//! Connections without shared memory whose socket takes no more, or brings what does not belong.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::Instant;

use ipc_core::{Bounds, Code, Draft, Engine, Kind, Lane, ListenOptions, Options, Transport};

use super::bells::{BOUND, in_time};
use super::engines::{Side, request, rest};
use super::malicious_peer::{self, MaliciousPeer};
use super::{Meeting, alone};

/// More than a socket takes at once, and less than a lane of this size holds.
const LONG: usize = 2 << 20;
const RINGS: [u32; 5] = [65_536, 65_536, 8 << 20, 65_536, 16_384];

fn options(meeting: &Meeting) -> Options {
    Options { rings: RINGS, ..meeting.options(Transport::Socket) }
}

fn one_way(engine: &mut Engine) -> Draft {
    let code = engine.code("long").unwrap();
    Draft { kind: Kind::OneWay, id: 0, timeout: None, ..request(code) }
}

/// A server and a client that have met.
fn pair(options: &Options) -> (Engine, Side, Engine, Side) {
    let (mut server, mut client) = (Engine::new().unwrap(), Engine::new().unwrap());
    let (mut serving, mut asking) = (Side::default(), Side::default());
    server.listen("server", options, &ListenOptions::default()).unwrap();
    client.connect("server", options, BOUND).unwrap();
    while asking.connected.is_none() || serving.connected.is_none() {
        server.drive(&mut serving);
        client.drive(&mut asking);
    }
    (server, serving, client, asking)
}

fn noise() -> Vec<u8> {
    (0..LONG).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

#[test]
fn what_the_socket_did_not_take_follows_when_it_takes_more() {
    let _alone = alone();
    let meeting = Meeting::new("stream");
    let options = options(&meeting);
    in_time("sending", move || {
        let (mut server, mut serving, mut client, mut asking) = pair(&options);
        let (link, draft) = (asking.connected.unwrap(), one_way(&mut client));
        client.send(link, &draft, &noise()).unwrap();
        client.flush();
        assert!(client.arm(), "there is nothing to be done before the server reads");
        let until = Instant::now() + BOUND;
        while serving.asked.is_empty() {
            assert!(Instant::now() < until, "it does not arrive");
            server.drive(&mut serving);
            client.drive(&mut asking);
            if server.arm() && client.arm() {
                rest([&server, &client]);
            }
        }
        assert!(serving.asked[0].2 == noise());
    });
}

#[test]
fn a_side_that_closes_sends_everything_before_the_end() {
    let _alone = alone();
    let meeting = Meeting::new("stream-end");
    let options = options(&meeting);
    in_time("closing", move || {
        let (mut server, mut serving, mut client, mut asking) = pair(&options);
        let (link, draft) = (asking.connected.unwrap(), one_way(&mut client));
        client.send(link, &draft, &noise()).unwrap();
        client.close(link, &mut asking);
        assert!(client.is_open(link), "the socket has not taken all of it");
        while serving.closed.is_empty() {
            server.drive(&mut serving);
            client.drive(&mut asking);
        }
        assert!(serving.asked[0].2 == noise());
        assert_eq!((&serving.closed[..], &asking.closed[..]), (&[None][..], &[None][..]));
    });
}

#[test]
fn a_peer_that_reads_nothing_holds_nobody_up_and_lets_a_bounded_amount_wait() {
    let _alone = alone();
    let meeting = Meeting::new("stream-full");
    let bounds = Bounds { backlog_max: 1 << 16, ..Bounds::DEFAULT };
    let options = Options { bounds, ..meeting.options(Transport::Socket) };
    let path = meeting.0.join("server.sock");
    in_time("sending", move || {
        let (mut server, mut serving) = (Engine::new().unwrap(), Side::default());
        server.listen("server", &options, &ListenOptions::default()).unwrap();
        let hello = malicious_peer::hello(Transport::Socket);
        let peer = MaliciousPeer::meet(&path, &hello, || {
            server.drive(&mut serving);
        });
        let (link, draft) = (serving.connected.unwrap(), one_way(&mut server));
        let refused = (0..1_000_000).find_map(|_| {
            let sent = server.send(link, &draft, &[0; 900]);
            server.flush();
            server.drive(&mut serving);
            sent.err()
        });
        assert_eq!(refused.expect("a bound").code(), Code::Full);
        // What is urgent has room of its own.
        let urgent = Draft { lane: Lane::Critical, ..draft };
        server.send(link, &urgent, b"urgent").unwrap();
        assert!(serving.closed.is_empty());
        drop(peer);
        while serving.closed.is_empty() {
            server.drive(&mut serving);
        }
        assert_eq!(serving.closed, [Some(Code::PeerLost)]);
    });
}

#[test]
fn descriptors_beside_a_record_end_the_connection() {
    let _alone = alone();
    let meeting = Meeting::new("stream-descriptors");
    let options = meeting.options(Transport::Socket);
    let path = meeting.0.join("server.sock");
    in_time("hanging up", move || {
        let (mut server, mut serving) = (Engine::new().unwrap(), Side::default());
        server.listen("server", &options, &ListenOptions::default()).unwrap();
        let hello = malicious_peer::hello(Transport::Socket);
        let peer = MaliciousPeer::meet(&path, &hello, || {
            server.drive(&mut serving);
        });
        // Nothing was read so far.
        let positions = [&[8, 0, 0, 0, 40, 0, 0, 0][..], &[0; 40]].concat();
        malicious_peer::send(&peer.socket, &positions, &[]);
        server.drive(&mut serving);
        assert!(serving.closed.is_empty());
        let null = File::open("/dev/null").unwrap();
        malicious_peer::send(&peer.socket, &positions, &[null.as_fd()]);
        while serving.closed.is_empty() {
            server.drive(&mut serving);
        }
        assert_eq!(serving.closed, [Some(Code::Corrupt)]);
    });
}
