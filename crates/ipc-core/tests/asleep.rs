//! Two processes that sleep whenever they have nothing to do: no bell between them is ever missing.
//!
//! What a side misses is found in the end by its engine's backstop, which counts it; without that a
//! round would have no end. `RINGPOST_RUNS` makes as many times the rounds of it, millions by
//! night.

#[path = "../src/seeds.rs"]
#[allow(dead_code, reason = "it is made for the tests inside of the crate")]
mod seeds;
mod two_processes;

use std::hint;
use std::sync::atomic::{AtomicU64, Ordering};

use ipc_core::{Options, Overflow, Transport, WaitPolicy};
use ringpost::blocking::{Answer, Client, Server};
use ringpost::{CallOptions, ClientConfig, ServerConfig};
use rustix::time::{ClockId, clock_gettime};
use seeds::{Random, each_seed};
use two_processes::{Meeting, TRANSPORTS, WAIT_POLICY, patiently, role};

/// How long before the end of its work a worker receives the order: enough for it to wake up.
const NOTICE_NS: u64 = 40_000;
/// How much the moment of falling asleep is moved, and how far.
const STEP_NS: u64 = 100;
const LEAD_NS_MAX: u64 = 20_000;
/// A round that takes longer stood still until something else woke it; a machine may do that to
/// one.
const STALLED_NS: u64 = 500_000_000;
const ROUNDS: u64 = 1000;
const SEEDS: u64 = 3;

/// A client that does not poll before it sleeps.
fn asleep(options: &Options) -> ClientConfig {
    let config = ClientConfig::from(options).wait_policy(WaitPolicy::NONE);
    config.timeout(WAIT_POLICY).connect_timeout(WAIT_POLICY)
}

#[test]
fn in_another_process() {
    let Some((role, options)) = role() else { return };
    match role.as_str() {
        "worker" => work(&options),
        role => panic!("unknown role {role}"),
    }
}

/// A server that works as it is ordered to, and reports when it has slept through something.
fn work(options: &Options) {
    static DONE: AtomicU64 = AtomicU64::new(0);
    let mut server =
        Server::bind("worker", &ServerConfig::from(options).wait_policy(WaitPolicy::NONE)).unwrap();
    server.handle("work", |request, reply| {
        let until = u64::from_le_bytes(request.payload[..8].try_into().unwrap());
        // Never for long.
        be_busy_until(until.min(now_ns() + 2 * NOTICE_NS));
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
    std::process::exit(if server.engine_stats().lost_wakeups == 0 { 0 } else { 1 });
}

/// The same clock in both processes.
fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap()
}

fn be_busy_until(ns: u64) {
    while now_ns() < ns {
        hint::spin_loop();
    }
}

/// How often this thread has fallen asleep.
fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let (_, count) = status.rsplit_once("\nvoluntary_ctxt_switches:").unwrap();
    count.lines().next().unwrap().trim().parse().unwrap()
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
    meeting.options.bounds.overflow = [Overflow::Wait(WAIT_POLICY); ipc_core::Lane::ALL.len()];
    let mut worker = meeting.run("worker");
    std::thread::scope(|scope| {
        for _ in 0..clients {
            let (mut random, options) = (Random::new(random.next()), &meeting.options);
            scope.spawn(move || {
                let mut client = patiently(|| Client::connect("worker", &asleep(options)));
                play(&mut client, &mut random);
                assert_eq!(client.engine_stats().lost_wakeups, 0, "slept through an answer");
                client.close().unwrap();
            });
        }
    });
    let mut client = Client::connect("worker", &asleep(&meeting.options)).unwrap();
    client.notify("stop", b"", &CallOptions::default()).unwrap();
    assert_eq!(worker.wait(), Some(0), "the worker slept through something");
}

/// Requests whose answers come just as their client falls asleep. The worker is busy until a
/// certain moment, by which its next request is there. The client sends it so long before that it
/// is asleep in every other round when the answer comes, and not yet in the others.
fn ping_pong(client: &mut Client, random: &mut Random) {
    let (call, mut answer) = (CallOptions::default(), Vec::new());
    let (mut lead, mut stalled) = (1000, 0);
    for round in 0..ROUNDS {
        let before = sleeps();
        let until = now_ns() + NOTICE_NS + random.next() % 10_000;
        client.notify("work", &until.to_le_bytes(), &call).unwrap();
        be_busy_until(until - lead + random.next() % (2 * STEP_NS));
        client.request_into("work", &round.to_le_bytes(), &call, &mut answer).unwrap();
        assert_eq!(answer, round.to_le_bytes());
        let later = if sleeps() > before { lead.saturating_sub(STEP_NS) } else { lead + STEP_NS };
        lead = later.min(LEAD_NS_MAX);
        stalled += u32::from(now_ns() > until + STALLED_NS);
    }
    assert!(stalled < 2, "{stalled} rounds stood still");
}

/// More than a ring takes, again and again: the client sleeps until there is room.
fn flood(client: &mut Client, random: &mut Random) {
    let (call, mut answer) = (CallOptions::default(), Vec::new());
    let mut payload = [0; 700];
    for round in 0..ROUNDS / 10 {
        for _ in 0..random.below(20) {
            let until = now_ns() + random.next() % 20_000;
            payload[..8].copy_from_slice(&until.to_le_bytes());
            let len = 8 + random.below(payload.len() - 8);
            client.send("work", &payload[..len], &call).unwrap();
        }
        client.drain(WAIT_POLICY).unwrap();
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
