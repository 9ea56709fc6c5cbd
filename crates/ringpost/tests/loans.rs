//! Large payloads that are written where they will lie, and read where they lie.

// Reading and writing shared memory in place is for those who know what they do.
#![allow(unsafe_code)]

#[path = "../../ipc-core/tests/two_processes/mod.rs"]
mod two_processes;

use std::time::Duration;

use ipc_core::HEADER_LEN;
use ringpost::blocking::{Answer, Change, Client, Server};
use ringpost::{
    Arrival, CallOptions, ClientConfig, Code, CrcMode, Kind, Lane, Options, ServerConfig,
};
use two_processes::{Meeting, TRANSPORTS, WAIT_POLICY, noise, patiently, role, watch_dog};

const PLAIN: CallOptions = CallOptions::new();
const MODES: [CrcMode; 3] = [CrcMode::Off, CrcMode::Header, CrcMode::Full];

#[test]
fn in_another_process() {
    let Some((role, options)) = role() else { return };
    match role.as_str() {
        "reader" => read_in_place(&options),
        role => panic!("unknown role {role}"),
    }
}

/// A server that reads images where they lie, and says on request how many it has seen and what
/// the last one added up to. To "again" it sends a loan back, and ends when its client does.
fn read_in_place(options: &Options) {
    let mut server = Server::bind("demo", &ServerConfig::from(options)).unwrap();
    let seen = std::sync::Arc::new(std::sync::Mutex::new((0u64, 0u64)));
    let told = std::sync::Arc::clone(&seen);
    server.handle("seen", move |_, reply| {
        let (count, sum) = *told.lock().unwrap();
        reply.payload.extend([count.to_le_bytes(), sum.to_le_bytes()].concat());
        Ok(Answer::Now)
    });
    server.handle("echo", |request, reply| {
        reply.payload.extend(request.payload);
        Ok(Answer::Now)
    });
    let mut back = Vec::new();
    loop {
        let read = |arrival: Arrival<'_>| {
            assert_eq!((arrival.name, arrival.message.kind), ("image", Kind::OneWay));
            let mut seen = seen.lock().unwrap();
            seen.0 += 1;
            seen.1 = add_up(&arrival);
            back.push((arrival.link, arrival.message.len));
            // A copy is checked, what is read in place is not.
            arrival.body.append_to(&mut Vec::new())
        };
        server.turn_in_place(WAIT_POLICY, read).unwrap();
        for (link, len) in back.drain(..) {
            let mut loan = server.loan(link, "copy", len, &PLAIN).unwrap();
            loan.write(0, &noise(len, 9));
            loan.send().unwrap();
        }
        if server.changes().iter().any(|change| matches!(change, Change::Closed(..))) {
            return;
        }
    }
}

/// The sum of all bytes, read where they lie.
fn add_up(arrival: &Arrival<'_>) -> u64 {
    let start = arrival.body.as_ptr();
    // SAFETY: the body has that many bytes, and stays where it is while the arrival is borrowed.
    (0..arrival.body.len()).map(|at| u64::from(unsafe { start.add(at).read_volatile() })).sum()
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|&byte| u64::from(byte)).sum()
}

/// How many messages the reader has seen, and what the last added up to.
fn ask(client: &mut Client) -> (u64, u64) {
    let reply = client.request("seen", b"", &PLAIN).unwrap();
    let word = |at| u64::from_le_bytes(reply.payload[at..at + 8].try_into().unwrap());
    (word(0), word(8))
}

/// Waits for a loan to come back and compares it.
fn take_back(client: &mut Client, len: usize) {
    let mut has_come = false;
    while !has_come {
        let read = |arrival: Arrival<'_>| {
            assert_eq!(arrival.name, "copy");
            let mut bytes = vec![0; arrival.body.len()];
            arrival.body.copy_to(&mut bytes)?;
            assert!(bytes == noise(len, 9));
            has_come = true;
            Ok(())
        };
        assert!(client.turn_in_place(WAIT_POLICY, read).unwrap());
    }
}

#[test]
fn loans_arrive_as_they_were_filled() {
    watch_dog();
    for transport in TRANSPORTS {
        for crc in MODES {
            let meeting = Meeting::with_crc(transport, crc);
            let mut reader = meeting.run("reader");
            let mut client =
                patiently(|| Client::connect("demo", &ClientConfig::from(&meeting.options)));
            let agreement = client.peer().agreement;
            assert_eq!(agreement.crc, crc);
            let ring = agreement.geometry.rings[Lane::Normal as usize] as usize;
            let longest = ring / 4 - HEADER_LEN;
            let mut count = 0;
            // Often enough for several laps.
            for (round, len) in
                [0, 1, 24, 4000, 4096, longest].into_iter().cycle().take(60).enumerate()
            {
                let payload = noise(len, round as u64);
                let mut loan = client.loan("image", len, &PLAIN).unwrap();
                assert_eq!(loan.len(), len);
                let middle = len / 3;
                loan.write(middle, &payload[middle..]);
                if let Some(first) = payload.first() {
                    // SAFETY: the loan is longer than that, and lives on.
                    unsafe { loan.as_ptr().copy_from_nonoverlapping(first.into(), middle) };
                }
                loan.send().unwrap();
                count += 1;
                take_back(&mut client, len);
                assert_eq!(ask(&mut client), (count, sum(&payload)));
            }
            client.close().unwrap();
            assert_eq!(reader.wait(), Some(0));
        }
    }
}

#[test]
fn requests_can_be_loans_too() {
    watch_dog();
    for transport in TRANSPORTS {
        for crc in MODES {
            let meeting = Meeting::with_crc(transport, crc);
            let _reader = meeting.run("reader");
            let mut client =
                patiently(|| Client::connect("demo", &ClientConfig::from(&meeting.options)));
            for len in [0, 1, 10_000, 60_000] {
                let payload = noise(len, 5);
                let mut loan = client.loan_request("echo", len, &PLAIN).unwrap();
                loan.write(0, &payload);
                assert!(loan.request().unwrap().payload == payload);
            }
            let loan = client.loan_request("nobody does this", 8, &PLAIN).unwrap();
            assert_eq!(loan.request().unwrap_err().code(), Code::UnknownMethod);
        }
    }
}

#[test]
fn a_loan_that_is_dropped_was_never_there() {
    let meeting = Meeting::new(TRANSPORTS[0]);
    let _reader = meeting.run("reader");
    let mut client = patiently(|| Client::connect("demo", &ClientConfig::from(&meeting.options)));
    for round in 0..100 {
        let mut loan = client.loan("image", 100_000, &PLAIN).unwrap();
        loan.write(99_999, &[1]);
        // Others on the same lane and on another one take its place.
        assert_eq!(ask(&mut client), (0, 0), "round {round}");
        let urgent = PLAIN.lane(Lane::Critical);
        client.request("seen", b"", &urgent).unwrap();
    }
}

#[test]
fn a_loan_that_does_not_fit_is_refused_at_once() {
    for transport in TRANSPORTS {
        let meeting = Meeting::new(transport);
        let rings = [4096, 4096, 65536, 4096, 4096];
        let options = Options { rings, ..meeting.options.clone() };
        let mut server = Server::bind("demo", &ServerConfig::from(&options)).unwrap();
        server.handle("image", |_, _| Ok(Answer::Now));
        let connecting = std::thread::spawn(move || {
            let mut client = Client::connect("demo", &ClientConfig::from(&options)).unwrap();
            let longest = 65536 / 4 - HEADER_LEN;
            let refused = |client: &mut Client, len, options: &CallOptions| {
                client.loan("image", len, options).err().expect("too long").code()
            };
            assert_eq!(refused(&mut client, longest + 1, &PLAIN), Code::TooLarge);
            let urgent = PLAIN.lane(Lane::Critical);
            assert_eq!(refused(&mut client, 1001, &urgent), Code::TooLarge);
            let mut sent = 0;
            let refusal = loop {
                match client.loan("image", longest, &PLAIN) {
                    Ok(loan) => loan.send().unwrap(),
                    Err(error) => break error.code(),
                }
                sent += 1;
            };
            assert_eq!(refusal, Code::Full);
            assert_eq!(client.link_stats().unwrap().queued, 0);
            (client, sent)
        });
        // The server reads nothing while the client fills its ring.
        while server.changes().is_empty() {
            server.turn(WAIT_POLICY).unwrap();
        }
        let (mut client, sent) = connecting.join().unwrap();
        // Some may have come with the connection.
        assert!(sent >= 3, "{sent} of a quarter each");
        let stopper = server.stopper();
        let serving = std::thread::spawn(move || server.run());
        let mut wait_policy = 500;
        loop {
            match client.loan("image", 10_000, &PLAIN) {
                Ok(loan) => break loan.send().unwrap(),
                Err(error) => assert_eq!(error.code(), Code::Full),
            }
            wait_policy -= 1;
            assert!(wait_policy > 0, "the ring stays full");
            client.turn(Duration::from_millis(2)).unwrap();
        }
        stopper.stop();
        serving.join().unwrap().unwrap();
    }
}

#[test]
fn what_is_not_in_one_place_goes_to_its_handler() {
    let meeting = Meeting::new(TRANSPORTS[0]);
    let mut server = Server::bind("demo", &ServerConfig::from(&meeting.options)).unwrap();
    let handled = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let lens = std::sync::Arc::clone(&handled);
    server.handle("image", move |request, _| {
        lens.store(request.payload.len(), std::sync::atomic::Ordering::SeqCst);
        Ok(Answer::Now)
    });
    let options = meeting.options.clone();
    let sending = std::thread::spawn(move || {
        let mut client = Client::connect("demo", &ClientConfig::from(&options)).unwrap();
        client.notify("image", &noise(1 << 20, 1), &PLAIN).unwrap();
        client.notify("image", b"short", &PLAIN).unwrap();
        client.drain(WAIT_POLICY).unwrap();
        client.close().unwrap();
    });
    let mut in_place = Vec::new();
    while in_place.is_empty() {
        let read = |arrival: Arrival<'_>| arrival.body.append_to(&mut in_place);
        assert!(server.turn_in_place(WAIT_POLICY, read).unwrap());
    }
    assert_eq!(in_place, b"short");
    assert_eq!(handled.load(std::sync::atomic::Ordering::SeqCst), 1 << 20);
    sending.join().unwrap();
}
