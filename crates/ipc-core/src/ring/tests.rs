//! Producer and consumer against a queue, against flipped bits, and against broken peers.

mod broken_peers;

use std::collections::VecDeque;
use std::sync::Arc;

use super::heap::HeapRegion;
use super::mapped::MappedRegion;
use super::{Consumer, Producer, Region};
use crate::checksum::CrcMode;
use crate::error::Corrupt;
use crate::header::{HEADER_LEN, Header, Kind, frame_len};
use crate::limits::{Geometry, PAGE, RINGS, frame_payload_max};
use crate::memory::layout::Side;
use crate::memory::{self, Object, Segment};
use crate::option_block::Options;
use crate::seeds::{Random, each_seed};
use crate::session::fragments::Fragments;

const MODES: [CrcMode; 3] = [CrcMode::Off, CrcMode::Header, CrcMode::Full];

// ---- the two backings ----

/// A backing both ends of a ring can be made of, and that a test can reach into.
trait Backing {
    type Region: Region + Send + 'static;
    fn new(capacity: usize) -> Self;
    fn region(&self) -> Self::Region;
}

impl Backing for HeapRegion {
    type Region = Self;

    fn new(capacity: usize) -> Self {
        Self::new(capacity)
    }

    fn region(&self) -> Self {
        self.clone()
    }
}

/// A ring of a sealed segment; its two ends are two mappings, as in two processes.
struct SealedRing {
    geometry: Geometry,
    mappings: [Arc<Segment>; 2],
    regions: std::cell::Cell<usize>,
}

const SEALED_RING: usize = 2;

impl Backing for SealedRing {
    type Region = MappedRegion;

    fn new(capacity: usize) -> Self {
        let mut geometry = Geometry { rings: [4096; RINGS] };
        geometry.rings[SEALED_RING] = u32::try_from(capacity).unwrap();
        let object = Object::lanes(&geometry);
        let (ours, handle) = object.create(memory::Backing::Sealed).unwrap();
        let theirs = object.attach(&handle).unwrap();
        Self { geometry, mappings: [ours.into(), theirs.into()], regions: 0.into() }
    }

    fn region(&self) -> MappedRegion {
        let mapping = &self.mappings[self.regions.replace(self.regions.get() + 1) % 2];
        MappedRegion::new(mapping, &self.geometry, Side::Client, SEALED_RING)
    }
}

fn ends<B: Backing>(
    backing: &B,
    crc: CrcMode,
    start: u64,
) -> (Producer<B::Region>, Consumer<B::Region>) {
    let region = backing.region();
    region.store_write(start);
    region.store_read(start);
    let producer = Producer::starting_at(backing.region(), start);
    (producer, Consumer::starting_at(backing.region(), crc, start))
}

fn header(id: u64, len: usize) -> Header {
    Header::new(Kind::OneWay, 7, id).with_len(len)
}

fn push<R: Region>(
    producer: &mut Producer<R>,
    crc: CrcMode,
    id: u64,
    payload: &[u8],
) -> Result<bool, Corrupt> {
    let sealed = header(id, payload.len()).sealed(crc, &[payload]);
    producer.push(sealed, &[payload])
}

/// Takes the next frame out of what was seen: its id and its payload.
fn pop<R: Region>(consumer: &mut Consumer<R>) -> Result<Option<(u64, Vec<u8>)>, Corrupt> {
    if !consumer.peek()? {
        return Ok(None);
    }
    let id = consumer.frame().header.id;
    let payload = consumer.payload();
    let mut bytes = vec![0; payload.len()];
    payload.copy_to(&mut bytes)?;
    consumer.advance();
    Ok(Some((id, bytes)))
}

// ---- against a queue ----

/// The obvious twin of a ring: frames in a queue, and its positions by simple arithmetic.
struct Twin {
    capacity: u64,
    write: u64,
    read: u64,
    released: u64,
    written: VecDeque<(u64, Vec<u8>)>,
    published: usize,
    seen: usize,
}

impl Twin {
    /// What a frame takes up, with the pad in front of it where it does not fit into the lap.
    fn need(&self, position: u64, len: usize) -> u64 {
        let need = frame_len(len) as u64;
        let lap_rest = self.capacity - position % self.capacity;
        if need > lap_rest { need + lap_rest } else { need }
    }
}

fn a_ring_behaves_like_a_queue<B: Backing>(random: &mut Random, capacity: usize, quiet: bool) {
    let crc = random.pick(&MODES);
    let laps = random.below(4) * capacity;
    let start = random.pick(&[0, 8, 1 << 32, (laps as u64).wrapping_neg() & !7]);
    let backing = B::new(capacity);
    let (mut producer, mut consumer) = ends(&backing, crc, start);
    let observer = backing.region();
    let mut twin = Twin {
        capacity: capacity as u64,
        write: start,
        read: start,
        released: start,
        written: VecDeque::new(),
        published: 0,
        seen: 0,
    };
    for id in 0..2000 {
        let operation = if quiet { id % 5 } else { random.next() % 5 };
        match operation {
            0 => {
                let max = producer.payload_max();
                let len = random.pick(&[0, 1, 8, 64.min(max), max]);
                let len = if random.percent(50) { len } else { random.below(max + 1) };
                let len = if quiet { len.min(200) } else { len };
                let payload = random.bytes(len);
                let used = twin.write.wrapping_sub(twin.released);
                let need = twin.need(twin.write, payload.len());
                let pushed = push(&mut producer, crc, id, &payload).unwrap();
                assert_eq!(pushed, used + need <= twin.capacity, "{used} used, {need} needed");
                if pushed {
                    twin.write = twin.write.wrapping_add(need);
                    twin.written.push_back((id, payload));
                }
            }
            1 => {
                producer.publish();
                twin.published = twin.written.len();
                // A quiet ring may have gone back to its start, behind a pad of its own.
                let write = observer.load_write();
                let ahead = write.wrapping_sub(twin.write);
                assert!(ahead == 0 || quiet && ahead < twin.capacity, "{ahead} bytes too far");
                twin.write = write;
            }
            2 => {
                consumer.refresh().unwrap();
                twin.seen = twin.published;
            }
            3 => {
                let expected = if twin.seen > 0 { twin.written.pop_front() } else { None };
                assert_eq!(pop(&mut consumer).unwrap(), expected);
                if let Some((_, payload)) = expected {
                    twin.read = twin.read.wrapping_add(twin.need(twin.read, payload.len()));
                    twin.seen -= 1;
                    twin.published -= 1;
                }
                assert_eq!(consumer.is_exhausted(), twin.seen == 0);
            }
            _ => {
                consumer.release();
                let read = observer.load_read();
                assert!(read == twin.read || quiet, "released to {read}, not to {}", twin.read);
                (twin.read, twin.released) = (read, read);
            }
        }
    }
}

#[test]
fn a_small_heap_ring_behaves_like_a_queue() {
    each_seed(60, |random| {
        let capacity = random.pick(&[128, 256, 1024, 4096]);
        a_ring_behaves_like_a_queue::<HeapRegion>(random, capacity, false);
    });
}

#[test]
fn a_sealed_ring_behaves_like_a_queue() {
    each_seed(60, |random| {
        let capacity = random.pick(&[4096, 8192]);
        a_ring_behaves_like_a_queue::<SealedRing>(random, capacity, false);
    });
}

#[test]
fn a_quiet_ring_goes_back_to_its_start_and_still_behaves_like_a_queue() {
    each_seed(20, |random| {
        let capacity = random.pick(&[16 << 10, 64 << 10]);
        a_ring_behaves_like_a_queue::<HeapRegion>(random, capacity, true);
        a_ring_behaves_like_a_queue::<SealedRing>(random, capacity, true);
    });
}

/// The last position of a ring is followed by the first, and the number of bytes by 0.
#[test]
fn positions_wrap_as_numbers_do() {
    let capacity = 128;
    for start in (8..4 * capacity as u64).step_by(8).map(|before| before.wrapping_neg()) {
        let backing = HeapRegion::new(capacity);
        let (mut producer, mut consumer) = ends(&backing, CrcMode::Full, start);
        for id in 0..64u8 {
            let payload = vec![id; usize::from(id % 9)];
            assert!(push(&mut producer, CrcMode::Full, id.into(), &payload).unwrap());
            producer.publish();
            assert!(consumer.refresh().unwrap());
            assert_eq!(pop(&mut consumer).unwrap(), Some((id.into(), payload)));
            assert!(consumer.release());
        }
        assert!(backing.load_write() < start, "{start} never wrapped");
    }
}

fn frames_of_every_length_survive<B: Backing>(capacity: usize) {
    let backing = B::new(capacity);
    for crc in MODES {
        let (mut producer, mut consumer) = ends(&backing, crc, 0);
        assert_eq!(producer.payload_max(), capacity / 4 - HEADER_LEN);
        for len in 0..=producer.payload_max() {
            let payload: Vec<u8> =
                (0..len).map(|index| (index * 7 + len).to_le_bytes()[0]).collect();
            // In three parts, so that copies start and end anywhere.
            let (first, rest) = payload.split_at(len / 3);
            let (second, third) = rest.split_at(rest.len() / 2);
            let parts = [first, second, third];
            let sealed = header(len as u64, len).sealed(crc, &parts);
            assert!(producer.push(sealed, &parts).unwrap());
            producer.publish();
            consumer.refresh().unwrap();
            assert_eq!(pop(&mut consumer).unwrap(), Some((len as u64, payload)));
            consumer.release();
        }
    }
}

#[test]
fn frames_of_every_length_come_out_as_they_went_in() {
    frames_of_every_length_survive::<HeapRegion>(4096);
    frames_of_every_length_survive::<SealedRing>(8192);
}

#[test]
fn a_frame_is_taken_off_in_pieces_and_checked_as_a_whole() {
    let backing = HeapRegion::new(1024);
    let (mut producer, mut consumer) = ends(&backing, CrcMode::Full, 0);
    let bytes: Vec<u8> = (0..200).collect();
    assert!(push(&mut producer, CrcMode::Full, 1, &bytes).unwrap());
    producer.publish();
    consumer.refresh().unwrap();
    assert!(consumer.peek().unwrap());
    let mut payload = consumer.payload();
    let (mut looked, mut first, mut rest) = ([0; 2], [0; 13], [0; 187]);
    payload.peek(&mut looked);
    payload.take(&mut first);
    assert_eq!((looked, payload.len()), ([0, 1], 187));
    payload.copy_to(&mut rest).unwrap();
    assert_eq!([&first[..], &rest].concat(), bytes);
}

#[test]
fn a_payload_is_appended_behind_what_is_there_and_checked() {
    fn appended<B: Backing>(backing: &B) {
        let (mut producer, mut consumer) = ends(backing, CrcMode::Full, 0);
        let bytes: Vec<u8> = (0..200).collect();
        for fault in [0, 1] {
            assert!(push(&mut producer, CrcMode::Full, 1, &bytes).unwrap());
            producer.publish();
            consumer.refresh().unwrap();
            assert!(consumer.peek().unwrap());
            let mut payload = consumer.payload();
            payload.running ^= fault;
            let mut all = vec![7; 3];
            let outcome = payload.append_to(&mut all);
            assert_eq!(outcome.is_ok(), fault == 0, "{outcome:?}");
            assert_eq!(all, [&[7; 3][..], &bytes].concat());
            consumer.advance();
        }
    }
    appended(&HeapRegion::new(1024));
    appended(&SealedRing::new(4096));
}

#[test]
fn full_ring_returns_the_message() {
    let backing = SealedRing::new(4096);
    let (mut producer, mut consumer) = ends(&backing, CrcMode::Header, 0);
    let payload = [5; 1000];
    let mut written = 0;
    while push(&mut producer, CrcMode::Header, written, &payload).unwrap() {
        written += 1;
    }
    assert_eq!(written, 4, "four frames of the largest size always fit");
    producer.publish();
    assert!(!push(&mut producer, CrcMode::Header, 99, &[]).unwrap(), "not a byte is left");
    assert!(!producer.has_moved());
    consumer.refresh().unwrap();
    pop(&mut consumer).unwrap();
    assert!(!push(&mut producer, CrcMode::Header, 99, &[]).unwrap(), "read, but not released");
    assert!(consumer.release());
    assert!(producer.has_moved());
    assert!(push(&mut producer, CrcMode::Header, 4, &payload).unwrap());
    producer.publish();
    consumer.refresh().unwrap();
    for id in 1..5 {
        assert_eq!(pop(&mut consumer).unwrap(), Some((id, payload.to_vec())));
    }
}

#[test]
#[should_panic(expected = "has to be fragmented")]
fn a_frame_that_could_never_fit_is_a_fault_of_the_caller() {
    let (mut producer, _) = ends(&HeapRegion::new(1024), CrcMode::Off, 0);
    let _ = producer.reserve(frame_payload_max(1024) + 1);
}

#[test]
fn nothing_is_seen_before_it_is_published() {
    let (mut producer, mut consumer) = ends(&HeapRegion::new(1024), CrcMode::Off, 0);
    assert!(push(&mut producer, CrcMode::Off, 1, b"early").unwrap());
    assert!(!consumer.refresh().unwrap());
    assert!(!consumer.peek().unwrap());
    producer.publish();
    assert!(!consumer.peek().unwrap(), "not refreshed yet");
    assert!(consumer.refresh().unwrap());
    assert_eq!(pop(&mut consumer).unwrap(), Some((1, b"early".to_vec())));
    assert!(consumer.release() && !consumer.release());
}

#[test]
fn what_has_room_as_a_message_has_room_as_its_fragments() {
    each_seed(600, |random| {
        let capacity = random.pick(&[4096, 16 << 10]);
        let start = (random.below(capacity) & !7) as u64;
        let backing = HeapRegion::new(capacity);
        let (mut producer, mut consumer) = ends(&backing, CrcMode::Off, start);
        for _ in 0..random.below(12) {
            let payload = random.bytes(producer.payload_max());
            let len = random.below(payload.len() + 1);
            push(&mut producer, CrcMode::Off, 0, &payload[..len]).unwrap();
        }
        producer.publish();
        consumer.refresh().unwrap();
        for _ in 0..random.below(8) {
            pop(&mut consumer).unwrap();
        }
        consumer.release();
        // Of one that no ring could hold nothing is promised.
        let len = random.below(capacity / 2);
        let message = random.bytes(len);
        if !producer.has_room_for(message.len()).unwrap() {
            return;
        }
        let options = Options { budget_us: Some(random.next()), ..Options::default() };
        let payload_max = producer.payload_max();
        for fragment in Fragments::new(header(1, 0), options, message.len(), payload_max) {
            let parts = [fragment.options.as_bytes(), &message[fragment.range]];
            let sealed = fragment.header.sealed(CrcMode::Off, &parts);
            assert!(producer.push(sealed, &parts).unwrap());
        }
    });
}

// ---- quiet rings ----

/// Pages of which any byte was ever written to something else than 0.
fn pages_touched(region: &HeapRegion) -> usize {
    let mut bytes = vec![0; region.capacity()];
    region.copy_out(0, &mut bytes);
    bytes.chunks(PAGE).filter(|page| page.iter().any(|byte| *byte != 0)).count()
}

#[test]
fn a_ping_pong_stays_on_few_pages() {
    let backing = HeapRegion::new(1 << 20);
    let (mut producer, mut consumer) = ends(&backing, CrcMode::Header, 0);
    for id in 0..20_000 {
        assert!(push(&mut producer, CrcMode::Header, id, &[0xff; 64]).unwrap());
        producer.publish();
        assert!(consumer.refresh().unwrap());
        assert_eq!(pop(&mut consumer).unwrap(), Some((id, vec![0xff; 64])));
        consumer.release();
    }
    // The last frame before the start is reached again may begin on the third page's first byte;
    // the pad behind it is one word.
    assert!(pages_touched(&backing) <= 3, "{} pages", pages_touched(&backing));
}

#[test]
fn large_frames_and_bursts_go_all_the_way_round() {
    let goes_round = |len: usize, burst: usize| {
        let backing = HeapRegion::new(64 << 10);
        let (mut producer, mut consumer) = ends(&backing, CrcMode::Off, 0);
        for _ in 0..200 {
            for _ in 0..burst {
                assert!(push(&mut producer, CrcMode::Off, 1, &vec![0xff; len]).unwrap());
            }
            producer.publish();
            consumer.refresh().unwrap();
            while pop(&mut consumer).unwrap().is_some() {}
            consumer.release();
        }
        pages_touched(&backing) == 16
    };
    assert!(goes_round(PAGE, 1), "a large frame is not worth going back for");
    assert!(goes_round(500, 10), "neither is a burst of more than a page");
    assert!(!goes_round(500, 1));
}

#[test]
fn a_ring_whose_reader_lags_does_not_go_back() {
    let backing = HeapRegion::new(64 << 10);
    let (mut producer, mut consumer) = ends(&backing, CrcMode::Off, 0);
    // One frame always stays unread, so the start of the lap is never free for the taking.
    let mut next = 0;
    for id in 0..2000 {
        assert!(push(&mut producer, CrcMode::Off, id, &[0xff; 64]).unwrap());
        producer.publish();
        consumer.refresh().unwrap();
        if id > 0 {
            assert_eq!(pop(&mut consumer).unwrap(), Some((next, vec![0xff; 64])));
            next += 1;
            consumer.release();
        }
    }
    assert_eq!(pages_touched(&backing), 16);
}

// ---- flipped bits ----

/// Flips each bit of a frame in a ring, one after the other, and returns of how many bits, before
/// and behind the end of the header, it went unnoticed.
fn unnoticed_flips(crc: CrcMode, len: usize) -> (usize, usize) {
    let backing = SealedRing::new(32 << 10);
    let (mut producer, _) = ends(&backing, crc, 0);
    let payload: Vec<u8> = (0..len).map(|index| (index * 31).to_le_bytes()[0]).collect();
    assert!(push(&mut producer, crc, 0x1_0000_0007, &payload).unwrap());
    producer.publish();
    let region = backing.region();
    let mut unnoticed = (0, 0);
    let mut copy = vec![0; len];
    for bit in 0..(HEADER_LEN + len) * 8 {
        let offset = bit / 64 * 8;
        let [word] = region.load_words(offset);
        region.store_words(offset, [word ^ 1 << (bit % 64)]);
        let mut consumer = Consumer::new(backing.region(), crc);
        consumer.refresh().unwrap();
        let noticed = match consumer.peek() {
            Ok(true) => {
                let payload = consumer.payload();
                let short = &mut copy[..payload.len()];
                payload.copy_to(short).is_err()
            }
            Ok(false) => panic!("the frame is gone"),
            Err(_) => true,
        };
        let count = if bit < HEADER_LEN * 8 { &mut unnoticed.0 } else { &mut unnoticed.1 };
        *count += usize::from(!noticed);
        region.store_words(offset, [word]);
    }
    unnoticed
}

#[test]
fn a_full_checksum_notices_every_flipped_bit() {
    assert_eq!(unnoticed_flips(CrcMode::Full, 64), (0, 0));
    assert_eq!(unnoticed_flips(CrcMode::Full, 4096), (0, 0));
}

#[test]
fn a_header_checksum_notices_every_flipped_bit_of_the_header_and_no_other() {
    assert_eq!(unnoticed_flips(CrcMode::Header, 64), (0, 64 * 8));
    assert_eq!(unnoticed_flips(CrcMode::Header, 4096), (0, 4096 * 8));
}

#[test]
fn without_a_checksum_only_impossible_fields_are_refused() {
    let (header, payload) = unnoticed_flips(CrcMode::Off, 64);
    // Magic and version are always checked; the code, the id and the checksum never.
    assert_eq!(payload, 64 * 8);
    assert!((16 + 64 + 32..192 - 40).contains(&header), "{header} bits of the header");
}
