//! Bytes that no owner has written: a reader finds what is whole, or says what it has found.

use super::*;
use crate::memory::words::WORD;

#[test]
fn whatever_one_word_says_a_reader_comes_to_an_end() {
    each_seed(60, |random| {
        let mut both = Both::new(&SMALL, random.next());
        for number in 0..12u8 {
            both.set(&[number], &[number; 20]).unwrap();
        }
        let words = 4096 / WORD..both.len / WORD;
        for _ in 0..500 {
            let at = WORD * (words.start + random.below(words.len()));
            let was = both.words.load(at, Ordering::Relaxed);
            both.words.store(at, forged(random, was), Ordering::Relaxed);
            let key = u8::try_from(random.below(14)).unwrap();
            look(&mut both, key);
            if random.percent(70) {
                both.words.store(at, was, Ordering::Relaxed);
            }
        }
    });
}

#[test]
fn whatever_all_words_say_a_reader_comes_to_an_end() {
    each_seed(200, |random| {
        let mut both = Both::new(&SMALL, random.next());
        for at in (0..both.len).step_by(WORD) {
            both.words.store(at, forged(random, 0), Ordering::Relaxed);
        }
        for key in 0..14 {
            look(&mut both, key);
        }
    });
}

#[test]
fn an_owner_goes_on_whatever_others_have_written() {
    each_seed(40, |random| {
        let mut both = Both::new(&SMALL, random.next());
        for _ in 0..300 {
            let at = WORD * random.below(both.len / WORD);
            both.words.store(at, forged(random, 0), Ordering::Relaxed);
            let key = [u8::try_from(random.below(20)).unwrap()];
            if random.percent(40) {
                both.delete(&key);
            } else if both.set(&key, b"value") == Err(Code::Full) {
                assert_eq!(both.table.len(both.now), 12);
            }
        }
    });
}

/// Of a word: anything, small, or with one bit flipped.
fn forged(random: &mut Random, was: u64) -> u64 {
    match random.below(4) {
        0 => random.next(),
        1 => random.next() % 64,
        2 => ((random.next() % 14) << 32) | (random.next() % 14),
        _ => was ^ 1 << random.below(64),
    }
}

fn look(both: &mut Both, key: u8) {
    let now = Now::from(Time::from_nanos(1));
    if let Lookup::Found(found) = both.finder.find(&both.words, &[key], &now) {
        assert_eq!(both.finder.key(&found), [key]);
        assert!(both.finder.value(&found) == [key; 20], "a value that no owner has written");
    }
    let (mut from, mut seen) = (0, 0);
    while let Some((next, lookup)) = both.finder.next(&both.words, from, &now) {
        assert!(next > from, "it gets on");
        (from, seen) = (next, seen + 1);
        if let Lookup::Found(found) = lookup {
            assert_eq!(both.finder.key(&found).len() + both.finder.value(&found).len(), 21);
        }
    }
    assert!(seen <= 64, "as many as the index has words");
}
