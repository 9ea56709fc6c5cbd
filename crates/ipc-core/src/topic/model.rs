//! A topic in a loom model: the production publisher and readers over words loom watches.
//!
//! The words of the ring are atomics without any order of their own, as the copies in a mapping
//! have none: that a copy is whole must follow from the fences and from what is loaded behind them.

use std::sync::Arc;

use loom::thread;

use super::cursor::{Cursor, Mode, Next, Start};
use super::ring::{Ring, payload_max_of};
use super::slots::{SLOT_LEN, Slots};
use super::writer::Writer;
use crate::memory::words::Heap;

/// Four records of the only length.
const CAPACITY: usize = 128;
/// Behind the live words.
const DATA: usize = 1152;

struct Shared {
    ring: Ring<Heap>,
    slots: Slots<Heap>,
}

impl Shared {
    fn new(slots: usize) -> Self {
        let (words, slot_words) = (Heap::new(DATA + CAPACITY), Heap::new(SLOT_LEN * slots));
        Self {
            ring: Ring::new(Arc::new(words), DATA, CAPACITY, payload_max_of(CAPACITY)),
            slots: Slots::new(Arc::new(slot_words), 0, slots),
        }
    }

    /// A publisher that has published so many records.
    fn publisher(&self, published: u64) -> Writer<Heap, Heap> {
        let mut publisher = Writer::new(self.ring.clone(), self.slots.clone(), 1);
        for _ in 0..published {
            assert!(publish(&mut publisher));
        }
        publisher
    }
}

fn payload(sequence: u64) -> [u8; 8] {
    (sequence * 0x0101_0101).to_le_bytes()
}

/// Publishes the next record, if there is room.
fn publish(publisher: &mut Writer<Heap, Heap>) -> bool {
    let sequence = publisher.sequence() + 1;
    let has_room = publisher.append(&payload(sequence), sequence).is_ok();
    publisher.show();
    has_room
}

/// Reads the next record and checks every bit of it.
fn read(subscriber: &mut Cursor<Heap>) -> Option<(u64, u64)> {
    match subscriber.next().unwrap() {
        Next::Record(record) => {
            assert_eq!(record.payload, payload(record.sequence));
            assert_eq!(record.written_at, record.sequence);
            Some((record.sequence, record.skipped))
        }
        Next::Empty => None,
        Next::Overtaken => panic!("overtaken"),
    }
}

/// A reader at the oldest of four records while one more is written, which overwrites it. Bound: 2
/// threads, 4 records there and 1 more, 3 reads, capacity 128.
#[test]
fn what_is_overwritten_while_it_is_read_is_not_delivered() {
    loom::model(|| {
        let shared = Shared::new(0);
        let mut publisher = shared.publisher(4);
        let mut subscriber = Cursor::new(shared.ring.clone(), Mode::Lossy);
        let reader = thread::spawn(move || {
            let mut last = 0;
            for _ in 0..3 {
                let Some((sequence, skipped)) = read(&mut subscriber) else { continue };
                assert_eq!(sequence, last + skipped + 1, "what was skipped is counted");
                last = sequence;
            }
        });
        assert!(publish(&mut publisher));
        reader.join().unwrap();
    });
}

/// A reader of the newest while a whole lap is written. Bound: 2 threads, 4 records there and 4
/// more, 2 reads, capacity 128.
#[test]
fn the_newest_that_is_delivered_is_whole() {
    loom::model(|| {
        let shared = Shared::new(0);
        let mut publisher = shared.publisher(4);
        let mut subscriber = Cursor::new(shared.ring.clone(), Mode::Latest);
        let reader = thread::spawn(move || {
            let first = read(&mut subscriber).expect("there is always one");
            assert_eq!(first.0, first.1 + 1);
            if let Some((sequence, skipped)) = read(&mut subscriber) {
                assert_eq!(sequence, first.0 + skipped + 1);
            }
        });
        for _ in 0..4 {
            assert!(publish(&mut publisher));
        }
        reader.join().unwrap();
    });
}

/// A reader that joins while the publisher is about to look at the slots. From the moment it has
/// joined it misses nothing. Bound: 2 threads, 1 slot, 4 records there and 2 more, capacity 128.
#[test]
fn who_has_joined_is_waited_for() {
    loom::model(|| {
        let shared = Shared::new(1);
        let mut publisher = shared.publisher(4);
        let mut subscriber = Cursor::new(shared.ring.clone(), Mode::Lossless);
        let mut slot = shared.slots.slot(0);
        let reader = thread::spawn(move || {
            if !subscriber.join(Start::Oldest, &mut slot, 1).unwrap() {
                return;
            }
            let mut last = None;
            for _ in 0..2 {
                let Some((sequence, _)) = read(&mut subscriber) else { break };
                assert!(last.is_none_or(|last| sequence == last + 1));
                last = Some(sequence);
            }
        });
        for _ in 0..2 {
            publish(&mut publisher);
        }
        reader.join().unwrap();
    });
}

/// A reader reads four records and gives them back one by one, while the publisher writes over
/// them. Bound: 2 threads, 1 slot, 4 records there and 2 more, capacity 128.
#[test]
fn what_was_not_given_back_is_not_overwritten() {
    loom::model(|| {
        let shared = Shared::new(1);
        let mut subscriber = Cursor::new(shared.ring.clone(), Mode::Lossless);
        let mut slot = shared.slots.slot(0);
        assert!(subscriber.join(Start::Next, &mut slot, 1).unwrap());
        let mut publisher = shared.publisher(4);
        assert!(!publish(&mut publisher), "full");
        let reader = thread::spawn(move || {
            for sequence in 1..=3 {
                assert_eq!(read(&mut subscriber), Some((sequence, 0)));
                subscriber.advance(&slot);
            }
            // It stays in its slot.
            std::mem::forget(slot);
        });
        for _ in 0..2 {
            while !publish(&mut publisher) {
                thread::yield_now();
            }
        }
        reader.join().unwrap();
    });
}

/// A publisher that is about to sleep until there is room, and a reader that makes some. Bound: 2
/// threads, 1 slot, 4 records there and 1 more, capacity 128.
#[test]
fn a_publisher_that_sleeps_is_rung() {
    loom::model(|| {
        let shared = Shared::new(1);
        let mut subscriber = Cursor::new(shared.ring.clone(), Mode::Lossless);
        let mut slot = shared.slots.slot(0);
        assert!(subscriber.join(Start::Next, &mut slot, 1).unwrap());
        let mut publisher = shared.publisher(4);
        assert!(!publish(&mut publisher), "full");
        let reader = thread::spawn(move || {
            let rings = [1, 2].map(|sequence| {
                assert_eq!(read(&mut subscriber), Some((sequence, 0)));
                subscriber.advance(&slot)
            });
            std::mem::forget(slot);
            rings.contains(&true)
        });
        publisher.set_waiting(true);
        let has_published = publish(&mut publisher);
        let rings = reader.join().unwrap();
        assert!(has_published || rings, "it sleeps, and nobody wakes it");
    });
}
