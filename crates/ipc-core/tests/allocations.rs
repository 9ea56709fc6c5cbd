//! Heap allocations per message in the hot path: none, on either side, awake or asleep.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ipc_core::blocking::{Answer, Client, Server};
use ipc_core::{CallOptions, CrcMode, FaceOptions, Options, Patience, Transport};

/// Counts what each thread asks of the heap.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: everything is passed on to the system's allocator as it is. The counter is a plain number
// without a destructor, so that it needs no allocation and can be reached at any time.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the same promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the same promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the same promises.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the same promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A directory to meet in that goes with the test.
struct Meeting(PathBuf);

impl Meeting {
    fn new(name: &str) -> Self {
        let process = std::process::id();
        Self(std::env::temp_dir().join(format!("ringpost-allocations-{name}-{process}")))
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What this thread and the server's have allocated so far. Asking costs the server nothing, once
/// it has been asked.
fn allocations(client: &mut Client, answer: &mut Vec<u8>) -> (u64, u64) {
    let options = CallOptions::default();
    client.request_into("allocations", b"", &options, answer).unwrap();
    let servers = u64::from_le_bytes(answer.as_slice().try_into().unwrap());
    (ALLOCATIONS.get(), servers)
}

/// Runs `round` until everything has found its size, and then so many times more. Returns what that
/// cost this thread and the server's.
fn cost(client: &mut Client, rounds: u32, mut round: impl FnMut(&mut Client)) -> (u64, u64) {
    // It changes places with a buffer of the client's, so it is as large as any of them.
    let mut answer = Vec::with_capacity(1 << 20);
    for _ in 0..2 {
        for _ in 0..rounds {
            round(client);
        }
        // Asked often enough that every buffer of the server's has room for the answer.
        for _ in 0..4 {
            allocations(client, &mut answer);
        }
    }
    let (own, servers) = allocations(client, &mut answer);
    for _ in 0..rounds {
        round(client);
    }
    let (own_after, servers_after) = allocations(client, &mut answer);
    (own_after - own, servers_after - servers)
}

fn messages_cost_no_allocation(name: &str, transport: Transport, crc: CrcMode, patience: Patience) {
    // One at a time, so that there is a core for each of the two that talk.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let meeting = Meeting::new(name);
    let options = Options {
        directory: Some(meeting.0.clone()),
        transport: Some(transport),
        crc,
        ..Options::default()
    };
    let face = FaceOptions { patience, ..FaceOptions::default() };
    let mut server = Server::bind("server", &options, face).unwrap();
    server.handle("echo", |request, reply| {
        reply.payload.extend_from_slice(request.payload);
        Ok(Answer::Now)
    });
    server.handle("event", |_, _| Ok(Answer::Now));
    server.handle("allocations", |_, reply| {
        reply.payload.extend_from_slice(&ALLOCATIONS.get().to_le_bytes());
        Ok(Answer::Now)
    });
    let stopper = server.stopper();
    let serving = thread::spawn(move || server.run().unwrap());
    let mut client = Client::connect("server", &options, face).unwrap();

    let mut answer = Vec::new();
    let call = CallOptions::default();
    // One frame, several pages, several frames; all of them fit into the ring. What does not has to
    // wait in private memory, which is asked for then.
    for (len, rounds) in [(0, 500), (64, 500), (4096, 500), (60_000, 50), (150_000, 20)] {
        let payload = vec![7; len];
        let found = cost(&mut client, rounds, |client| {
            client.request_into("echo", &payload, &call, &mut answer).unwrap();
            assert_eq!(answer.len(), len);
        });
        assert_eq!(found, (0, 0), "{rounds} round trips of {len} bytes");
    }
    for (len, rounds) in [(0, 50), (64, 50), (1024, 20)] {
        let payload = vec![7; len];
        let found = cost(&mut client, rounds, |client| {
            let mut batch = client.batch("event", &call).unwrap();
            for _ in 0..100 {
                batch.notify(&payload).unwrap();
            }
            batch.drain(Duration::from_secs(10)).unwrap();
            drop(batch);
            // The server has read them when it answers.
            client.request_into("echo", b"", &call, &mut answer).unwrap();
        });
        assert_eq!(found, (0, 0), "{rounds} batches of 100 messages of {len} bytes");
    }
    // Deadlines that pass when their requests have long been answered, on both sides.
    let soon = CallOptions { timeout: Some(Duration::from_millis(300)), ..call };
    let found = cost(&mut client, 40, |client| {
        client.request_into("echo", b"soon", &soon, &mut answer).unwrap();
        thread::sleep(Duration::from_millis(10));
    });
    assert_eq!(found, (0, 0), "40 round trips with a deadline of their own");

    client.close().unwrap();
    stopper.stop();
    serving.join().unwrap();
}

#[test]
fn messages_between_two_that_stay_awake_cost_no_allocation() {
    messages_cost_no_allocation("awake", Transport::Sealed, CrcMode::Header, Patience::DEFAULT);
}

#[test]
fn messages_between_two_that_sleep_cost_no_allocation() {
    messages_cost_no_allocation("asleep", Transport::Sealed, CrcMode::Full, Patience::NONE);
}

#[test]
fn messages_over_named_segments_cost_no_allocation() {
    messages_cost_no_allocation("named", Transport::Portable, CrcMode::Off, Patience::NONE);
}
