//! A model that makes up what it says: token by token the same for the same seed and messages, and
//! at the pace of a real one.

use std::time::Duration;

use crate::contract::Message;
use crate::random::{NOTHING, Random, hash};

pub const MODELS: &[&str] = &["parrot"];

const WORDS: &[&str] = &[
    "the", "a", "this", "each", "function", "value", "buffer", "reader", "writer", "request",
    "result", "caller", "type", "module", "test", "loop", "error", "returns", "takes", "keeps",
    "checks", "waits", "is", "has", "reads", "writes", "before", "after", "while", "because",
    "without", "and", "or", "then", "once", "again", "first", "empty", "shared", "safe",
];

/// Tokens that come at once in a burst, and how rarely there is one.
const BURST: (u64, u64) = (3, 9);
const BURST_EVERY: u64 = 20;

/// What it says, without end.
pub struct Words {
    random: Random,
    /// How many words are left in the sentence; `None`: it begins.
    left: Option<u64>,
}

impl Words {
    /// What it answers.
    pub fn answering(messages: &[Message], seed: u64) -> Self {
        let messages = messages.iter().fold(NOTHING, |before, Message { role, text }| {
            hash(hash(before, &[*role as u8]), text.as_bytes())
        });
        Self::new(messages ^ seed)
    }

    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), left: None }
    }

    /// How many tokens there are until it stops by itself.
    pub fn length(&mut self) -> u64 {
        self.random.between(40, 160)
    }
}

impl Iterator for Words {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let word = self.random.one_of(WORDS);
        let Some(left) = self.left else {
            self.left = Some(self.random.between(4, 12));
            let (first, rest) = word.split_at(1);
            return Some(format!("{}{rest}", first.to_ascii_uppercase()));
        };
        self.left = left.checked_sub(1);
        Some(format!(" {word}{}", if self.left.is_none() { ". " } else { "" }))
    }
}

/// How long it computes for each token: 20 to 60 of them a second, and now and then some at once.
pub struct Pace {
    random: Random,
    burst: u64,
}

impl Pace {
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), burst: 0 }
    }

    pub fn next(&mut self) -> Duration {
        if self.burst > 0 {
            self.burst -= 1;
            return Duration::ZERO;
        }
        if self.random.next().is_multiple_of(BURST_EVERY) {
            self.burst = self.random.between(BURST.0, BURST.1);
        }
        Duration::from_micros(self.random.between(1_000_000 / 60, 1_000_000 / 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Role;

    fn said(text: &str, seed: u64) -> Vec<String> {
        let messages = [Message { role: Role::User, text: text.into() }];
        Words::answering(&messages, seed).take(50).collect()
    }

    #[test]
    fn the_same_seed_and_messages_give_the_same_tokens() {
        assert_eq!(said("hello", 1), said("hello", 1));
        assert_ne!(said("hello", 1), said("hello", 2));
        assert_ne!(said("hello", 1), said("hallo", 1));
    }

    #[test]
    fn it_says_sentences() {
        let text = said("hello", 1).concat();
        assert!(text.starts_with(|first: char| first.is_ascii_uppercase()), "{text}");
        assert!(text.split(". ").count() > 3, "{text}");
    }

    #[test]
    fn it_computes_for_20_to_60_tokens_a_second_and_some_come_at_once() {
        let mut pace = Pace::new(1);
        let spans: Vec<_> = (0..1_000).map(|_| pace.next()).collect();
        let (at_once, slow): (Vec<_>, Vec<_>) = spans.into_iter().partition(Duration::is_zero);
        assert!(!at_once.is_empty() && slow.len() > at_once.len());
        let range = Duration::from_micros(16_666)..Duration::from_millis(50);
        assert!(slow.iter().all(|span| range.contains(span)));
    }
}
