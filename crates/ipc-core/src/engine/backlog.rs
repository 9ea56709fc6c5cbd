//! What could not be written yet: whole frames, in order, for one lane. A ring's continuation in
//! private memory.

use crate::header::{HEADER_LEN, bytes_to_words, frame_len, words_to_bytes};

/// Capacity an empty backlog keeps.
const KEPT_LEN: usize = 64 << 10;

#[derive(Default)]
pub(super) struct Backlog {
    bytes: Vec<u8>,
    start: usize,
}

impl Backlog {
    /// Bytes waiting.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a sealed frame whose payload lies in `parts`.
    pub fn push(&mut self, header: [u64; 3], parts: &[&[u8]]) {
        let len = parts.iter().map(|part| part.len()).sum();
        let end = self.bytes.len() + frame_len(len);
        self.bytes.extend_from_slice(&words_to_bytes(header));
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.resize(end, 0);
    }

    /// The oldest frame: its header and its payload.
    pub fn front(&self) -> Option<([u64; 3], &[u8])> {
        let header = self.bytes[self.start..].first_chunk::<HEADER_LEN>()?;
        let words = bytes_to_words(header);
        let len = payload_len(words);
        let payload = self.start + HEADER_LEN;
        Some((words, &self.bytes[payload..payload + len]))
    }

    /// Removes the oldest frame.
    pub fn pop(&mut self) {
        let Some((words, _)) = self.front() else { return };
        self.start += frame_len(payload_len(words));
        if self.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_LEN);
            self.start = 0;
        } else if self.start > self.bytes.len() / 2 && self.start > KEPT_LEN {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half of the last word is the length")]
fn payload_len(words: [u64; 3]) -> usize {
    words[2] as u32 as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let mut backlog = Backlog::default();
        let payload = |index: usize| vec![index.to_le_bytes()[0]; index * 37 % 5000];
        for round in 0..3 {
            for index in 0..200 {
                let bytes = payload(index);
                let (first, second) = bytes.split_at(bytes.len() / 3);
                backlog.push([index as u64, round, bytes.len() as u64], &[first, second]);
            }
            for index in 0..200 {
                let (words, bytes) = backlog.front().unwrap();
                assert_eq!((words[0], words[1]), (index as u64, round));
                assert_eq!(bytes, payload(index));
                backlog.pop();
            }
            assert!(backlog.is_empty() && backlog.front().is_none());
        }
        assert!(backlog.bytes.capacity() <= KEPT_LEN);
    }
}
