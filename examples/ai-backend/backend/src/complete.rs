//! What may come next at a place in a file. It computes for some milliseconds, unless it is cancelled.

use crate::contract::Place;
use crate::model::Words;
use crate::random::{NOTHING, hash};

/// How often it looks whether it is cancelled, and what it does meanwhile.
const PARTS: u32 = 30;
const STEPS: u32 = 10_000;

/// `None`: it was cancelled.
pub fn complete(place: &Place, is_cancelled: impl Fn() -> bool) -> Option<String> {
    let Place { path, prefix, suffix } = place;
    let parts = [path, prefix, suffix].map(String::as_bytes);
    let mut state = parts.iter().fold(NOTHING, |before, part| hash(before, part));
    for _ in 0..PARTS {
        if is_cancelled() {
            return None;
        }
        for _ in 0..STEPS {
            state = hash(state, &state.to_le_bytes());
        }
    }
    let words = 2 + usize::from(state.to_le_bytes()[0] % 5);
    Some(Words::new(state).take(words).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn place(prefix: &str) -> Place {
        Place { path: "a.rs".into(), prefix: prefix.into(), suffix: String::new() }
    }

    #[test]
    fn it_depends_on_the_place() {
        let there = |prefix| complete(&place(prefix), || false).unwrap();
        assert_eq!(there("let x"), there("let x"));
        assert_ne!(there("let x"), there("let y"));
    }

    #[test]
    fn cancelled_it_stops_in_the_middle() {
        let looks = Cell::new(0);
        let is_cancelled = || looks.replace(looks.get() + 1) == 3;
        assert_eq!(complete(&place("let x"), is_cancelled), None);
        assert_eq!(looks.get(), 4);
    }
}
