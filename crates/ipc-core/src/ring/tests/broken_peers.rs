//! Anything a peer writes into a ring is either read or refused, and the refusal holds the numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{Backing, HeapRegion, MODES, SealedRing, ends, header, pop, push};
use crate::checksum::CrcMode;
use crate::error::Corrupt;
use crate::header::{HEADER_LEN, frame_len};
use crate::limits::frame_payload_max;
use crate::ring::{Consumer, Producer, Region, pad_word};
use crate::seeds::{Random, each_seed};

/// Boundary values for arithmetic on positions and lengths.
fn interesting(capacity: usize) -> Vec<u64> {
    let capacity = capacity as u64;
    let around = [0, capacity / 4, capacity / 2, capacity, 2 * capacity, 1 << 31, 1 << 32, 1 << 63];
    let near = [-64i64, -25, -24, -9, -8, -7, -1, 0, 1, 7, 8, 9, 24, 25, 64];
    let mut numbers: Vec<u64> = around
        .iter()
        .flat_map(|base| near.iter().map(move |offset| base.wrapping_add_signed(*offset)))
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Reads everything a ring seems to hold, which is at most one frame for each header that fits.
fn read_all<R: Region>(consumer: &mut Consumer<R>, capacity: usize) -> Result<usize, Corrupt> {
    for frames in 0..=capacity / HEADER_LEN {
        if pop(consumer)?.is_none() {
            return Ok(frames);
        }
    }
    panic!("more frames than fit");
}

#[test]
fn every_position_a_producer_may_claim_is_read_or_refused() {
    let capacity = 128;
    let numbers = interesting(capacity);
    for &released in numbers.iter().filter(|number| number.is_multiple_of(8)) {
        for &write in &numbers {
            let backing = HeapRegion::new(capacity);
            let (_, mut consumer) = ends(&backing, CrcMode::Off, released);
            backing.store_write(write);
            let occupied = write.wrapping_sub(released);
            let possible = write.is_multiple_of(8) && occupied <= capacity as u64;
            match consumer.refresh() {
                Ok(any) => {
                    assert!(possible, "{write} after {released} was taken");
                    assert_eq!(any, occupied > 0);
                    // Zeros are not a frame.
                    assert!(!any || consumer.peek().is_err());
                }
                Err(found) => {
                    assert!(!possible, "{write} after {released} was refused");
                    let capacity = capacity as u64;
                    assert_eq!(found, Corrupt::Positions { write, read: released, capacity });
                }
            }
        }
    }
}

#[test]
fn a_position_that_goes_back_is_refused() {
    let backing = HeapRegion::new(128);
    let (mut producer, mut consumer) = ends(&backing, CrcMode::Off, 0);
    for id in 0..2 {
        assert!(push(&mut producer, CrcMode::Off, id, &[]).unwrap());
    }
    producer.publish();
    assert!(consumer.refresh().unwrap());
    for write in [0, 8, 24, 40] {
        backing.store_write(write);
        let expected = Corrupt::Positions { write, read: 0, capacity: 128 };
        assert_eq!(consumer.refresh(), Err(expected));
    }
}

#[test]
fn every_position_a_consumer_may_claim_is_used_or_refused() {
    let capacity = 128;
    let numbers = interesting(capacity);
    for &start in numbers.iter().filter(|number| number.is_multiple_of(8)) {
        for &read in &numbers {
            for published in 0..4 {
                let backing = HeapRegion::new(capacity);
                let (mut producer, _) = ends(&backing, CrcMode::Off, start);
                for id in 0..published {
                    assert!(push(&mut producer, CrcMode::Off, id, &[]).unwrap());
                }
                producer.publish();
                let write = backing.load_write();
                backing.store_read(read);
                let advanced = read.wrapping_sub(start);
                let possible = read.is_multiple_of(8) && advanced <= write.wrapping_sub(start);
                // The position is checked when the ring seems to be full, so it is filled.
                let outcome = (0..=capacity / HEADER_LEN + 1)
                    .map(|_| push(&mut producer, CrcMode::Off, 9, &[]))
                    .find(|outcome| !matches!(outcome, Ok(true)));
                let refused = Corrupt::Positions { write, read, capacity: capacity as u64 };
                let expected = if possible { Ok(false) } else { Err(refused) };
                assert_eq!(outcome, Some(expected), "start {start} read {read}");
            }
        }
    }
}

#[test]
fn every_length_a_frame_may_claim_is_read_or_refused() {
    let capacity = 512;
    let lengths: Vec<u64> = (0..200).chain(interesting(capacity)).collect();
    for start in [0, 256, 400, 488] {
        for available in (0..=capacity as u64).step_by(8) {
            for len in lengths.iter().filter_map(|len| u32::try_from(*len).ok()) {
                let backing = HeapRegion::new(capacity);
                let (_, mut consumer) = ends(&backing, CrcMode::Off, start);
                let [first, id, _] = header(1, 0).sealed(CrcMode::Off, &[]);
                let offset = usize::try_from(start).unwrap() % capacity;
                if offset + HEADER_LEN <= capacity {
                    backing.store_words(offset, [first, id, u64::from(len)]);
                }
                backing.store_write(start + available);
                consumer.refresh().unwrap();
                let room = usize::try_from(available).unwrap().min(capacity - offset);
                let (len, max) = (len as usize, frame_payload_max(capacity));
                match consumer.peek() {
                    Ok(false) => assert_eq!(available, 0),
                    Ok(true) => {
                        assert!(len <= max && frame_len(len) <= room, "{len} of {room}");
                        read_all(&mut consumer, capacity).ok();
                    }
                    Err(Corrupt::Length { len: found, available }) => {
                        assert!(len > max || frame_len(len) > room, "{len} of {room}");
                        let short = room < HEADER_LEN;
                        assert_eq!(found, if short { HEADER_LEN } else { len });
                        let payload_room = room.saturating_sub(HEADER_LEN).min(max);
                        assert_eq!(available, if short { room } else { payload_room });
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
}

#[test]
fn a_pad_closes_its_lap_exactly_or_is_refused() {
    let capacity = 128;
    for start in (0..capacity as u64).step_by(8) {
        let lap_rest = capacity as u64 - start;
        for available in (8..=capacity as u64).step_by(8) {
            for len in interesting(capacity).into_iter().filter(|len| *len <= u64::from(u32::MAX)) {
                let backing = HeapRegion::new(capacity);
                let (_, mut consumer) = ends(&backing, CrcMode::Off, start);
                let len = usize::try_from(len).unwrap();
                backing.store_words(usize::try_from(start).unwrap(), [pad_word(len)]);
                backing.store_write(start + available);
                consumer.refresh().unwrap();
                let outcome = consumer.peek();
                if len as u64 != lap_rest || lap_rest > available {
                    let available = usize::try_from(lap_rest.min(available)).unwrap();
                    assert_eq!(outcome, Err(Corrupt::Length { len, available }));
                } else if lap_rest == available {
                    assert_eq!(outcome, Ok(false), "the lap is closed and nothing follows");
                    assert!(consumer.is_exhausted());
                } else if start > 0 {
                    // The next lap begins with zeros: too few of them, or not a frame.
                    assert!(outcome.is_err());
                }
            }
        }
    }
}

#[test]
fn pads_without_end_end() {
    let capacity = 4096;
    let backing = HeapRegion::new(capacity);
    let (_, mut consumer) = ends(&backing, CrcMode::Header, 0);
    backing.store_words(0, [pad_word(capacity)]);
    for lap in 1..100 {
        backing.store_write(lap * capacity as u64);
        assert!(consumer.refresh().unwrap());
        assert_eq!(consumer.peek(), Ok(false));
        consumer.release();
    }
    // A peer that pads without waiting for space is refused.
    backing.store_write(101 * capacity as u64);
    assert!(matches!(consumer.refresh(), Err(Corrupt::Positions { .. })));
}

#[test]
fn arbitrary_words_are_read_or_refused() {
    each_seed(3000, |random| {
        let capacity = random.pick(&[128, 256, 4096]);
        let numbers = interesting(capacity);
        let start = random.next() & !7;
        let backing = HeapRegion::new(capacity);
        let (_, mut consumer) = ends(&backing, random.pick(&MODES), start);
        let [first, ..] = header(0, 0).sealed(CrcMode::Off, &[]);
        for offset in (0..capacity).step_by(8) {
            let word = match random.below(6) {
                0 => random.next(),
                1 => random.pick(&numbers),
                2 => pad_word(capacity - offset),
                // Any header with a correct magic.
                3 => first ^ 1 << (32 + random.below(32)),
                _ => first,
            };
            backing.store_words(offset, [word]);
        }
        let occupied = random.below(capacity + 1) as u64 & !7;
        backing.store_write(start.wrapping_add(occupied));
        consumer.refresh().unwrap();
        let _ = read_all(&mut consumer, capacity);
    });
}

/// Rounds of reading and writing a ring that is overwritten meanwhile.
const ROUNDS: usize = 20_000;

/// Reads and writes rings while another thread overwrites bytes and positions. Nothing may panic or
/// leave the ring; the bounds are what the region checks. It goes on until something was taken and
/// something refused, which needs the other thread to have run: no time is long enough for that on
/// a machine that is busy.
fn a_scribbler_is_survived<B: Backing>() {
    let capacity = 4096;
    let backing = B::new(capacity);
    let stop = Arc::new(AtomicBool::new(false));
    let region = backing.region();
    let stopped = Arc::clone(&stop);
    let scribbler = thread::spawn(move || {
        let mut random = Random::new(0);
        let good = header(0, 0).sealed(CrcMode::Off, &[]);
        while !stopped.load(Ordering::Relaxed) {
            let offset = random.below(capacity / 8 - 2) * 8;
            match random.below(8) {
                0 => region.store_write(random.next() & !7),
                1 => region.store_write(region.load_read().wrapping_add(offset as u64)),
                2 => region.store_read(region.load_write().wrapping_sub(offset as u64)),
                3 => region.store_words(offset, [random.next()]),
                4 => region.store_words(offset, [pad_word(capacity - offset)]),
                _ => {
                    let len = random.next() % (capacity as u64 / 2);
                    region.store_words(offset, [good[0], random.next(), len]);
                }
            }
        }
    });
    let (mut refused, mut taken, mut round) = (0u64, 0u64, 0);
    while round < ROUNDS || refused == 0 || taken == 0 {
        round += 1;
        let crc = MODES[round % MODES.len()];
        let own = backing.region();
        let (write, read) = (own.load_write() & !7, own.load_read() & !7);
        let mut consumer = Consumer::starting_at(backing.region(), crc, read);
        let mut producer = Producer::starting_at(backing.region(), write);
        for id in 0..64 {
            let read = consumer.refresh().and_then(|_| {
                let result = read_all(&mut consumer, capacity);
                consumer.release();
                result
            });
            let written = push(&mut producer, crc, id, &[1; 200]);
            producer.publish();
            match (read, written) {
                (Ok(frames), Ok(_)) => taken += frames as u64,
                _ => {
                    refused += 1;
                    break;
                }
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    scribbler.join().unwrap();
}

#[test]
fn a_scribbler_on_the_heap_is_survived() {
    a_scribbler_is_survived::<HeapRegion>();
}

#[test]
fn a_scribbler_in_the_segment_is_survived() {
    a_scribbler_is_survived::<SealedRing>();
}
