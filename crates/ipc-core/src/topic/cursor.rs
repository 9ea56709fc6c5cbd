//! A reader: the newest record, all in order as far as they are still there, or all of them.

use super::ring::{Found, Head, Ring, WORD, record_len, word};
use super::slots::Slot;
use crate::error::Corrupt;
use crate::memory::words::Words;
use crate::sync::{OBSERVE, Ordering, fence};

/// How often a reader that is overtaken while it reads looks for a better place, each time an
/// eighth of the ring further on; the last one is the tail.
const TRIES: u64 = 7;

/// What a reader wants to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Only what is newest when it looks.
    Latest,
    /// Everything in order, as far as it is still there.
    Lossy,
    /// Everything in order: the publisher waits for it, within its deadline.
    Lossless,
}

/// Where a reader starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Start {
    /// Behind what is there.
    Next,
    /// At the newest record that is there.
    Newest,
    /// At the oldest record that can be found.
    Oldest,
}

/// A record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// Its number, from 1.
    pub sequence: u64,
    /// When it was written, in nanoseconds of the publisher's clock.
    pub written_at: u64,
    /// Records between the last one this reader has read and this one.
    pub skipped: u64,
    pub payload: &'a [u8],
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    Record(Record<'a>),
    /// All was read.
    Empty,
    /// A reader that must miss nothing has missed something.
    Overtaken,
}

enum Step {
    Found(Head),
    Empty,
    Overtaken,
}

pub(crate) struct Cursor<W> {
    ring: Ring<W>,
    mode: Mode,
    /// Where the next record starts.
    position: u64,
    /// Up to here everything was given back.
    given_back: u64,
    /// The number it should have, where that is known.
    expected: Option<u64>,
    /// The word of the newest record when it was read last.
    newest: u64,
    /// The record that was read last, and how many were missed before it.
    last: Head,
    skipped: u64,
    /// Its payload. This only grows.
    buffer: Vec<u8>,
}

impl<W: Words> Cursor<W> {
    /// A reader of a ring that has read nothing of it, and should have read all.
    pub fn new(ring: Ring<W>, mode: Mode) -> Self {
        let last = Head { len: 0, sequence: 0, written_at: 0 };
        let (position, given_back, expected, newest, skipped) = (0, 0, Some(1), 0, 0);
        let buffer = Vec::new();
        Self { ring, mode, position, given_back, expected, newest, last, skipped, buffer }
    }

    /// Goes to where it is to start.
    pub fn start(&mut self, start: Start) -> Result<(), Corrupt> {
        self.start_above(start, self.ring.floor(word::INTENT))
    }

    /// The same for a reader that must miss nothing from there on. False: the publisher is too fast
    /// for it.
    pub fn join<S: Words>(
        &mut self,
        start: Start,
        slot: &mut Slot<S>,
        file: u64,
    ) -> Result<bool, Corrupt> {
        for _ in 0..TRIES {
            self.start_above(start, self.ring.floor(word::REACH))?;
            slot.attach(self.position, file);
            // The publisher has seen the slot, or here is seen how far it goes without.
            if self.position >= self.ring.floor(word::REACH) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The same for a reader that was there before this file, as a reader of the one before or
    /// without any: it reads from the beginning, or knows how much of that it has missed.
    pub fn follow<S: Words>(&mut self, slot: &mut Slot<S>, file: u64) -> Result<bool, Corrupt> {
        if slot.is_attached() {
            slot.follow(file);
            if slot.is_confirmed(file) || self.ring.floor(word::REACH) == 0 {
                return Ok(true);
            }
        }
        let has_joined = self.join(Start::Oldest, slot, file)?;
        // Then it is known how many are missing.
        self.expected = Some(1);
        Ok(has_joined)
    }

    /// The next record. Whatever it is, the reader has gone on: after bytes that cannot be, it goes
    /// on behind all that is there.
    pub fn next(&mut self) -> Result<Next<'_>, Corrupt> {
        let step = match self.mode {
            Mode::Latest => self.step_to_newest(),
            Mode::Lossy | Mode::Lossless => self.step_in_order(),
        };
        match step {
            Ok(Step::Found(head)) => match self.skipped(head.sequence) {
                Ok(skipped) => {
                    (self.last, self.skipped) = (head, skipped);
                    Ok(Next::Record(self.last()))
                }
                Err(corrupt) => Err(self.give_up(corrupt)),
            },
            Ok(Step::Empty) => Ok(Next::Empty),
            Ok(Step::Overtaken) => Ok(Next::Overtaken),
            Err(corrupt) => Err(self.give_up(corrupt)),
        }
    }

    /// The record that was read last.
    #[inline]
    pub fn last(&self) -> Record<'_> {
        let Head { len, sequence, written_at } = self.last;
        Record { sequence, written_at, skipped: self.skipped, payload: &self.buffer[..len] }
    }

    /// Whether there may be something to read, as of now. One load.
    pub fn has_more(&self) -> bool {
        let (word, seen) = match self.mode {
            Mode::Latest => (word::NEWEST, self.newest),
            Mode::Lossy | Mode::Lossless => (word::TAIL, self.position),
        };
        self.ring.words.load(word, OBSERVE) != seen
    }

    /// Gives back everything that was read. Returns whether the publisher waits for that and has to
    /// be rung.
    pub fn advance<S: Words>(&mut self, slot: &Slot<S>) -> bool {
        slot.advance(self.position);
        let before = std::mem::replace(&mut self.given_back, self.position);
        // Pairs with the fence of `Writer::set_waiting`.
        fence(Ordering::SeqCst);
        let wanted = self.ring.words.load(word::WANTED, Ordering::Relaxed);
        before < wanted && wanted <= self.position
    }

    fn step_in_order(&mut self) -> Result<Step, Corrupt> {
        for attempt in 1..=TRIES + 1 {
            match self.step()? {
                Step::Overtaken if self.mode == Mode::Lossy => self.jump(attempt)?,
                step => return Ok(step),
            }
        }
        // As much as the ring holds was written since the last look at its tail.
        Ok(Step::Empty)
    }

    fn step(&mut self) -> Result<Step, Corrupt> {
        let tail = self.ring.tail()?;
        loop {
            let Some(available) = tail.checked_sub(self.position) else {
                return Err(self.ring.wrong(tail, self.position));
            };
            if available == 0 {
                return Ok(Step::Empty);
            }
            if available > self.ring.capacity {
                return Ok(Step::Overtaken);
            }
            match self.ring.read(self.position, available, &mut self.buffer)? {
                // It ends a lap, and there is none at a start: the next turn is the last one.
                Found::Pad(len) => self.position += len,
                Found::Record(head) => {
                    self.position += record_len(head.len) as u64;
                    return Ok(Step::Found(head));
                }
                Found::Overtaken => return Ok(Step::Overtaken),
            }
        }
    }

    fn step_to_newest(&mut self) -> Result<Step, Corrupt> {
        for _ in 0..TRIES {
            let newest = self.ring.words.load(word::NEWEST, OBSERVE);
            if newest == self.newest {
                return Ok(Step::Empty);
            }
            if let Some((head, _)) = self.read_newest(newest)? {
                self.newest = newest;
                return Ok(Step::Found(head));
            }
        }
        Ok(Step::Empty)
    }

    /// Reads the record that the word of the newest leads to, and says where it ends. `None` if
    /// there is none, or not any more.
    fn read_newest(&mut self, newest: u64) -> Result<Option<(Head, u64)>, Corrupt> {
        let Some(position) = newest.checked_sub(1) else { return Ok(None) };
        let is_possible = position.is_multiple_of(WORD as u64);
        let end = position.checked_add(self.ring.capacity).filter(|_| is_possible);
        if end.is_none() {
            return Err(self.ring.wrong(newest, self.position));
        }
        match self.ring.read(position, self.ring.capacity, &mut self.buffer)? {
            Found::Record(head) => Ok(Some((head, position + record_len(head.len) as u64))),
            Found::Pad(_) => Err(self.ring.wrong(newest, self.position)),
            Found::Overtaken => Ok(None),
        }
    }

    fn start_above(&mut self, start: Start, floor: u64) -> Result<(), Corrupt> {
        // Loaded first: nothing that is found afterwards ends before it.
        let tail = self.ring.tail()?;
        if start == Start::Oldest {
            (self.newest, self.expected) = (0, None);
            self.position = self.ring.oldest(floor, tail).unwrap_or(tail);
            return Ok(());
        }
        for _ in 0..TRIES {
            let newest = self.ring.words.load(word::NEWEST, OBSERVE);
            if newest == 0 {
                (self.position, self.newest, self.expected) = (0, 0, Some(1));
                return Ok(());
            }
            let Some((head, end)) = self.read_newest(newest)? else { continue };
            if end > self.ring.tail()? {
                return Err(self.ring.wrong(newest, end));
            }
            (self.position, self.newest, self.expected) = match start {
                Start::Newest => (newest - 1, 0, Some(head.sequence)),
                _ => (end, newest, head.sequence.checked_add(1)),
            };
            return Ok(());
        }
        // Every time it was overwritten at once: what comes next is as good.
        (self.position, self.newest, self.expected) = (self.ring.tail()?, 0, None);
        Ok(())
    }

    /// Goes on where there is still something, with some distance to what is being overwritten.
    #[cold]
    fn jump(&mut self, attempt: u64) -> Result<(), Corrupt> {
        let tail = self.ring.tail()?;
        let intent = self.ring.words.load(word::INTENT, Ordering::Relaxed);
        let distance = self.ring.capacity / (TRIES + 1) * attempt;
        let floor = intent.saturating_add(distance).saturating_sub(self.ring.capacity);
        let behind = self.position.max(floor);
        let found = if attempt < TRIES { self.ring.oldest(behind, tail) } else { None };
        self.position = found.unwrap_or(tail);
        Ok(())
    }

    /// How many records are missing before the one with this number.
    #[inline]
    fn skipped(&mut self, sequence: u64) -> Result<u64, Corrupt> {
        let expected = self.expected.unwrap_or(sequence);
        let skipped = sequence.checked_sub(expected);
        let next = sequence.checked_add(1);
        let (Some(skipped), Some(next)) = (skipped, next) else {
            return Err(Corrupt::Sequence { found: sequence, expected });
        };
        self.expected = Some(next);
        Ok(skipped)
    }

    /// Leaves what cannot be read behind.
    #[cold]
    fn give_up(&mut self, corrupt: Corrupt) -> Corrupt {
        if let Ok(tail) = self.ring.tail() {
            self.position = tail;
        }
        self.newest = self.ring.words.load(word::NEWEST, OBSERVE);
        corrupt
    }
}
