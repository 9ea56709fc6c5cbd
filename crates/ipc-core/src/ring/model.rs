//! The ring in a loom model: the production producer and consumer over words loom watches.
//!
//! Bytes are cells without any order of their own, so that loom reports a frame that is read while
//! it is written, or before its publish is seen, as the data race it is. Positions are atomics with
//! the orders the mapping has.
//!
//! Every interleaving is explored, unless `LOOM_MAX_PREEMPTIONS` bounds them. Run with
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib model`.

#![allow(unsafe_code)]

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;
use loom::thread;

use super::{Consumer, Producer, Region};
use crate::checksum::CrcMode;
use crate::error::Corrupt;
use crate::header::{Header, Kind};
use crate::sync::{OBSERVE, PUBLISH};

/// Reservation for four of the largest frames, which have 8 bytes behind their header.
pub(crate) const CAPACITY: usize = 128;

/// A ring in a model. Cloned, it is the same ring.
#[derive(Clone)]
pub(crate) struct ModelRegion(Arc<Shared>);

struct Shared {
    write: AtomicU64,
    read: AtomicU64,
    words: Vec<UnsafeCell<u64>>,
}

// SAFETY: nothing but the ring's protocol keeps two threads from one cell; that it does is what the
// models check, and loom sees every access.
unsafe impl Sync for Shared {}

impl ModelRegion {
    /// An empty ring whose next frame starts at `position`.
    pub fn starting_at(position: u64) -> Self {
        let words = (0..CAPACITY / 8).map(|_| UnsafeCell::new(0)).collect();
        Self(Arc::new(Shared {
            write: AtomicU64::new(position),
            read: AtomicU64::new(position),
            words,
        }))
    }

    fn load(&self, offset: usize) -> u64 {
        assert!(offset.is_multiple_of(8), "the models' frames are whole words");
        // SAFETY: the pointer is the cell's, and loom refuses a read beside a write.
        self.0.words[offset / 8].with(|word| unsafe { *word })
    }

    fn store(&self, offset: usize, value: u64) {
        assert!(offset.is_multiple_of(8), "the models' frames are whole words");
        // SAFETY: the pointer is the cell's, and loom refuses a write beside anything.
        self.0.words[offset / 8].with_mut(|word| unsafe { *word = value });
    }
}

impl Region for ModelRegion {
    fn capacity(&self) -> usize {
        CAPACITY
    }

    fn load_write(&self) -> u64 {
        self.0.write.load(OBSERVE)
    }

    fn store_write(&self, position: u64) {
        self.0.write.store(position, PUBLISH);
    }

    fn load_read(&self) -> u64 {
        self.0.read.load(OBSERVE)
    }

    fn store_read(&self, position: u64) {
        self.0.read.store(position, PUBLISH);
    }

    fn load_words<const N: usize>(&self, offset: usize) -> [u64; N] {
        std::array::from_fn(|index| self.load(offset + index * 8))
    }

    fn store_words<const N: usize>(&self, offset: usize, words: [u64; N]) {
        for (index, word) in words.into_iter().enumerate() {
            self.store(offset + index * 8, word);
        }
    }

    fn prefetch(&self, _: usize) {}

    fn copy_in(&self, offset: usize, bytes: &[u8]) {
        for (index, word) in bytes.chunks_exact(8).enumerate() {
            self.store(offset + index * 8, u64::from_le_bytes(word.try_into().unwrap()));
        }
    }

    fn copy_out(&self, offset: usize, bytes: &mut [u8]) {
        for (index, word) in bytes.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&self.load(offset + index * 8).to_le_bytes());
        }
    }
}

/// What frame `id` carries: 8 bytes where `id` is odd, nothing where it is even, so that laps end
/// now exactly and now with a pad.
fn payload(id: u64) -> Vec<u8> {
    if id % 2 == 1 { (id * 0x0101_0101).to_le_bytes().to_vec() } else { Vec::new() }
}

/// Writes frame `id`, or waits until the consumer has made room for it.
pub(crate) fn push_when_there_is_room<R: Region>(producer: &mut Producer<R>, id: u64) {
    while !push(producer, id) {
        thread::yield_now();
    }
}

/// Writes frame `id`, if there is room.
pub(crate) fn push<R: Region>(producer: &mut Producer<R>, id: u64) -> bool {
    let (header, payload) = frame(id);
    producer.push(header, &[&payload]).unwrap()
}

/// The sealed header and the payload of frame `id`.
pub(crate) fn frame(id: u64) -> ([u64; 3], Vec<u8>) {
    let payload = payload(id);
    let header = Header::new(Kind::OneWay, 0, id).with_len(payload.len());
    (header.sealed(CrcMode::Full, &[&payload]), payload)
}

/// Takes the next frame out of what was seen, and checks every bit of it.
fn pop<R: Region>(consumer: &mut Consumer<R>) -> Result<Option<u64>, Corrupt> {
    if !consumer.peek()? {
        return Ok(None);
    }
    let id = consumer.frame().header.id;
    let mut bytes = vec![0; consumer.payload().len()];
    consumer.payload().copy_to(&mut bytes)?;
    assert_eq!(bytes, payload(id));
    consumer.advance();
    Ok(Some(id))
}

/// Reads frames `ids` in order, polling until each is there.
fn consume<R: Region>(consumer: &mut Consumer<R>, ids: std::ops::Range<u64>) {
    for id in ids {
        let found = loop {
            if let Some(found) = pop(consumer).unwrap() {
                break found;
            }
            consumer.release();
            if !consumer.refresh().unwrap() {
                thread::yield_now();
            }
        };
        assert_eq!(found, id, "frames come in order");
    }
    consumer.release();
}

fn ends(start: u64) -> (Producer<ModelRegion>, Consumer<ModelRegion>) {
    let region = ModelRegion::starting_at(start);
    let consumer = Consumer::starting_at(region.clone(), CrcMode::Full, start);
    (Producer::starting_at(region, start), consumer)
}

/// Three frames, each published by itself. The first ends the lap exactly and takes the positions
/// through 0. Bound: 2 threads, 3 frames, capacity 128.
#[test]
fn every_frame_that_is_seen_is_whole() {
    loom::model(|| {
        let (mut producer, mut consumer) = ends(24u64.wrapping_neg());
        let reader = thread::spawn(move || consume(&mut consumer, 0..3));
        for id in 0..3 {
            assert!(push(&mut producer, id), "there is room for all of them");
            producer.publish();
        }
        reader.join().unwrap();
    });
}

/// Two frames published at once, with the pad that closes the lap between them. Bound: 2 threads,
/// 3 frames, capacity 128.
#[test]
fn a_pad_is_published_with_the_frame_behind_it() {
    loom::model(|| {
        let (mut producer, mut consumer) = ends(48u64.wrapping_neg());
        let reader = thread::spawn(move || consume(&mut consumer, 0..3));
        // 24 bytes, then 24 too few for the 32 of the next frame.
        assert!(push(&mut producer, 0) && push(&mut producer, 1));
        producer.publish();
        assert!(push(&mut producer, 2));
        producer.publish();
        reader.join().unwrap();
    });
}

/// A ring that is full when the race begins, and a producer that waits for space twice: what it
/// overwrites has been read. Bound: 2 threads, 4 frames there and 2 more, capacity 128.
#[test]
fn space_is_used_again_only_after_it_was_released() {
    loom::model(|| {
        let (mut producer, mut consumer) = ends(64u64.wrapping_neg());
        for id in [1, 3, 5, 7] {
            assert!(push(&mut producer, id));
        }
        assert!(!push(&mut producer, 9), "full");
        producer.publish();
        let reader = thread::spawn(move || {
            for id in [1, 3, 5, 7, 9, 11] {
                consume_one(&mut consumer, id);
            }
        });
        for id in [9, 11] {
            push_when_there_is_room(&mut producer, id);
            producer.publish();
        }
        reader.join().unwrap();
    });
}

/// Reads frame `id` and gives its space back by itself.
fn consume_one<R: Region>(consumer: &mut Consumer<R>, id: u64) {
    consume(consumer, id..id + 1);
}

/// A frame that needs a pad in front of it, which together take more than is free: the producer
/// waits for the space of both. Bound: 2 threads, 3 frames there and 2 more, capacity 128.
#[test]
fn a_producer_waits_for_the_space_of_a_pad() {
    loom::model(|| {
        let (mut producer, mut consumer) = ends(104u64.wrapping_neg());
        // 24, 32 and 24 bytes. 24 are left of the lap and 24 more are free, but the next frame
        // takes 32 in one piece.
        for id in 0..3 {
            assert!(push(&mut producer, id));
        }
        assert!(!push(&mut producer, 3));
        producer.publish();
        let reader = thread::spawn(move || consume(&mut consumer, 0..5));
        for id in 3..5 {
            push_when_there_is_room(&mut producer, id);
            producer.publish();
        }
        reader.join().unwrap();
    });
}
