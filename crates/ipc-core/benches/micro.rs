//! What the pieces of a message's way cost, each by itself and in one thread. The runner in
//! benches/ shows these figures beside those of the pieces in TypeScript.
//!
//! Every case asserts its answer before it is measured. The feature `testing`, through whose doors
//! the pieces are reached, has the places at which tests kill the process: two looks at a word for
//! each frame that is written and one for each publish, which a product does not have.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use ipc_core::testing::pieces::{Doorbell, Ring, Sessions, of_frame, of_header};
use ipc_core::testing::{Header, Options};
use ipc_core::{
    Codec, CrcMode, Draft, FrameOptions, FrameStatus, HEADER_LEN, Kind, Lane, Place,
    StateFrameReader, StateFrameWriter, Time, Watcher, id,
};
use rustix::event::{Timespec, epoll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

const LANE: Lane = Lane::Normal;
const CODE: u16 = 7;
const BATCH: usize = 64;

fn main() {
    // Long enough for figures that repeat within some percent; arguments say otherwise.
    let mut criterion = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50)
        .configure_from_args();
    header(&mut criterion);
    checksum(&mut criterion);
    ring(&mut criterion);
    doorbell(&mut criterion);
    session(&mut criterion);
    state_frame(&mut criterion);
    criterion.final_summary();
}

fn request_header(len: usize) -> Header {
    Header::new(Kind::Request, CODE, id::join(3, 5)).with_codec(Codec::MessagePack).with_len(len)
}

fn header(criterion: &mut Criterion) {
    let header = request_header(64);
    let words = header.sealed(CrcMode::Header, &[]);
    let decode = |words| match Header::from_words(words) {
        Ok((header, crc)) if crc == of_header(words) => Some(header),
        _ => None,
    };
    assert_eq!(decode(words), Some(header));
    assert_eq!(decode([words[0], words[1] ^ 1, words[2]]), None);

    // What a request with a deadline says in front of its payload.
    let options = Options { budget_us: Some(30_000_000), ..Options::default() };
    let block = options.encode();
    assert_eq!(Options::decode(block.as_bytes()), Ok(options));

    let mut group = criterion.benchmark_group("header");
    group.bench_function("encode", |b| b.iter(|| black_box(header).sealed(CrcMode::Header, &[])));
    group.bench_function("decode", |b| b.iter(|| decode(black_box(words))));
    group.bench_function("options-encode", |b| b.iter(|| black_box(options).encode()));
    group.bench_function("options-decode", |b| {
        b.iter(|| Options::decode(black_box(block.as_bytes())));
    });
    group.finish();
}

fn checksum(criterion: &mut Criterion) {
    // It covers all of it, however it is cut.
    let words = request_header(9).sealed(CrcMode::Off, &[]);
    assert_eq!(of_frame(words, &[b"123456789"]), of_frame(words, &[b"1234", b"56789"]));
    assert_ne!(of_frame(words, &[b"123456789"]), of_frame(words, &[b"123456788"]));
    assert_eq!(of_frame(words, &[]), of_header(words));

    let mut group = criterion.benchmark_group("checksum");
    group.throughput(Throughput::Bytes(HEADER_LEN as u64));
    group.bench_function("header", |b| b.iter(|| of_header(black_box(words))));
    for len in [64, 1024, 65_536] {
        let payload = pattern(len);
        group.throughput(Throughput::Bytes((HEADER_LEN + len) as u64));
        group.bench_function(format!("frame-{len}"), |b| {
            b.iter(|| of_frame(black_box(words), &[black_box(&payload)]));
        });
    }
    group.finish();
}

fn ring(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring");
    for len in [64, 1024] {
        let mut ring = Ring::new(LANE, CrcMode::Header).expect("a memory file can be made");
        let (payload, mut bytes) = (pattern(len), vec![0; len]);
        pass(&mut ring, 1, &payload, &mut bytes);
        assert_eq!(bytes, payload);
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("push-pop-{len}"), |b| {
            b.iter(|| pass(&mut ring, 1, black_box(&payload), black_box(&mut bytes)));
        });
    }
    let mut ring = Ring::new(LANE, CrcMode::Header).expect("a memory file can be made");
    let (payload, mut bytes) = (pattern(64), vec![0; 64]);
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function(format!("push-pop-64-batch-{BATCH}"), |b| {
        b.iter(|| pass(&mut ring, BATCH, black_box(&payload), black_box(&mut bytes)));
    });
    group.finish();
}

/// Writes `count` frames, shows them all at once, reads them, and gives their space back.
fn pass(ring: &mut Ring, count: usize, payload: &[u8], bytes: &mut [u8]) {
    for slot in 0..count {
        let header = Header::new(Kind::OneWay, CODE, slot as u64);
        assert!(ring.push(header, payload).expect("the reader is sane"), "there is room");
    }
    ring.publish();
    assert!(ring.refresh().expect("the writer is sane"), "something was published");
    for slot in 0..count {
        let header = ring.pop(bytes).expect("the writer is sane").expect("one more");
        assert_eq!(header.id, slot as u64);
    }
    assert!(ring.release(), "something was read");
}

fn doorbell(criterion: &mut Criterion) {
    let mut bell = Doorbell::new().expect("a memory file can be made");
    assert!(!bell.publish(), "the peer is awake");
    assert!(bell.arm());
    assert!(bell.publish(), "the peer sleeps");
    assert!(!bell.publish(), "it was rung for that already");
    assert_eq!(bell.look(), 3);
    bell.disarm();

    let mut group = criterion.benchmark_group("doorbell");
    group.bench_function("look", |b| b.iter(|| black_box(&bell).look()));
    group.bench_function("publish-to-the-awake", |b| b.iter(|| black_box(&mut bell).publish()));
    group.bench_function("arm-look-disarm", |b| {
        b.iter(|| {
            let bell = black_box(&mut bell);
            let asleep = bell.arm();
            bell.disarm();
            asleep
        });
    });
    group.bench_function("arm-publish-to-the-sleeping", |b| {
        b.iter(|| {
            let bell = black_box(&mut bell);
            bell.arm();
            assert!(bell.publish());
        });
    });

    let alarm = Alarm::new();
    assert!(!alarm.has_rung());
    alarm.ring();
    assert!(alarm.has_rung() && !alarm.has_rung(), "each ring is heard once");
    group.bench_function("ring", |b| b.iter(|| alarm.ring()));
    assert!(alarm.has_rung());
    group.bench_function("ring-and-receive", |b| {
        b.iter(|| {
            alarm.ring();
            assert!(alarm.has_rung());
        });
    });
    group.finish();
}

/// A sleeper's control socket in its epoll set, as in the engine: a bell is a byte that is read.
struct Alarm {
    ringer: OwnedFd,
    sleeper: OwnedFd,
    set: OwnedFd,
}

impl Alarm {
    fn new() -> Self {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ringer, sleeper) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
                .expect("a pair of sockets can be made");
        let set = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll set can be made");
        let data = epoll::EventData::new_u64(0);
        epoll::add(&set, &sleeper, data, epoll::EventFlags::IN).expect("both are fresh");
        Self { ringer, sleeper, set }
    }

    fn ring(&self) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        // What is full of bells wakes as well.
        let _ = rustix::net::send(&self.ringer, &[1], flags);
    }

    fn has_rung(&self) -> bool {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut events = [MaybeUninit::uninit(); 4];
        let heard = epoll::wait(&self.set, &mut events, Some(&at_once)).expect("the set is fine");
        let taken = rustix::net::recv(&self.sleeper, &mut [0; 512], RecvFlags::DONTWAIT);
        !heard.0.is_empty() && taken.is_ok()
    }
}

fn session(criterion: &mut Criterion) {
    let mut exchange = Exchange::new();
    for timeout in [None, Some(Duration::from_secs(30))] {
        assert!(exchange.round_trip(timeout) && exchange.round_trip(timeout));
    }
    assert!(exchange.one_way());

    let mut group = criterion.benchmark_group("session");
    group.bench_function("request-reply", |b| b.iter(|| exchange.round_trip(black_box(None))));
    let timeout = Some(Duration::from_secs(30));
    group.bench_function("request-reply-deadline", |b| {
        b.iter(|| exchange.round_trip(black_box(timeout)));
    });
    group.bench_function("one-way", |b| b.iter(|| exchange.one_way()));
    group.finish();
}

/// Two sessions in which one request follows the other in the same slot.
struct Exchange {
    sessions: Sessions,
    generation: u32,
    now: Time,
}

impl Exchange {
    fn new() -> Self {
        let sessions = Sessions::new(LANE).expect("the name is a name");
        Self { sessions, generation: 0, now: Time::from_nanos(1_000_000_000) }
    }

    /// A request is sent, received, answered, and its answer received. Returns whether it was.
    fn round_trip(&mut self, timeout: Option<Duration>) -> bool {
        self.generation = self.generation.wrapping_add(1).max(1);
        let id = id::join(0, self.generation);
        let request = draft(Kind::Request, id, timeout);
        let asked = self.sessions.carry(0, &request, 64, self.now).expect("a fresh id");
        if asked.is_none_or(|message| message.id != id) {
            return false;
        }
        let reply = draft(Kind::Reply, id, None);
        let answered = self.sessions.carry(1, &reply, 64, self.now).expect("it is waited for");
        answered.is_some_and(|message| message.id == id && message.kind == Kind::Reply)
    }

    fn one_way(&mut self) -> bool {
        let event = draft(Kind::OneWay, 0, None);
        self.sessions.carry(0, &event, 64, self.now).expect("it needs nothing").is_some()
    }
}

fn draft(kind: Kind, id: u64, timeout: Option<Duration>) -> Draft {
    let (lane, codec) = (LANE, Codec::MessagePack);
    Draft {
        kind,
        lane,
        codec,
        code: 0,
        id,
        timeout,
        trace: None,
        replayed: None,
        window: None,
        compress: false,
    }
}

/// Bytes that are not all the same.
fn pattern(len: usize) -> Vec<u8> {
    (0u8..251).cycle().take(len).collect()
}

/// A frame of 5 KB: written, read, looked at, and waited for in the same thread, which is what its
/// part of a wake-up costs beside that of the kernel's.
fn state_frame(criterion: &mut Criterion) {
    const LEN: usize = 5000;
    let directory = std::env::temp_dir().join(format!("ringpost-micro-{}", std::process::id()));
    let place = Place::at(&directory);
    let options = FrameOptions { capacity: LEN, ..FrameOptions::default() };
    let mut writer = StateFrameWriter::create("micro", &place, &options).expect("a writer");
    let mut reader = StateFrameReader::open("micro", &place).expect("a reader");
    let value = pattern(LEN);
    writer.write(&value).expect("there is room");
    let found = reader.read().expect("a frame");
    assert_eq!((found.status, found.bytes), (FrameStatus::Fresh, &value[..]));

    let mut group = criterion.benchmark_group("state-frame");
    group.bench_function("same", |b| b.iter(|| reader.read().expect("a frame").number));
    group.throughput(Throughput::Bytes(LEN as u64));
    group.bench_function("write-5000", |b| b.iter(|| writer.write(black_box(&value))));
    group.bench_function("write-read-5000", |b| {
        b.iter(|| {
            writer.write(black_box(&value)).expect("there is room");
            reader.read().expect("a frame").number
        });
    });
    let mut watcher = Watcher::new().expect("a queue");
    reader.watch(&mut watcher);
    let mut changed = Vec::new();
    group.bench_function("change-5000", |b| {
        b.iter(|| {
            writer.write(black_box(&value)).expect("there is room");
            // It rings every tenth of a millisecond at most; without a ring there is no wait.
            if watcher.wait(Some(Duration::ZERO)) {
                watcher.take(&mut changed);
                changed.clear();
            }
            reader.read().expect("a frame").number
        });
    });
    group.finish();
    writer.remove();
    drop(std::fs::remove_dir(directory));
}
