//! Named segments that are made shorter while they are in use, by either side.

use std::fs::File;
use std::path::PathBuf;

use ipc_core::{Code, CrcMode, Draft, Engine, ListenOptions, Options, Transport, id};

use super::bells::in_time;
use super::engines::{Side, answer_all, request, rest};
use super::malicious_peer::{self, MaliciousPeer};
use super::peers::Pair;
use super::{Meeting, alone, geometry};

#[test]
fn a_client_that_makes_the_memory_shorter_loses_its_connection_and_no_other() {
    let _alone = alone();
    // Down to nothing, to the words, and to the first of its rings.
    for (length, writes) in [(0, false), (0, true), (4096, true), (20_000, true)] {
        let meeting = Meeting::new("shorter");
        let options = Options { rings: [8192; 5], ..meeting.options(Transport::Portable) };
        let mut pair = Pair::connected(&options);
        let Pair { server, serving, .. } = &mut pair;
        let path = meeting.0.join("server.sock");
        let hello = malicious_peer::hello(Transport::Portable);
        let malicious_peer = MaliciousPeer::meet(&path, &hello, || {
            server.drive(serving);
        });
        let link = serving.connected.unwrap();
        malicious_peer.memory.set_len(length).unwrap();
        let code = server.code("echo").unwrap();
        if writes {
            let draft = Draft { id: id::join(0, 1), ..request(code) };
            let _ = server.send(link, &draft, &[7; 1000]);
            server.flush();
        }
        malicious_peer::send(&malicious_peer.socket, &[1], &[]);
        pair.drive_until("closed", |pair| !pair.serving.closed.is_empty());
        assert_eq!(pair.serving.closed, [Some(Code::Corrupt)], "{length} {writes}");
        assert_eq!(pair.server.stats().links, 1);
        still_answers(&mut pair);
    }
}

/// The connection of the pair is as it was.
fn still_answers(pair: &mut Pair) {
    let code = pair.client.code("echo").unwrap();
    let draft = Draft { timeout: None, ..request(code) };
    pair.client.send(pair.link, &draft, b"question").unwrap();
    pair.client.flush();
    pair.asking.answer = None;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while pair.asking.answer.is_none() {
        assert!(std::time::Instant::now() < until, "no answer");
        pair.server.drive(&mut pair.serving);
        answer_all(&mut pair.server, &mut pair.serving);
        pair.client.drive(&mut pair.asking);
        if pair.client.arm() & pair.server.arm() {
            rest([&pair.client, &pair.server]);
        }
    }
}

/// The segment of a connection that is being made: no other segment has its length.
fn segment() -> PathBuf {
    let rings: u32 = geometry().rings.iter().sum();
    let len = 4096 + 2 * u64::from(rings);
    let entries = std::fs::read_dir("/dev/shm").unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    let is_it = |path: &PathBuf| {
        path.to_string_lossy().contains("/ringpost.")
            && std::fs::metadata(path).is_ok_and(|meta| meta.len() == len)
    };
    paths.find(is_it).expect("a segment that has its name")
}

/// A pair, and the file both of its ends have mapped.
fn pair_with_file(options: &Options) -> (Pair, File) {
    let mut pair = Pair::meet(options);
    while std::panic::catch_unwind(segment).is_err() {
        // The server alone, so that READY is not sent and the name stays.
        pair.server.drive(&mut pair.serving);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let file = File::options().read(true).write(true).open(segment()).unwrap();
    pair.drive_until("connected", |pair| {
        pair.asking.connected.is_some() && pair.serving.connected.is_some()
    });
    (pair, file)
}

#[test]
fn both_ends_survive_truncation_during_traffic() {
    let _alone = alone();
    for crc in [CrcMode::Off, CrcMode::Header, CrcMode::Full] {
        for length in [0, 4096] {
            let meeting = Meeting::new("between");
            let options = Options { crc, ..meeting.options(Transport::Portable) };
            let (mut pair, file) = pair_with_file(&options);
            let code = pair.client.code("echo").unwrap();
            for slot in 0..4 {
                let draft = Draft { id: id::join(slot, 1), timeout: None, ..request(code) };
                pair.client.send(pair.link, &draft, &[7; 900]).unwrap();
                pair.client.flush();
                pair.server.drive(&mut pair.serving);
            }
            file.set_len(length).unwrap();
            answer_all(&mut pair.server, &mut pair.serving);
            pair.drive_until("closed", |pair| {
                !pair.asking.closed.is_empty() && !pair.serving.closed.is_empty()
            });
            // One of them has found it, and the other too or its end.
            for closed in [&pair.asking.closed, &pair.serving.closed] {
                assert!(
                    matches!(closed[..], [Some(Code::Corrupt | Code::PeerLost)]),
                    "{closed:?} {length}"
                );
            }
        }
    }
}

#[test]
fn a_side_that_was_asleep_learns_of_it_when_it_wakes_up() {
    let _alone = alone();
    let meeting = Meeting::new("asleep");
    let (mut pair, file) = pair_with_file(&meeting.options(Transport::Portable));
    while !(pair.client.arm() & pair.server.arm()) {
        pair.client.drive(&mut pair.asking);
        pair.server.drive(&mut pair.serving);
    }
    file.set_len(0).unwrap();
    // The first access is the one that arms: it must not go to sleep over it.
    let _ = pair.client.cancel(pair.link, 7);
    pair.drive_until("closed", |pair| !pair.asking.closed.is_empty());
    assert_eq!(pair.asking.closed, [Some(Code::Corrupt)]);
}

#[test]
fn any_thread_survives_it() {
    let _alone = alone();
    let meeting = Meeting::new("thread");
    let options = meeting.options(Transport::Portable);
    let closed = in_time("a thread with a small stack", move || threaded(&options));
    assert_eq!(closed, [Some(Code::Corrupt)]);
}

fn threaded(options: &Options) -> Vec<Option<Code>> {
    let (mut pair, file) = pair_with_file(options);
    let small = std::thread::Builder::new().stack_size(64 << 10);
    let driving = small.spawn(move || {
        file.set_len(0).unwrap();
        pair.drive_until("closed", |pair| !pair.asking.closed.is_empty());
        pair.asking.closed
    });
    driving.unwrap().join().unwrap()
}

#[test]
fn a_server_offers_named_segments_only_when_it_is_asked_to() {
    let _alone = alone();
    let meeting = Meeting::new("offers");
    let sealed = meeting.options(Transport::Sealed);
    let options = Options { transport: None, ..sealed };
    let (mut server, mut serving) = (Engine::new().unwrap(), Side::default());
    server.listen("server", &options, &ListenOptions::default()).unwrap();
    let socket = std::os::unix::net::UnixStream::connect(meeting.0.join("server.sock")).unwrap();
    let hello = malicious_peer::hello(Transport::Portable);
    malicious_peer::send_frame(&socket, ipc_core::testing::control::HELLO, &hello.encode(), &[]);
    let (code, payload, _) = loop {
        server.drive(&mut serving);
        if let Some(received) = malicious_peer::receive(&socket) {
            break received;
        }
    };
    assert_eq!(code, ipc_core::testing::control::REJECT);
    let reject = ipc_core::testing::Reject::decode(&payload).unwrap();
    assert_eq!(reject.code, Code::Feature);
}
