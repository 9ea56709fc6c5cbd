//! Publisher and readers against a list of all records, against bytes that cannot be, and beside
//! each other at full speed.

mod files;
mod hostile;
mod twin;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use super::cursor::{Cursor, Mode, Next, Start};
use super::ring::{Ring, checksum_of, payload_max_of, record_len, word};
use super::slots::{SLOT_LEN, SLOTS, Slots};
use super::writer::{Held, Writer};
use crate::error::Corrupt;
use crate::memory::words::{Heap, Words};
use crate::sync::Ordering;

/// Where the ring starts in these tests.
const DATA: usize = 4096;
const CAPACITY: usize = 1024;
/// With its head, 64 bytes: sixteen in a ring.
const PAYLOAD: usize = 40;

/// What the two sides share.
struct Shared {
    ring: Ring<Heap>,
    slots: Slots<Heap>,
}

impl Shared {
    fn new(capacity: usize) -> Self {
        let ring = Heap::new(DATA + capacity);
        let slots = Heap::new(SLOTS * SLOT_LEN);
        Self {
            ring: Ring::new(Arc::new(ring), DATA, capacity, payload_max_of(capacity)),
            slots: Slots::new(Arc::new(slots), 0, SLOTS),
        }
    }

    fn publisher(&self, generation: u64) -> Writer<Heap, Heap> {
        Writer::new(self.ring.clone(), self.slots.clone(), generation)
    }

    fn subscriber(&self, mode: Mode, start: Start) -> Cursor<Heap> {
        let mut subscriber = Cursor::new(self.ring.clone(), mode);
        subscriber.start(start).unwrap();
        subscriber
    }
}

/// The payload of record `sequence`, which says which one it is in each of its bytes.
fn payload(sequence: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (sequence.wrapping_mul(31) + at).to_le_bytes()[0]).collect()
}

/// Publishes the next record, of [`PAYLOAD`] bytes.
fn publish<W: Words, S: Words>(publisher: &mut Writer<W, S>) -> Result<u64, Held> {
    let sequence = publisher.sequence() + 1;
    let published = publisher.append(&payload(sequence, PAYLOAD), 1000 + sequence)?;
    publisher.show();
    Ok(published)
}

/// Reads one record and checks it: its number, and how many were skipped.
fn read_one<W: Words>(subscriber: &mut Cursor<W>) -> Option<(u64, u64)> {
    match subscriber.next().unwrap() {
        Next::Record(record) => {
            assert_eq!(record.payload, payload(record.sequence, record.payload.len()));
            assert_eq!(record.written_at, 1000 + record.sequence);
            Some((record.sequence, record.skipped))
        }
        Next::Empty => None,
        Next::Overtaken => panic!("overtaken"),
    }
}

#[test]
fn records_are_read_in_order_over_many_laps() {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(1);
    let mut subscriber = shared.subscriber(Mode::Lossy, Start::Next);
    for sequence in 1..=500u64 {
        // Of many lengths, so that laps end now exactly and now with a pad.
        let len = usize::try_from(sequence).unwrap() * 7 % (payload_max_of(CAPACITY) + 1);
        publisher.append(&payload(sequence, len), 1000 + sequence).unwrap();
        assert_eq!(read_one(&mut subscriber), None, "not shown yet");
        assert!(publisher.show() && !publisher.show());
        assert!(subscriber.has_more());
        assert_eq!(read_one(&mut subscriber), Some((sequence, 0)));
        assert_eq!(read_one(&mut subscriber), None);
        assert!(!subscriber.has_more());
    }
}

#[test]
fn a_reader_that_is_overtaken_learns_exactly_how_many_it_has_missed() {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(1);
    let mut subscriber = shared.subscriber(Mode::Lossy, Start::Next);
    for _ in 0..100 {
        publish(&mut publisher).unwrap();
    }
    // 16 fit. An eighth of distance leaves 14.
    assert_eq!(read_one(&mut subscriber), Some((87, 86)));
    for sequence in 88..=100 {
        assert_eq!(read_one(&mut subscriber), Some((sequence, 0)));
    }
    assert_eq!(read_one(&mut subscriber), None);
}

#[test]
fn a_reader_of_the_latest_skips_what_is_older() {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(1);
    let mut subscriber = shared.subscriber(Mode::Latest, Start::Next);
    assert_eq!(read_one(&mut subscriber), None);
    for _ in 0..3 {
        publish(&mut publisher).unwrap();
    }
    assert!(subscriber.has_more());
    assert_eq!(read_one(&mut subscriber), Some((3, 2)));
    assert_eq!(read_one(&mut subscriber), None);
    assert!(!subscriber.has_more());
}

#[test]
fn a_late_reader_starts_where_it_wants_to() {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(1);
    for start in [Start::Next, Start::Newest, Start::Oldest] {
        assert_eq!(read_one(&mut shared.subscriber(Mode::Lossy, start)), None, "{start:?}");
    }
    for _ in 0..5 {
        publish(&mut publisher).unwrap();
    }
    for mode in [Mode::Lossy, Mode::Latest] {
        assert_eq!(read_one(&mut shared.subscriber(mode, Start::Next)), None);
        assert_eq!(read_one(&mut shared.subscriber(mode, Start::Newest)), Some((5, 0)));
    }
    assert_eq!(read_one(&mut shared.subscriber(Mode::Lossy, Start::Oldest)), Some((1, 0)));
    assert_eq!(read_one(&mut shared.subscriber(Mode::Latest, Start::Oldest)), Some((5, 0)));
    // After some laps, the oldest that is still there.
    for _ in 5..100 {
        publish(&mut publisher).unwrap();
    }
    assert_eq!(read_one(&mut shared.subscriber(Mode::Lossy, Start::Oldest)), Some((85, 0)));
}

#[test]
fn a_reader_that_started_behind_the_newest_counts_what_it_misses_before_its_first_record() {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(1);
    publish(&mut publisher).unwrap();
    let mut subscriber = shared.subscriber(Mode::Lossy, Start::Next);
    for _ in 1..51 {
        publish(&mut publisher).unwrap();
    }
    let (sequence, skipped) = read_one(&mut subscriber).unwrap();
    assert_eq!(skipped, sequence - 2);
}

// ---- readers that must miss nothing ----

#[test]
fn the_publisher_waits_for_a_reader_with_a_slot_and_goes_on_when_it_has_read() {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(1);
    publish(&mut publisher).unwrap();
    let mut slot = shared.slots.slot(5);
    let mut subscriber = Cursor::new(shared.ring.clone(), Mode::Lossless);
    assert!(subscriber.join(Start::Next, &mut slot, 1).unwrap());
    for _ in 1..17 {
        publish(&mut publisher).unwrap();
    }
    assert_eq!(publish(&mut publisher), Err(Held { slots: 1 << 5 }));
    assert!(!subscriber.advance(&slot), "it does not wait");
    publisher.set_waiting(true);
    assert_eq!(read_one(&mut subscriber), Some((2, 0)));
    assert_eq!(publish(&mut publisher), Err(Held { slots: 1 << 5 }), "not given back yet");
    assert!(!subscriber.advance(&slot), "there is not much room yet");
    assert_eq!(publish(&mut publisher), Ok(18), "but enough for one that looks by itself");
    let rings = (3..=18).filter(|sequence| {
        assert_eq!(read_one(&mut subscriber), Some((*sequence, 0)));
        subscriber.advance(&slot)
    });
    assert_eq!(rings.collect::<Vec<_>>(), [9], "once, when half of the ring is free");
    publisher.set_waiting(false);
}

#[test]
fn records_before_one_that_has_to_wait_are_shown() {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(1);
    let mut slot = shared.slots.slot(0);
    let mut subscriber = Cursor::new(shared.ring.clone(), Mode::Lossless);
    assert!(subscriber.join(Start::Next, &mut slot, 1).unwrap());
    let held = (1..).map_while(|at| publisher.append(&payload(at, PAYLOAD), 1000 + at).ok());
    assert_eq!(held.count(), 16);
    for sequence in 1..=16 {
        assert_eq!(read_one(&mut subscriber), Some((sequence, 0)));
    }
}

#[test]
fn a_reader_that_is_cut_off_knows_it_and_holds_nobody_up() {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(1);
    let mut slot = shared.slots.slot(63);
    let mut subscriber = Cursor::new(shared.ring.clone(), Mode::Lossless);
    assert!(subscriber.join(Start::Next, &mut slot, 1).unwrap());
    while publish(&mut publisher).is_ok() {}
    assert!(!slot.is_cut_off());
    publisher.cut_off(63);
    assert!(slot.is_cut_off());
    publish(&mut publisher).unwrap();
    assert_eq!(subscriber.next(), Ok(Next::Overtaken));
    // Whoever has the slot next is somebody else.
    assert!(subscriber.join(Start::Next, &mut slot, 1).unwrap());
    assert!(!slot.is_cut_off());
    for _ in 0..16 {
        publish(&mut publisher).unwrap();
    }
    assert_eq!(publish(&mut publisher), Err(Held { slots: 1 << 63 }));
}

#[test]
fn a_reader_that_has_gone_holds_nobody_up() {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(1);
    let mut slot = shared.slots.slot(1);
    let mut subscriber = Cursor::new(shared.ring.clone(), Mode::Lossless);
    assert!(subscriber.join(Start::Next, &mut slot, 1).unwrap());
    while publish(&mut publisher).is_ok() {}
    drop(slot);
    publish(&mut publisher).unwrap();
}

#[test]
fn a_reader_of_the_file_before_is_waited_for_from_the_beginning() {
    let shared = Shared::new(CAPACITY);
    let mut slot = shared.slots.slot(0);
    slot.attach(40_000, 1);
    let mut publisher = shared.publisher(2);
    for _ in 0..16 {
        publish(&mut publisher).unwrap();
    }
    assert_eq!(publish(&mut publisher), Err(Held { slots: 1 }));
    let mut subscriber = Cursor::new(shared.ring.clone(), Mode::Lossless);
    assert!(subscriber.follow(&mut slot, 2).unwrap());
    assert_eq!(read_one(&mut subscriber), Some((1, 0)));
    subscriber.advance(&slot);
    publish(&mut publisher).unwrap();
}

#[test]
fn a_reader_that_follows_too_late_knows_how_many_it_has_missed() {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(2);
    for _ in 0..100 {
        publish(&mut publisher).unwrap();
    }
    let mut slot = shared.slots.slot(0);
    slot.attach(40_000, 1);
    let mut subscriber = Cursor::new(shared.ring.clone(), Mode::Lossless);
    assert!(subscriber.follow(&mut slot, 2).unwrap());
    let (sequence, skipped) = read_one(&mut subscriber).unwrap();
    assert_eq!(skipped, sequence - 1);
    assert!(!slot.is_cut_off());
}

#[test]
fn a_reader_can_join_behind_a_long_batch_that_is_being_written() {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(1);
    for batch in 1..30 {
        for _ in 0..batch {
            let sequence = publisher.sequence() + 1;
            publisher.append(&payload(sequence, PAYLOAD), 1000 + sequence).unwrap();
        }
        for start in [Start::Next, Start::Newest] {
            let mut slot = shared.slots.slot(0);
            let mut subscriber = Cursor::new(shared.ring.clone(), Mode::Lossless);
            assert!(subscriber.join(start, &mut slot, 1).unwrap());
        }
    }
}

#[test]
fn a_reader_with_a_slot_that_starts_at_the_oldest_misses_nothing_from_there_on() {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(1);
    for _ in 0..100 {
        publish(&mut publisher).unwrap();
    }
    let mut slot = shared.slots.slot(0);
    let mut subscriber = Cursor::new(shared.ring.clone(), Mode::Lossless);
    assert!(subscriber.join(Start::Oldest, &mut slot, 1).unwrap());
    while publish(&mut publisher).is_ok() {}
    let (first, skipped) = read_one(&mut subscriber).unwrap();
    assert!(skipped == 0 && (85..=97).contains(&first), "{first}");
    for sequence in first + 1..=publisher.sequence() {
        assert_eq!(read_one(&mut subscriber), Some((sequence, 0)));
    }
}

#[test]
fn positions_that_cannot_be_cut_a_reader_off() {
    for position in [u64::MAX, 8, 12, 1 << 40] {
        let shared = Shared::new(CAPACITY);
        let mut publisher = shared.publisher(1);
        let mut slot = shared.slots.slot(0);
        slot.attach(position, 1);
        for _ in 0..40 {
            publish(&mut publisher).unwrap();
        }
        assert!(slot.is_cut_off(), "{position}");
    }
}

// ---- what was damaged ----

#[test]
fn a_damaged_record_is_reported_once_and_left_behind() {
    for bit in 0..64 * 8 {
        let shared = Shared::new(CAPACITY);
        let mut publisher = shared.publisher(1);
        let mut subscriber = shared.subscriber(Mode::Lossy, Start::Next);
        let mut latest = shared.subscriber(Mode::Latest, Start::Next);
        publish(&mut publisher).unwrap();
        let at = DATA + bit / 64 * 8;
        let word = shared.ring.words.load(at, Ordering::Relaxed) ^ 1 << (bit % 64);
        shared.ring.words.store(at, word, Ordering::Relaxed);
        for subscriber in [&mut subscriber, &mut latest] {
            assert!(subscriber.next().is_err(), "bit {bit}");
            assert_eq!(subscriber.next(), Ok(Next::Empty));
        }
        publish(&mut publisher).unwrap();
        assert_eq!(read_one(&mut subscriber), Some((2, 1)));
        assert_eq!(read_one(&mut latest), Some((2, 1)));
    }
}

#[test]
fn a_tail_that_goes_back_is_refused() {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(1);
    let mut subscriber = shared.subscriber(Mode::Lossy, Start::Next);
    for _ in 0..2 {
        publish(&mut publisher).unwrap();
        read_one(&mut subscriber).unwrap();
    }
    shared.ring.words.store(word::TAIL, 64, Ordering::Relaxed);
    let expected = Corrupt::Positions { write: 64, read: 128, capacity: CAPACITY as u64 };
    assert_eq!(subscriber.next(), Err(expected));
}

#[test]
fn record_numbers_that_go_back_are_refused() {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(1);
    let mut subscriber = shared.subscriber(Mode::Lossy, Start::Next);
    publish(&mut publisher).unwrap();
    publish(&mut publisher).unwrap();
    let (second, again) = (DATA + 64, payload(2, PAYLOAD));
    let crc = u64::from(checksum_of(0, 1002, &again));
    shared.ring.words.store(second, PAYLOAD as u64 | crc << 32, Ordering::Relaxed);
    shared.ring.words.store(second + 8, 0, Ordering::Relaxed);
    assert_eq!(read_one(&mut subscriber), Some((1, 0)));
    assert_eq!(subscriber.next(), Err(Corrupt::Sequence { found: 0, expected: 2 }));
}

// ---- as PROTOCOL.md has it ----

/// The bytes of a record.
pub(crate) fn written(number: u64, at: u64, payload: &[u8]) -> Vec<u8> {
    let shared = Shared::new(CAPACITY);
    let mut publisher = shared.publisher(1);
    publisher.number_from(number);
    publisher.append(payload, at).unwrap();
    let mut bytes = vec![0; record_len(payload.len())];
    shared.ring.words.copy_out(DATA, &mut bytes);
    bytes
}

/// What a record says: its number, when it was written, and its payload.
pub(crate) fn read(record: &[u8]) -> Option<(u64, u64, Vec<u8>)> {
    let shared = Shared::new(CAPACITY);
    shared.ring.words.copy_in(DATA, record);
    shared.ring.words.store(word::NEWEST, 1, Ordering::Relaxed);
    shared.ring.words.store(word::TAIL, record.len() as u64, Ordering::Relaxed);
    match shared.subscriber(Mode::Lossy, Start::Newest).next() {
        Ok(Next::Record(record)) => {
            Some((record.sequence, record.written_at, record.payload.to_vec()))
        }
        _ => None,
    }
}

// ---- at full speed ----

/// Records of many lengths, which say what they are, past readers that are now fast and now slow.
#[test]
fn what_is_read_beside_the_publisher_is_whole_and_counted() {
    const RECORDS: u64 = 60_000;
    let shared = Arc::new(Shared::new(4096));
    let is_over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = [Mode::Lossy, Mode::Latest, Mode::Lossless]
        .into_iter()
        .enumerate()
        .map(|(index, mode)| {
            let mut slot = shared.slots.slot(index);
            let mut subscriber = Cursor::new(shared.ring.clone(), mode);
            match mode {
                Mode::Lossless => assert!(subscriber.join(Start::Next, &mut slot, 1).unwrap()),
                _ => subscriber.start(Start::Next).unwrap(),
            }
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                let (mut read_count, mut skipped_count) = (0, 0);
                loop {
                    let was_over = is_over.load(Relaxed);
                    match read_one(&mut subscriber) {
                        Some((sequence, skipped)) => {
                            read_count += 1;
                            skipped_count += skipped;
                            assert_eq!(sequence, read_count + skipped_count);
                        }
                        None if was_over && !subscriber.has_more() => break,
                        None => thread::yield_now(),
                    }
                    if mode == Mode::Lossless {
                        subscriber.advance(&slot);
                        assert_eq!(skipped_count, 0);
                    }
                }
                assert_eq!(read_count + skipped_count, RECORDS);
            })
        })
        .collect();
    let mut publisher = shared.publisher(1);
    for sequence in 1..=RECORDS {
        let payload = payload(sequence, usize::try_from(sequence).unwrap() * 13 % 700);
        while publisher.append(&payload, 1000 + sequence).is_err() {
            thread::yield_now();
        }
        publisher.show();
    }
    is_over.store(true, Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
}
