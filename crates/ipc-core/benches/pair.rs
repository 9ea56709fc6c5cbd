//! Two processes through the blocking face, beside a bare ring between two processes in the same
//! run; and a crowd of connections to one native server.
//!
//! The runner starts this program in its roles and reads one line of JSON from each:
//!
//! ```text
//! pair serve <directory>                       an echo server, until it is killed
//! pair latency <directory> <bytes> <ms>        round trips through the blocking face
//! pair one-way <directory> <bytes> <ms>        one-way messages through the blocking face
//! pair bare-latency <bytes> <ms>               a bare ring, both processes
//! pair bare-one-way <bytes> <ms>               the same in batches
//! pair crowd <directory> <connections> <requests>
//! ```

#![allow(unsafe_code, reason = "the bare ring is what everything else is measured against")]
#![allow(clippy::print_stdout, reason = "printing the figures is what it is for")]

use std::hint::{black_box, spin_loop};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use ipc_core::blocking::{Answer, Client, Server};
use ipc_core::{CallOptions, FaceOptions, Options, Sent};

const NAME: &str = "bench";

fn main() {
    // None of the roles outlives the one that asked for it.
    let signal = Some(rustix::process::Signal::KILL);
    rustix::process::set_parent_process_death_signal(signal).expect("it cannot fail");
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["serve", directory] => serve(directory),
        ["latency", directory, bytes, ms] => latency(directory, number(bytes), millis(ms)),
        ["one-way", directory, bytes, ms] => one_way(directory, number(bytes), millis(ms)),
        ["bare-latency", bytes, ms] => bare::latency(number(bytes), millis(ms)),
        ["bare-one-way", bytes, ms] => bare::one_way(number(bytes), millis(ms)),
        ["bare-peer", fd, bytes, what] => bare::peer(fd, number(bytes), what),
        ["crowd", directory, connections, requests] => {
            crowd(directory, number(connections), number(requests));
        }
        // `cargo test --benches` runs it without a role: a round of each, only to see that it runs.
        _ => smoke(),
    }
}

fn options(directory: &str) -> Options {
    Options { directory: Some(PathBuf::from(directory)), ..Options::default() }
}

fn serve(directory: &str) {
    let mut server = Server::bind(NAME, &options(directory), FaceOptions::default())
        .expect("the name is free in a directory of its own");
    let mut received = 0u64;
    server.handle("echo", |request, reply| {
        black_box(touch(request.payload));
        reply.payload.extend_from_slice(request.payload);
        Ok(Answer::Now)
    });
    server.handle("count", move |request, reply| {
        black_box(touch(request.payload));
        received += 1;
        reply.payload.extend_from_slice(&received.to_le_bytes());
        Ok(Answer::Now)
    });
    println!("ready");
    server.run().expect("it serves until it is killed");
}

fn latency(directory: &str, bytes: usize, span: Duration) {
    let mut client = connect(directory);
    let mut payload = vec![0; bytes];
    let mut answer = Vec::new();
    let options = CallOptions::default();
    let mut spans = histogram();
    let mut sequence = 0u64;
    let end = Instant::now() + span;
    while Instant::now() < end {
        sequence += 1;
        stamp(&mut payload, sequence);
        let start = Instant::now();
        client.request_into("echo", &payload, &options, &mut answer).expect("the server answers");
        record(&mut spans, start.elapsed());
        black_box(touch(&answer));
        if sequence.is_multiple_of(64) {
            assert!(answer == payload, "message {sequence} came back different");
        }
    }
    report(&spans);
}

fn one_way(directory: &str, bytes: usize, span: Duration) {
    let mut client = connect(directory);
    let mut payload = vec![0; bytes];
    let mut answer = Vec::new();
    let options = CallOptions::default();
    let count = |client: &mut Client, answer: &mut Vec<u8>| {
        client.request_into("count", &[], &options, answer).expect("the server answers");
        u64::from_le_bytes(answer.as_slice().try_into().expect("eight bytes"))
    };
    let before = count(&mut client, &mut answer);
    let start = Instant::now();
    let mut sent = 0u64;
    let mut batch = client.batch("count", &options).expect("the name is valid");
    while start.elapsed() < span {
        for _ in 0..1024 {
            sent += 1;
            stamp(&mut payload, sent);
            if batch.notify(&payload).expect("the server reads") == Sent::Queued {
                batch.drain(Duration::from_secs(10)).expect("the server reads");
            }
        }
    }
    drop(batch);
    let received = count(&mut client, &mut answer) - before - 1;
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(received, sent, "messages were lost");
    rate(sent, bytes, seconds);
}

/// Connects, asks on each connection, and then asks on all in turn.
fn crowd(directory: &str, connections: usize, requests: usize) {
    let start = Instant::now();
    let mut clients: Vec<Client> = (0..connections).map(|_| connect(directory)).collect();
    let connected = start.elapsed();
    println!("connected {}", connected.as_micros());
    let options = CallOptions::default();
    let mut answer = Vec::new();
    let payload = [7; 64];
    for client in &mut clients {
        for _ in 0..requests {
            client.request_into("echo", &payload, &options, &mut answer).expect("an answer");
        }
    }
    println!("asked");
    // The runner looks at the memory now and says when to go on.
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("the runner is there");
    let mut spans = Vec::new();
    for _ in 0..requests {
        for client in &mut clients {
            let start = Instant::now();
            client.request_into("echo", &payload, &options, &mut answer).expect("an answer");
            spans.push(start.elapsed().as_nanos());
        }
    }
    // All of them, because the percentiles of a crowd are not those of any one in it.
    println!("{spans:?}");
}

fn connect(directory: &str) -> Client {
    Client::connect(NAME, &options(directory), FaceOptions::default()).expect("the server is there")
}

fn touch(payload: &[u8]) -> u64 {
    payload.iter().step_by(64).map(|byte| u64::from(*byte)).sum()
}

fn stamp(payload: &mut [u8], sequence: u64) {
    if let Some(first) = payload.first_chunk_mut() {
        *first = sequence.to_le_bytes();
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 100_000_000_000, 3).expect("sane bounds")
}

fn record(spans: &mut Histogram<u64>, span: Duration) {
    spans.saturating_record(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
}

fn report(spans: &Histogram<u64>) {
    let at = |quantile| spans.value_at_quantile(quantile);
    let (count, max) = (spans.len(), spans.max());
    println!(
        r#"{{"count":{count},"p50":{},"p99":{},"p999":{},"max":{max}}}"#,
        at(0.5),
        at(0.99),
        at(0.999),
    );
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
fn rate(count: u64, bytes: usize, seconds: f64) {
    let per_second = count as f64 / seconds;
    let bytes_per_second = per_second * bytes as f64;
    println!(r#"{{"count":{count},"perSecond":{per_second},"bytesPerSecond":{bytes_per_second}}}"#);
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

fn millis(text: &str) -> Duration {
    Duration::from_millis(number(text) as u64)
}

fn smoke() {
    let directory = std::env::temp_dir().join(format!("ringpost-pair-{}", std::process::id()));
    let directory = directory.to_str().expect("a plain path");
    let mut server = again(&["serve", directory]);
    while !PathBuf::from(directory).join(format!("{NAME}.sock")).exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    latency(directory, 64, Duration::from_millis(20));
    one_way(directory, 64, Duration::from_millis(20));
    bare::latency(64, Duration::from_millis(20));
    bare::one_way(64, Duration::from_millis(20));
    server.kill().expect("it is ours");
    server.wait().expect("it is ours");
    std::fs::remove_dir_all(directory).expect("nobody meets there any more");
}

/// This program once more, in another role.
fn again(arguments: &[&str]) -> Child {
    let program = std::env::current_exe().expect("this program has a path");
    Command::new(program).args(arguments).spawn().expect("this program can be started")
}

/// The least two processes can do: slots of one size, a position each way, and nothing else.
mod bare {
    use super::{
        AsFd, AsRawFd, AtomicU64, BorrowedFd, Duration, Instant, Ordering, again, black_box,
        histogram, rate, record, report, spin_loop,
    };

    const SLOTS: usize = 1024;
    /// Positions, far enough apart that no two share a pair of cache lines.
    const FORTH: usize = 0;
    const BACK: usize = 256;
    const READ: usize = 512;
    const SLOTS_START: usize = 4096;
    const BATCH: u64 = 64;

    struct Memory {
        base: *mut u8,
        slot: usize,
    }

    impl Memory {
        fn len(bytes: usize) -> usize {
            SLOTS_START + 2 * SLOTS * bytes.next_multiple_of(64)
        }

        fn map(fd: impl AsFd, bytes: usize) -> Self {
            use rustix::mm::{MapFlags, ProtFlags, mmap};
            let protection = ProtFlags::READ | ProtFlags::WRITE;
            // SAFETY: a fresh shared mapping of a file of this length.
            let base = unsafe {
                mmap(std::ptr::null_mut(), Self::len(bytes), protection, MapFlags::SHARED, fd, 0)
            };
            Self { base: base.expect("room to map").cast(), slot: bytes.next_multiple_of(64) }
        }

        fn word(&self, offset: usize) -> &AtomicU64 {
            // SAFETY: in bounds, aligned, and only reached as an atomic.
            unsafe { &*self.base.add(offset).cast() }
        }

        /// Writes all words of a slot.
        fn write(&self, way: usize, index: u64, value: u64) {
            let start = self.start(way, index);
            for word in (0..self.slot).step_by(8) {
                self.word(start + word).store(value, Ordering::Relaxed);
            }
        }

        /// Reads a word of each cache line of a slot.
        fn read(&self, way: usize, index: u64) -> u64 {
            let start = self.start(way, index);
            let lines = (0..self.slot).step_by(64);
            lines.fold(0, |sum, line| sum + self.word(start + line).load(Ordering::Relaxed))
        }

        fn start(&self, way: usize, index: u64) -> usize {
            let index = usize::try_from(index).expect("64 bits") % SLOTS;
            SLOTS_START + (way * SLOTS + index) * self.slot
        }
    }

    pub fn latency(bytes: usize, span: Duration) {
        with_peer(bytes, "latency", |memory| {
            let mut spans = histogram();
            let mut index = 0;
            let end = Instant::now() + span;
            while Instant::now() < end {
                index += 1;
                let start = Instant::now();
                // Only few slots, so that they stay in the nearest caches.
                memory.write(0, index % 64, index);
                memory.word(FORTH).store(index, Ordering::Release);
                while memory.word(BACK).load(Ordering::Acquire) != index {
                    spin_loop();
                }
                black_box(memory.read(1, index % 64));
                record(&mut spans, start.elapsed());
            }
            report(&spans);
        });
    }

    pub fn one_way(bytes: usize, span: Duration) {
        with_peer(bytes, "one-way", |memory| {
            let start = Instant::now();
            let (mut written, mut read) = (0u64, 0);
            while start.elapsed() < span {
                for _ in 0..16 * BATCH {
                    while written - read >= SLOTS as u64 {
                        read = memory.word(READ).load(Ordering::Acquire);
                    }
                    memory.write(0, written, written);
                    written += 1;
                    if written % BATCH == 0 {
                        memory.word(FORTH).store(written, Ordering::Release);
                    }
                }
            }
            while memory.word(READ).load(Ordering::Acquire) != written {
                spin_loop();
            }
            rate(written, bytes, start.elapsed().as_secs_f64());
        });
    }

    /// The other process.
    pub fn peer(fd: &str, bytes: usize, what: &str) {
        let fd = fd.parse().expect("a descriptor");
        // SAFETY: inherited from the process that started this one, and left open.
        let memory = Memory::map(unsafe { BorrowedFd::borrow_raw(fd) }, bytes);
        let mut seen = 0;
        loop {
            let published = memory.word(FORTH).load(Ordering::Acquire);
            if published == seen {
                spin_loop();
                continue;
            }
            if what == "latency" {
                let value = memory.read(0, published % 64);
                memory.write(1, published % 64, value);
                memory.word(BACK).store(published, Ordering::Release);
            } else {
                for index in seen..published {
                    black_box(memory.read(0, index));
                }
                memory.word(READ).store(published, Ordering::Release);
            }
            seen = published;
        }
    }

    fn with_peer(bytes: usize, what: &str, work: impl FnOnce(&Memory)) {
        let fd = rustix::fs::memfd_create("bare", rustix::fs::MemfdFlags::empty())
            .expect("a memory file");
        rustix::fs::ftruncate(&fd, Memory::len(bytes) as u64).expect("room for it");
        let memory = Memory::map(&fd, bytes);
        let (fd, bytes) = (fd.as_raw_fd().to_string(), bytes.to_string());
        let mut peer = again(&["bare-peer", &fd, &bytes, what]);
        work(&memory);
        peer.kill().expect("it is ours");
        peer.wait().expect("it is ours");
    }
}
