use super::*;
use crate::memory::words::Heap;

#[test]
fn a_record_whose_writer_was_stopped_in_the_middle_is_read_as_it_is() {
    let words = Heap::new(64);
    write(&words, 0, &[1, 2, 3]);
    words.store(0, 3, Ordering::Relaxed);
    words.store(WORD, 7, Ordering::Relaxed);
    assert_eq!(read(&words, 0), [7, 2, 3]);
    // The next writer of all, in a file that was copied, makes it whole.
    write(&words, 0, &[4, 5, 6]);
    assert!(copy(&words, 0, &mut [0; 3]));
}

#[test]
fn sums_go_up_and_down_with_what_they_are_sums_of() {
    let stats = |sent, serving| LinkStats { sent, serving, ..LinkStats::default() };
    let mut sums: ServerWords = [0; _];
    let mut shown: [RowWords; 2] = [[0; _]; 2];
    for (link, sent, serving) in [(0, 5, 2), (1, 7, 1), (0, 9, 0), (1, 7, 4)] {
        let before = shown[link];
        put(&mut shown[link], &stats(sent, serving));
        add(&mut sums, &before, &shown[link]);
    }
    assert_eq!(stats_of(&sums), stats(16, 4));
}
