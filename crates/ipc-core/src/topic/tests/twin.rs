//! The obvious twin of a topic: all records in a list, and positions by simple arithmetic.

use super::{Shared, payload};
use crate::seeds::{Random, each_seed};
use crate::topic::cursor::{Cursor, Mode, Next, Start};
use crate::topic::ring::{payload_max_of, record_len};
use crate::topic::slots::Slot;
use crate::topic::writer::Held;

struct Twin {
    capacity: u64,
    /// Where each record starts and ends, in order; number 1 comes first.
    records: Vec<(u64, u64)>,
    shown: usize,
}

/// A reader as the twin sees it.
struct Reader {
    subscriber: Cursor<crate::memory::words::Heap>,
    slot: Option<Slot<crate::memory::words::Heap>>,
    mode: Mode,
    position: u64,
    /// Index of the record that should come next.
    next: usize,
    /// What it has given back.
    released: u64,
}

impl Twin {
    fn tail(&self) -> u64 {
        self.records[..self.shown].last().map_or(0, |record| record.1)
    }

    fn intent(&self) -> u64 {
        self.records.last().map_or(0, |record| record.1)
    }

    fn place(&self, len: usize) -> (u64, u64) {
        let need = record_len(len) as u64;
        let rest = self.capacity - self.intent() % self.capacity;
        let start = self.intent() + if need > rest { rest } else { 0 };
        (start, start + need)
    }

    fn is_overtaken(&self, position: u64) -> bool {
        position + self.capacity < self.intent()
    }

    /// Index of the record where a reader goes on that was overtaken.
    fn resume(&self, distance: u64) -> usize {
        let floor = (self.intent() + distance).saturating_sub(self.capacity);
        let sixteenth = |index: usize| self.records[index].0 / (self.capacity / 16);
        let is_first = |index: &usize| *index == 0 || sixteenth(*index) != sixteenth(index - 1);
        // The newest of those that share a mark.
        let is_latest = |index: &usize| {
            !(index + 1..self.records.len()).any(|later| {
                sixteenth(later) % 16 == sixteenth(*index) % 16
                    && sixteenth(later) != sixteenth(*index)
            })
        };
        (0..self.shown)
            .filter(is_first)
            .filter(is_latest)
            .find(|index| self.records[*index].0 >= floor)
            .unwrap_or(self.shown)
    }

    fn read(&self, reader: &mut Reader) {
        let Reader { subscriber, next, position, mode, .. } = reader;
        let found = subscriber.next().unwrap();
        let first = *next;
        if *mode == Mode::Latest {
            *next = self.shown.saturating_sub(1).max(first);
        } else if *next < self.shown && self.is_overtaken(*position) {
            assert_eq!(*mode, Mode::Lossy);
            *next = self.resume(self.capacity / 8);
            *position = self.records.get(*next).map_or(self.tail(), |record| record.0);
        }
        if *next >= self.shown {
            return assert_eq!(found, Next::Empty);
        }
        let sequence = *next as u64 + 1;
        let (start, end) = self.records[*next];
        let Next::Record(record) = found else { panic!("{found:?}, not record {sequence}") };
        assert_eq!((record.sequence, record.skipped), (sequence, (*next - first) as u64));
        assert_eq!(record.payload, payload(sequence, record.payload.len()));
        assert_eq!(record_len(record.payload.len()) as u64, end - start);
        (*next, *position) = (*next + 1, end);
    }
}

fn a_topic_behaves_like_a_list(random: &mut Random, capacity: usize) {
    let shared = Shared::new(capacity);
    let mut publisher = shared.publisher(1);
    let mut twin = Twin { capacity: capacity as u64, records: Vec::new(), shown: 0 };
    let mut readers: Vec<Reader> = Vec::new();
    for _ in 0..600 {
        match random.below(10) {
            0..4 => {
                let max = payload_max_of(capacity);
                let len = random.pick(&[0, 1, 8, max]);
                let len = if random.percent(30) { len } else { random.below(max + 1) };
                let sequence = twin.records.len() as u64 + 1;
                let (start, end) = twin.place(len);
                if end - twin.tail() > twin.capacity / 2 {
                    twin.shown = twin.records.len();
                }
                let holders = readers.iter().filter_map(|reader| {
                    let slot = reader.slot.as_ref()?;
                    (reader.released + twin.capacity < end).then_some(1 << slot.index())
                });
                let slots = holders.fold(0, |all, one: u64| all | one);
                let expected = if slots == 0 { Ok(sequence) } else { Err(Held { slots }) };
                assert_eq!(publisher.append(&payload(sequence, len), 0), expected);
                match expected {
                    Ok(_) => twin.records.push((start, end)),
                    Err(_) => twin.shown = twin.records.len(),
                }
            }
            4 => {
                publisher.show();
                twin.shown = twin.records.len();
            }
            5 if readers.len() < 8 => readers.push(joined(random, &shared, &twin, readers.len())),
            6 if !readers.is_empty() => {
                let reader = &mut readers[0];
                if let Some(slot) = &reader.slot {
                    reader.subscriber.advance(slot);
                    reader.released = reader.position;
                }
                readers.rotate_left(1);
            }
            _ if !readers.is_empty() => {
                let index = random.below(readers.len());
                twin.read(&mut readers[index]);
            }
            _ => {}
        }
    }
}

fn joined(random: &mut Random, shared: &Shared, twin: &Twin, index: usize) -> Reader {
    let mode = random.pick(&[Mode::Latest, Mode::Lossy, Mode::Lossless]);
    let start = random.pick(&[Start::Next, Start::Newest]);
    let mut subscriber = Cursor::new(shared.ring.clone(), mode);
    let mut slot = (mode == Mode::Lossless).then(|| shared.slots.slot(index));
    match &mut slot {
        Some(slot) => assert!(subscriber.join(start, slot, 1).unwrap()),
        None => subscriber.start(start).unwrap(),
    }
    // What was written and is not shown may have overwritten the newest that is.
    let newest = twin
        .shown
        .checked_sub(1)
        .filter(|index| start == Start::Newest && !twin.is_overtaken(twin.records[*index].0));
    let next = newest.unwrap_or(twin.shown);
    let position = newest.map_or(twin.tail(), |index| twin.records[index].0);
    Reader { subscriber, slot, mode, position, next, released: position }
}

#[test]
fn a_small_topic_behaves_like_a_list() {
    each_seed(300, |random| a_topic_behaves_like_a_list(random, 256));
}

#[test]
fn a_topic_behaves_like_a_list_of_records() {
    each_seed(200, |random| a_topic_behaves_like_a_list(random, 4096));
}
