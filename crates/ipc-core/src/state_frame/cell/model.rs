//! The cell in a loom model: one writer, one reader, and all interleavings of their steps.

use std::sync::Arc;

use loom::thread;

use super::{Cell, Found, Stamped};
use crate::memory::words::Heap;

const CAPACITY: usize = 8;
const CELL: Cell = Cell::new(0, 8, CAPACITY);

fn write(words: &Heap, number: u64) {
    let value = Stamped { number, len: CAPACITY, ..Stamped::default() };
    CELL.write(words, value, &(number * 0x0101).to_le_bytes());
}

/// Values are whole, and never older than what was read before; none is taken for corrupt.
#[test]
fn a_reader_beside_its_writer_reads_whole_values_only() {
    loom::model(|| {
        let words = Arc::new(Heap::new(8 + Cell::slots_len(CAPACITY)));
        write(&words, 1);
        let theirs = Arc::clone(&words);
        let writer = thread::spawn(move || {
            write(&theirs, 2);
            write(&theirs, 3);
        });
        let mut bytes = [0; CAPACITY];
        match CELL.read(&*words, &mut bytes) {
            Found::Newest(value) => {
                assert!((1..=3).contains(&value.number));
                assert_eq!(u64::from_le_bytes(bytes), value.number * 0x0101, "half a value");
            }
            // The model may let the writer run between any two steps of the reader.
            found => panic!("{found:?}"),
        }
        writer.join().unwrap();
        let Found::Newest(value) = CELL.read(&*words, &mut bytes) else {
            panic!("nothing is found after the writer")
        };
        assert_eq!(value.number, 3);
    });
}
