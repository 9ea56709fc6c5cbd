//! What could not be written yet: whole frames, in order, for one lane. It continues a ring in
//! private memory, and its one-way messages may be dropped again.

use std::collections::VecDeque;
use std::ops::Range;

use crate::header::{HEADER_LEN, bytes_to_words, frame_len, words_to_bytes};
use crate::time::Time;

/// Capacity an empty backlog keeps.
const KEPT_LEN: usize = 64 << 10;

#[derive(Default)]
pub(super) struct Backlog {
    bytes: Vec<u8>,
    start: usize,
    /// Messages that may be dropped, in order: only the oldest ever is.
    loose: VecDeque<Loose>,
    loose_len: usize,
    /// Where messages were dropped, before all that may be. No two touch.
    gaps: VecDeque<Range<usize>>,
    gaps_len: usize,
}

/// No frame starts like this, but a marker does.
const NO_MAGIC: u64 = 0;

/// What is next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Front<'a> {
    /// A frame: its header and its payload.
    Frame([u64; 3], &'a [u8]),
    /// A message that waits elsewhere, under this key.
    Marker(u64),
}

/// A whole message that may be dropped.
struct Loose {
    frames: Range<usize>,
    until: Time,
    id: u64,
}

impl Backlog {
    /// Bytes waiting.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start - self.gaps_len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the next frame will be, for [`Self::loosen`].
    #[inline]
    pub fn end(&self) -> usize {
        self.bytes.len()
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

    /// Appends a marker that stands for a message which waits elsewhere, under this key.
    pub fn mark(&mut self, key: u64) {
        self.push([NO_MAGIC, key, 0], &[]);
    }

    /// The frames from `start` on are a message that may be dropped, and is to be if it still waits
    /// at `until`, which is no earlier than that of any before it.
    pub fn loosen(&mut self, start: usize, until: Time, id: u64) {
        let frames = start..self.bytes.len();
        self.loose_len += frames.len();
        self.loose.push_back(Loose { frames, until, id });
    }

    /// What has waited longest.
    #[inline]
    pub fn front(&self) -> Option<Front<'_>> {
        let words = self.words_at(self.start)?;
        if let Some(key) = key_of(words) {
            return Some(Front::Marker(key));
        }
        let len = payload_len(words);
        let payload = self.start + HEADER_LEN;
        Some(Front::Frame(words, &self.bytes[payload..payload + len]))
    }

    fn words_at(&self, start: usize) -> Option<[u64; 3]> {
        self.bytes[start..].first_chunk::<HEADER_LEN>().map(bytes_to_words)
    }

    /// The message that begins with what is in front is being written and cannot be dropped any
    /// more. Returns its id, if it could until now.
    pub fn begin(&mut self) -> Option<u64> {
        let Loose { frames, id, .. } = self.loose.front()?;
        if frames.start != self.start {
            return None;
        }
        let id = *id;
        self.loose_len -= frames.len();
        self.loose.pop_front();
        Some(id)
    }

    /// Removes what is in front. Returns the id of the message that begins with it, if that could
    /// have been dropped until now.
    pub fn pop(&mut self) -> Option<u64> {
        let words = self.words_at(self.start)?;
        let begun = self.begin();
        self.start += frame_len(payload_len(words));
        self.tidy();
        begun
    }

    /// Bytes of messages that may be dropped.
    pub fn loose_len(&self) -> usize {
        self.loose_len
    }

    /// When the oldest that may be dropped is to be.
    pub fn due(&self) -> Time {
        self.loose.front().map_or(Time::NEVER, |first| first.until)
    }

    /// Drops the oldest message that may be dropped. Returns its id, and its key if it waits
    /// elsewhere.
    pub fn drop_oldest(&mut self) -> Option<(u64, Option<u64>)> {
        let Loose { frames, id, .. } = self.loose.pop_front()?;
        let key = self.words_at(frames.start).and_then(key_of);
        self.loose_len -= frames.len();
        self.gaps_len += frames.len();
        match self.gaps.back_mut() {
            Some(last) if last.end == frames.start => last.end = frames.end,
            _ => self.gaps.push_back(frames),
        }
        self.tidy();
        Some((id, key))
    }

    /// Leaves no gap at the front, and no more memory in use than twice what waits.
    fn tidy(&mut self) {
        if let Some(gap) = self.gaps.front()
            && gap.start == self.start
        {
            self.start = gap.end;
            self.gaps_len -= gap.len();
            self.gaps.pop_front();
        }
        let unused = self.start + self.gaps_len;
        if self.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_LEN);
            self.start = 0;
        } else if unused > self.bytes.len() / 2 && unused > KEPT_LEN {
            let mut end = 0;
            let mut from = self.start;
            for gap in self.gaps.drain(..) {
                self.bytes.copy_within(from..gap.start, end);
                end += gap.start - from;
                from = gap.end;
            }
            self.bytes.copy_within(from.., end);
            self.bytes.truncate(self.bytes.len() - unused);
            for Loose { frames, .. } in &mut self.loose {
                *frames = frames.start - unused..frames.end - unused;
            }
            (self.start, self.gaps_len) = (0, 0);
        }
    }
}

fn key_of(words: [u64; 3]) -> Option<u64> {
    (words[0] == NO_MAGIC).then_some(words[1])
}

#[expect(clippy::cast_possible_truncation, reason = "the low half of the last word is the length")]
fn payload_len(words: [u64; 3]) -> usize {
    words[2] as u32 as usize
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::seeds::{Random, each_seed};

    #[test]
    fn frames_come_out_as_they_went_in() {
        let mut backlog = Backlog::default();
        let bytes_of = |index: usize| vec![index.to_le_bytes()[0]; index * 37 % 5000];
        for round in 0..3 {
            for index in 0..200 {
                let bytes = bytes_of(index);
                let (first, second) = bytes.split_at(bytes.len() / 3);
                backlog.push([index as u64 + 1, round, bytes.len() as u64], &[first, second]);
            }
            for index in 0..200 {
                let words = [index as u64 + 1, round, bytes_of(index).len() as u64];
                assert_eq!(backlog.front(), Some(Front::Frame(words, &bytes_of(index))));
                backlog.pop();
            }
            assert!(backlog.is_empty() && backlog.front().is_none());
        }
        assert!(backlog.bytes.capacity() <= KEPT_LEN);
    }

    #[test]
    fn what_is_dropped_is_the_oldest_that_may_be_and_nothing_else_moves() {
        each_seed(20, mixture);
    }

    fn mixture(random: &mut Random) {
        let mut backlog = Backlog::default();
        // The slow and obvious twin: each message with its frames, and whether it may be dropped.
        let mut twin: VecDeque<(u64, VecDeque<Vec<u8>>, bool)> = VecDeque::new();
        let mut largest = 0;
        for id in 1..2000 {
            match random.below(5) {
                0 | 1 => {
                    let (start, may_drop) = (backlog.end(), random.percent(67));
                    let frames: VecDeque<_> =
                        (0..=random.below(3)).map(|_| vec![7; random.below(900)]).collect();
                    for frame in &frames {
                        backlog.push([id, 0, frame.len() as u64], &[frame]);
                    }
                    if may_drop {
                        backlog.loosen(start, Time::from_nanos(id), id);
                    }
                    twin.push_back((id, frames, may_drop));
                }
                2 if random.percent(97) => {
                    let oldest = twin.iter().position(|(_, _, may_drop)| *may_drop);
                    let due = oldest.map_or(Time::NEVER, |at| Time::from_nanos(twin[at].0));
                    assert_eq!(backlog.due(), due);
                    let dropped = oldest.and_then(|at| twin.remove(at));
                    assert_eq!(backlog.drop_oldest(), dropped.map(|(id, ..)| (id, None)));
                }
                _ => {
                    let front = backlog.front().and_then(|front| match front {
                        Front::Frame(words, bytes) => Some((words[0], bytes.to_vec())),
                        Front::Marker(_) => None,
                    });
                    let Some((id, frames, may_drop)) = twin.front_mut() else {
                        assert!(front.is_none() && backlog.is_empty());
                        continue;
                    };
                    assert_eq!(front, frames.pop_front().map(|bytes| (*id, bytes)));
                    assert_eq!(backlog.pop(), std::mem::take(may_drop).then_some(*id));
                    if frames.is_empty() {
                        twin.pop_front();
                    }
                }
            }
            let len = |frame: &Vec<u8>| frame_len(frame.len());
            let lens = twin.iter().flat_map(|(_, frames, _)| frames).map(len);
            assert_eq!(backlog.len(), lens.sum::<usize>());
            largest = largest.max(backlog.len());
        }
        assert!(largest > 0 && backlog.bytes.capacity() <= 4 * largest.max(KEPT_LEN));
    }
}
