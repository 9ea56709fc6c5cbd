use super::*;
use crate::memory::words::{Heap, WORD};
use crate::seeds;

const CAPACITY: usize = 200;
const CELL: Cell = Cell::new(0, 64, CAPACITY);

fn heap() -> Heap {
    Heap::new(64 + Cell::slots_len(CAPACITY))
}

fn value(number: u64, bytes: &[u8]) -> Stamped {
    let at = Time::from_nanos(number * 1_000);
    Stamped { number, len: bytes.len(), at, unix_nanos: number + 7 }
}

fn write(words: &Heap, number: u64, bytes: &[u8]) -> Stamped {
    let value = value(number, bytes);
    CELL.write(words, value, bytes);
    value
}

#[test]
fn what_was_written_last_is_read_whatever_its_length() {
    let (words, mut into) = (heap(), [0; CAPACITY]);
    assert_eq!(CELL.read(&words, &mut into), Found::Nothing);
    for (number, len) in [(1, 0), (2, 1), (3, CAPACITY), (4, 8), (5, 199)] {
        let bytes = seeds::Random::new(number).bytes(len);
        let written = write(&words, number, &bytes);
        assert_eq!(CELL.read(&words, &mut into), Found::Newest(written));
        assert_eq!(into[..len], bytes);
    }
}

/// One byte after the other is flipped: the value before it is read, never a changed one.
#[test]
fn a_corrupt_value_gives_the_one_before_it() {
    let (words, mut into) = (heap(), [0; CAPACITY]);
    let before = write(&words, 1, b"the one before");
    let newest = write(&words, 2, b"the newest");
    let slot = CELL.slot(2);
    let covered = (0..WRITTEN_UNIX + WORD).chain(SLOT_HEAD..SLOT_HEAD + newest.len);
    for offset in covered {
        let at = (slot + offset) / WORD * WORD;
        let flip = 1 << (8 * (offset % WORD));
        let word = words.load(at, Ordering::Relaxed);
        words.store(at, word ^ flip, Ordering::Relaxed);
        assert_eq!(CELL.read(&words, &mut into), Found::Before(before), "byte {offset}");
        assert_eq!(&into[..before.len], b"the one before");
        words.store(at, word, Ordering::Relaxed);
    }
    assert_eq!(CELL.read(&words, &mut into), Found::Newest(newest));
}

/// A writer that dies between any two of its steps leaves the value before.
#[test]
fn an_unfinished_write_leaves_the_value_before_it() {
    let (words, mut into) = (heap(), [0; CAPACITY]);
    write(&words, 1, b"first");
    let second = write(&words, 2, b"second");
    let slot = CELL.slot(3);
    words.store(slot + STAMP, writing(3), PUBLISH);
    assert_eq!(CELL.read(&words, &mut into), Found::Newest(second));
    words.copy_in(slot + SLOT_HEAD, b"third, in part");
    assert_eq!(CELL.read(&words, &mut into), Found::Newest(second));
    words.store(slot + STAMP, written(3), PUBLISH);
    assert_eq!(CELL.read(&words, &mut into), Found::Newest(second), "not announced yet");
    assert_eq!(&into[..second.len], b"second");
}

#[test]
fn random_words_are_never_taken_for_a_value_and_end_every_read() {
    seeds::each_seed(500, |random| {
        let (words, mut into) = (heap(), [0; CAPACITY]);
        for at in (0..64 + Cell::slots_len(CAPACITY)).step_by(WORD) {
            // Small numbers are those that look like stamps and lengths.
            let word = if random.percent(50) { random.below(16) as u64 } else { random.next() };
            words.store(at, word, Ordering::Relaxed);
        }
        let found = CELL.read(&words, &mut into);
        assert!(matches!(found, Found::Nothing | Found::Corrupt), "{found:?}");
    });
}
