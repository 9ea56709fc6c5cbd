//! Heap allocations per message in the hot path: none, on either side, awake or asleep.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use ipc_core::{Codec, CrcMode, Options, Transport, WaitPolicy};
use ringpost::blocking::{Answer, Change, Client, Server, Ticket};
use ringpost::{CallOptions, ClientConfig, Item, Reply, ServerConfig};

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

fn messages_cost_no_allocation(
    name: &str,
    transport: Transport,
    crc: CrcMode,
    wait_policy: WaitPolicy,
) {
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
    let mut server =
        Server::bind("server", &ServerConfig::from(&options).wait_policy(wait_policy)).unwrap();
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
    let mut client =
        Client::connect("server", &ClientConfig::from(&options).wait_policy(wait_policy)).unwrap();

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
    let soon = call.timeout(Duration::from_millis(300));
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
    messages_cost_no_allocation("awake", Transport::Sealed, CrcMode::Header, WaitPolicy::DEFAULT);
}

#[test]
fn messages_between_two_that_sleep_cost_no_allocation() {
    messages_cost_no_allocation("asleep", Transport::Sealed, CrcMode::Full, WaitPolicy::NONE);
}

#[test]
fn messages_over_named_segments_cost_no_allocation() {
    messages_cost_no_allocation("named", Transport::Portable, CrcMode::Off, WaitPolicy::NONE);
}

#[test]
fn messages_over_a_socket_cost_no_allocation() {
    messages_cost_no_allocation("socket", Transport::Socket, CrcMode::Full, WaitPolicy::NONE);
}

// ---- items of streams ----

/// What is done with the items of a stream.
#[derive(Clone, Copy)]
enum Way {
    Down,
    Up,
}

/// A server of streams: sends as many items as it is asked for, or takes what comes. Answers with
/// what its thread has allocated from the first item to the last.
fn serve_items(mut server: Server, asked: &mpsc::Receiver<(Ticket, Vec<u8>)>) {
    let is_over = |change: &Change| matches!(change, Change::Closed(..));
    while !server.changes().iter().any(is_over) {
        assert!(server.turn(Duration::from_secs(30)).unwrap(), "nothing comes");
        while let Ok((ticket, params)) = asked.try_recv() {
            let [count, len] =
                [0, 8].map(|at| u64::from_le_bytes(params[at..at + 8].try_into().unwrap()));
            let payload = vec![7; usize::try_from(len).unwrap()];
            let mut item = Item { codec: Codec::Bytes, payload: Vec::new() };
            let mut items = server.take_stream(&ticket).unwrap();
            let before = ALLOCATIONS.get();
            for _ in 0..count {
                items.send(&payload).unwrap();
            }
            while items.next_into(&mut item).unwrap() {}
            let cost = ALLOCATIONS.get() - before;
            drop(items);
            let answer = Reply { payload: cost.to_le_bytes().to_vec(), ..Reply::default() };
            server.answer(&ticket, Ok(&answer)).unwrap();
        }
    }
}

/// What so many items cost this thread and the server's, beside what a stream costs by itself.
fn cost_of_items(client: &mut Client, way: Way, count: u64, len: usize) -> (u64, u64) {
    let options = CallOptions::new().window(4096);
    let payload = vec![7; len];
    let down = if matches!(way, Way::Down) { count } else { 0 };
    let params = [down.to_le_bytes(), (len as u64).to_le_bytes()].concat();
    let mut item = Item { codec: Codec::Bytes, payload: Vec::new() };
    let mut items = client.stream("items", &params, &options).unwrap();
    let before = ALLOCATIONS.get();
    if matches!(way, Way::Up) {
        for _ in 0..count {
            items.send(&payload).unwrap();
        }
    }
    items.finish();
    let mut came = 0;
    while items.next_into(&mut item).unwrap() {
        assert_eq!(item.payload, payload);
        came += 1;
    }
    let cost = ALLOCATIONS.get() - before;
    assert_eq!(came, down);
    let servers = u64::from_le_bytes(items.reply().unwrap().payload.try_into().unwrap());
    (cost, servers)
}

fn items_cost_no_allocation(name: &str, transport: Transport, wait_policy: WaitPolicy) {
    let meeting = Meeting::new(name);
    let directory = Some(meeting.0.clone());
    let options = Options { directory, transport: Some(transport), ..Options::default() };
    let mut server =
        Server::bind("server", &ServerConfig::from(&options).wait_policy(wait_policy)).unwrap();
    let (asking, asked) = mpsc::channel();
    server.handle("items", move |request, _| {
        asking.send((request.ticket(), request.payload.to_vec())).unwrap();
        Ok(Answer::Later)
    });
    let serving = thread::spawn(move || serve_items(server, &asked));
    let mut client =
        Client::connect("server", &ClientConfig::from(&options).wait_policy(wait_policy)).unwrap();
    for way in [Way::Down, Way::Up] {
        for len in [0, 64, 1000] {
            // The first finds the size of everything, but not the most that ever waits in a window.
            cost_of_items(&mut client, way, 200, len);
            let (own, servers) = cost_of_items(&mut client, way, 5000, len);
            assert!(own + servers < 100, "{own} and {servers} for 5,000 items of {len} bytes");
        }
    }
    client.close().unwrap();
    serving.join().unwrap();
}

#[test]
fn items_cost_no_allocation_awake() {
    items_cost_no_allocation("items-awake", Transport::Sealed, WaitPolicy::DEFAULT);
}

#[test]
fn items_cost_no_allocation_asleep() {
    items_cost_no_allocation("items-asleep", Transport::Portable, WaitPolicy::NONE);
}

#[test]
fn items_cost_no_allocation_over_a_socket() {
    items_cost_no_allocation("items-socket", Transport::Socket, WaitPolicy::NONE);
}
