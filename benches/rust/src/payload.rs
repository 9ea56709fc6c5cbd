//! What is in the payloads under measurement, and how both sides prove that they have seen it:
//! `benches/payload.mts` in Rust.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::adapter::Result;

/// One message in so many is compared whole.
pub(crate) const COMPARED_EVERY: u64 = 64;

/// Reads a byte of every cache line, the least any use of a payload does.
pub(crate) fn touch(payload: &[u8]) {
    black_box(payload.iter().step_by(64).map(|byte| u64::from(*byte)).sum::<u64>());
}

/// Writes the number of a message into it, which is what a sender does between two messages.
pub(crate) fn stamp(payload: &mut [u8], number: u64) {
    if let Some(first) = payload.first_chunk_mut::<4>() {
        first.copy_from_slice(&number.to_le_bytes()[..4]);
    }
}

/// What to say of a payload that is not the one that was sent.
pub(crate) fn different(len: usize) -> String {
    format!("a payload of {len} bytes came out different")
}

/// Where messages without answers end. Those that are numbered are numbered from 0.
#[derive(Clone, Default)]
pub struct Sink(Arc<Mutex<Vec<Arc<Tally>>>>);

/// Written by its reader only, so that counting needs no atomic addition. The runner asks for the
/// count when all that was sent has been read, and that is told over sockets, so nothing is ordered
/// by these words themselves.
#[derive(Default)]
struct Tally {
    count: AtomicU64,
    different: AtomicBool,
}

impl Sink {
    /// For one thread that serves.
    pub fn reader(&self) -> Reader {
        let tally = Arc::<Tally>::default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&tally));
        Reader { tally, expected: Vec::new() }
    }

    /// How many have come since the last time.
    pub(crate) fn received(&self) -> Result<u64> {
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = tallies.iter().map(|tally| tally.count.swap(0, Ordering::Relaxed)).sum();
        let different = tallies.iter().any(|tally| tally.different.swap(false, Ordering::Relaxed));
        tallies.retain(|tally| Arc::strong_count(tally) > 1);
        if different { Err("a one-way message came out different".into()) } else { Ok(count) }
    }
}

/// Reads what comes on one connection, or on several that are served by one thread.
pub struct Reader {
    tally: Arc<Tally>,
    expected: Vec<u8>,
}

impl Reader {
    /// Reads a message that is answered.
    #[inline]
    pub fn touch(&self, payload: &[u8]) {
        touch(payload);
    }

    /// Reads a message that is not.
    #[inline]
    pub fn got(&mut self, payload: &[u8]) {
        touch(payload);
        let number = self.tally.count.load(Ordering::Relaxed);
        if number.is_multiple_of(COMPARED_EVERY) {
            self.compare(payload, number);
        }
        self.tally.count.store(number + 1, Ordering::Relaxed);
    }

    /// Right away and not later, because what is kept for later would grow with the rate.
    #[cold]
    fn compare(&mut self, payload: &[u8], number: u64) {
        self.expected.clear();
        self.expected.resize(payload.len(), 0);
        stamp(&mut self.expected, number);
        if self.expected != payload {
            self.tally.different.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_anew_when_the_count_was_asked_for() {
        let sink = Sink::default();
        let mut reader = sink.reader();
        for _ in 0..2 {
            for number in 0..130 {
                let mut payload = [0; 16];
                stamp(&mut payload, number);
                reader.got(&payload);
            }
            assert_eq!(sink.received().unwrap(), 130);
        }
    }

    #[test]
    fn a_message_out_of_place_is_noticed() {
        let sink = Sink::default();
        sink.reader().got(&[1, 0, 0, 0]);
        assert!(sink.received().is_err());
        assert_eq!(sink.received().unwrap(), 0);
    }
}
