//! A record that is read while it is written, in all interleavings of two writes and one copy.

use std::sync::Arc;

use super::{copy, write};
use crate::memory::words::Heap;

#[test]
fn model_a_copy_is_of_one_moment() {
    loom::model(|| {
        let words = Arc::new(Heap::new(24));
        let writer = {
            let words = Arc::clone(&words);
            loom::thread::spawn(move || (1..=2).for_each(|n| write(&*words, 0, &[n, n])))
        };
        let mut record = [0; 2];
        if copy(&*words, 0, &mut record) {
            assert_eq!(record[0], record[1]);
        }
        writer.join().unwrap();
        assert!(copy(&*words, 0, &mut record));
        assert_eq!(record, [2, 2]);
    });
}
