//! Two processes that sleep whenever they have nothing to do: no bell between them is ever missing.
//!
//! What a side misses is found in the end by its engine's backstop, which counts it; without that a
//! round would have no end. `RINGPOST_RUNS` makes as many times the rounds of it, millions by night.

#[path = "../src/seeds.rs"]
#[allow(dead_code, reason = "it is made for the tests inside of the crate")]
mod seeds;
mod two_processes;

use std::hint;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ipc_core::blocking::{Answer, Client, Server};
use ipc_core::{CallOptions, FaceOptions, Options, Overflow, Patience, Transport};
use seeds::{Random, each_seed};
use two_processes::{Meeting, PATIENCE, TRANSPORTS, patiently, role};

/// No looking around before a sleep.
const ASLEEP: FaceOptions =
    FaceOptions { patience: Patience::NONE, timeout: PATIENCE, connect_timeout: PATIENCE };
/// Times of work between which everything happens that takes about as long as arming does.
const WORK_NS_MAX: usize = 60_000;
const ROUNDS: u32 = 1000;
const SEEDS: u64 = 3;

#[test]
fn in_another_process() {
    let Some((role, options)) = role() else { return };
    match role.as_str() {
        "worker" => work(&options),
        role => panic!("nobody knows how to be a {role}"),
    }
}

/// A server that is busy for as long as it is told to, and says when it has slept through something.
fn work(options: &Options) {
    static DONE: AtomicU64 = AtomicU64::new(0);
    let mut server = Server::bind("worker", options, ASLEEP).unwrap();
    server.handle("work", |request, reply| {
        be_busy(u64::from_le_bytes(request.payload[..8].try_into().unwrap()));
        DONE.fetch_add(1, Ordering::Relaxed);
        reply.payload.extend(request.payload);
        Ok(Answer::Now)
    });
    server.handle("done", |_, reply| {
        reply.payload.extend(DONE.load(Ordering::Relaxed).to_le_bytes());
        Ok(Answer::Now)
    });
    let stopper = server.stopper();
    server.handle("stop", move |_, _| {
        stopper.stop();
        Ok(Answer::Now)
    });
    server.run().unwrap();
    std::process::exit(if server.stats().lost_wakeups == 0 { 0 } else { 1 });
}

fn be_busy(ns: u64) {
    let until = Instant::now() + Duration::from_nanos(ns);
    while Instant::now() < until {
        hint::spin_loop();
    }
}

fn some_work(random: &mut Random) -> u64 {
    if random.percent(30) { 0 } else { random.below(WORK_NS_MAX) as u64 }
}

/// A worker in another process, and clients of it in threads of their own; each does `play`.
fn beside_a_worker(
    transport: Transport,
    random: &mut Random,
    clients: usize,
    play: fn(&mut Client, &mut Random),
) {
    let mut meeting = Meeting::new(transport);
    // Small rings, so that both sides wait for room as well.
    meeting.options.rings = [4096; ipc_core::RINGS];
    meeting.options.flow.overflow = [Overflow::Wait(PATIENCE); ipc_core::Lane::ALL.len()];
    let mut worker = meeting.run("worker");
    std::thread::scope(|scope| {
        for _ in 0..clients {
            let (mut random, options) = (Random::new(random.next()), &meeting.options);
            scope.spawn(move || {
                let mut client = patiently(|| Client::connect("worker", options, ASLEEP));
                play(&mut client, &mut random);
                assert_eq!(client.engine_stats().lost_wakeups, 0, "slept through an answer");
                client.close().unwrap();
            });
        }
    });
    let mut client = Client::connect("worker", &meeting.options, ASLEEP).unwrap();
    client.notify("stop", b"", &CallOptions::default()).unwrap();
    assert_eq!(worker.wait(), Some(0), "the worker slept through something");
}

/// Requests whose answers come at about the time their client falls asleep, because the server is
/// awake, at work on what came before.
fn ping_pong(client: &mut Client, random: &mut Random) {
    let (call, mut answer) = (CallOptions::default(), Vec::new());
    for _ in 0..ROUNDS {
        let [before, work] = [some_work(random), some_work(random)];
        if random.percent(70) {
            client.notify("work", &before.to_le_bytes(), &call).unwrap();
        }
        be_busy(some_work(random));
        client.request_into("work", &work.to_le_bytes(), &call, &mut answer).unwrap();
        assert_eq!(answer, work.to_le_bytes());
    }
}

/// More than a ring takes, again and again: the client sleeps until there is room.
fn flood(client: &mut Client, random: &mut Random) {
    let (call, mut answer) = (CallOptions::default(), Vec::new());
    let mut payload = [0; 700];
    for round in 0..ROUNDS / 10 {
        for _ in 0..random.below(20) {
            payload[..8].copy_from_slice(&(some_work(random) / 4).to_le_bytes());
            let len = 8 + random.below(payload.len() - 8);
            client.send("work", &payload[..len], &call).unwrap();
        }
        client.drain(PATIENCE).unwrap();
        if round % 4 == 0 {
            client.request_into("done", b"", &call, &mut answer).unwrap();
        }
    }
}

#[test]
fn no_answer_is_slept_through() {
    for transport in TRANSPORTS {
        each_seed(SEEDS, |random| beside_a_worker(transport, random, 1, ping_pong));
    }
}

#[test]
fn no_request_of_any_client_is_slept_through() {
    for transport in TRANSPORTS {
        each_seed(SEEDS, |random| beside_a_worker(transport, random, 3, ping_pong));
    }
}

#[test]
fn room_is_not_slept_through() {
    for transport in TRANSPORTS {
        each_seed(SEEDS, |random| beside_a_worker(transport, random, 1, flood));
    }
}
