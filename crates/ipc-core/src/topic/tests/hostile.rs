//! Whatever stands in shared memory: each call returns, with a record or a refusal, and touches
//! nothing outside of it. The heap panics where something would.

use super::{CAPACITY, DATA, PAYLOAD, Shared, payload};
use crate::memory::words::Words;
use crate::seeds::{Random, each_seed};
use crate::sync::Ordering::Relaxed;
use crate::topic::cursor::{Cursor, Mode, Next, Start};
use crate::topic::ring::word;
use crate::topic::slots::{SLOT_LEN, SLOTS};

/// A number that arithmetic on positions may stumble over, or one that is nearly right.
fn number(random: &mut Random) -> u64 {
    let capacity = CAPACITY as u64;
    let base = random.pick(&[0, 1 << 31, 1 << 32, 1 << 63, u64::MAX, capacity, 5 * capacity]);
    match random.below(4) {
        0 => random.next(),
        1 => base.wrapping_add(random.next() % 64).wrapping_sub(32),
        2 => base.wrapping_add(random.next() % 8 * 8),
        _ => (random.next() % (4 * capacity)) & !7,
    }
}

/// A word of the ring that is read: one of those with a meaning, or one of its bytes.
fn place(random: &mut Random) -> usize {
    let words = [word::INTENT, word::TAIL, word::NEWEST, word::WANTED, word::REACH];
    match random.below(3) {
        0 => random.pick(&words),
        1 => word::MARKS + random.below(16) * 8,
        _ => DATA + random.below(CAPACITY / 8) * 8,
    }
}

#[test]
fn readers_of_bytes_that_cannot_be_return() {
    each_seed(2000, |random| {
        let shared = Shared::new(CAPACITY);
        let mut publisher = shared.publisher(1);
        let mut slot = shared.slots.slot(0);
        let mut readers: Vec<_> = [Mode::Latest, Mode::Lossy, Mode::Lossless]
            .map(|mode| Cursor::new(shared.ring.clone(), mode))
            .into();
        for _ in 0..100 {
            for _ in 0..random.below(4) {
                shared.ring.words.store(place(random), number(random), Relaxed);
            }
            if random.percent(50) {
                let len = random.below(PAYLOAD);
                let sequence = publisher.sequence() + 1;
                let _ = publisher.append(&payload(sequence, len), 0);
                publisher.show();
            }
            let start = random.pick(&[Start::Next, Start::Newest, Start::Oldest]);
            let reader = random.below(3);
            let reader = &mut readers[reader];
            match random.below(6) {
                0 => drop(reader.start(start)),
                1 => drop(reader.join(start, &mut slot, 1)),
                2 => drop(reader.advance(&slot)),
                _ => {
                    reader.has_more();
                    if let Ok(Next::Record(record)) = reader.next() {
                        assert!(record.payload.len() <= shared.ring.payload_max());
                    }
                }
            }
        }
    });
}

#[test]
fn a_publisher_whose_slots_say_what_cannot_be_goes_on_once_they_are_cut_off() {
    each_seed(500, |random| {
        let shared = Shared::new(CAPACITY);
        let mut publisher = shared.publisher(random.pick(&[1, 2, u64::MAX]));
        for sequence in 1..200 {
            for _ in 0..random.below(4) {
                let at = random.below(SLOTS) * SLOT_LEN + random.below(7) * 8;
                let value = if random.percent(60) { random.next() % 4 } else { number(random) };
                shared.slots.words().store(at, value, Relaxed);
            }
            let payload = payload(sequence, PAYLOAD);
            while let Err(held) = publisher.append(&payload, 0) {
                assert_ne!(held.slots, 0);
                (0..SLOTS).filter(|slot| held.slots & 1 << slot != 0).for_each(|slot| {
                    publisher.cut_off(slot);
                });
            }
            publisher.show();
            assert_eq!(publisher.sequence(), sequence);
        }
    });
}
