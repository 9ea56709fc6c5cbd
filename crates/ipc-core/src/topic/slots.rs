//! Slots of the readers that must miss nothing, in memory that they may write to.
//!
//! Each word has one writer: a slot's reader says where it is, and the publisher which reader it
//! has cut off. A reader has a number of its own (its session), which no other reader of the slot
//! had before; so it does not matter that a slot may have changed hands when it is cut off.
//!
//! Who may use a slot is decided by a lock outside of this memory.

use std::sync::Arc;

use super::ring::WORD;
use crate::memory::words::Words;
use crate::sync::{OBSERVE, Ordering, PUBLISH, fence};

/// Readers that must miss nothing, of one topic.
pub(crate) const SLOTS: usize = 64;
/// Bytes of a slot: two lines, which no other reader writes to.
pub(crate) const SLOT_LEN: usize = 128;

/// 0 or [`ATTACHED`], by the reader.
const STATE: usize = 0;
/// Everything before was read, by the reader.
const POSITION: usize = WORD;
/// Which file is read, by the reader; 0: none yet.
const FILE: usize = 2 * WORD;
/// Not 0, by the reader.
const SESSION: usize = 3 * WORD;
/// The session that was cut off, by the publisher.
const CUT_OFF: usize = 4 * WORD;
/// The session that is waited for, by the publisher.
const CONFIRMED: usize = 5 * WORD;
/// Which file's publisher has confirmed that, by the publisher.
const CONFIRMED_BY: usize = 6 * WORD;

const ATTACHED: u64 = 1;

/// All slots. Cloned, they are the same ones.
pub(crate) struct Slots<S> {
    words: Arc<S>,
    /// Where the first one lies.
    start: usize,
    count: usize,
}

impl<S> Clone for Slots<S> {
    fn clone(&self) -> Self {
        Self { words: Arc::clone(&self.words), ..*self }
    }
}

/// What a slot says of its reader.
pub(super) struct Reader {
    pub session: u64,
    pub file: u64,
    pub position: u64,
}

impl<S: Words> Slots<S> {
    /// The slots that start at `start`, of which there are at most [`SLOTS`].
    pub fn new(words: Arc<S>, start: usize, count: usize) -> Self {
        assert!(count <= SLOTS, "{count} slots");
        Self { words, start, count }
    }

    #[cfg(test)]
    pub fn words(&self) -> &S {
        &self.words
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// The slot `index`, for the holder of its lock.
    pub fn slot(&self, index: usize) -> Slot<S> {
        assert!(index < self.count, "slot {index} of {}", self.count);
        Slot { slots: self.clone(), index, session: 0 }
    }

    /// The reader of a slot, unless there is none or it was cut off.
    pub(super) fn reader(&self, slot: usize) -> Option<Reader> {
        // First, and with Acquire: what is read behind it is of this session or of a later one.
        let session = self.load(slot, SESSION);
        let is_reading = session != self.load(slot, CUT_OFF) && self.load(slot, STATE) == ATTACHED;
        is_reading.then(|| Reader {
            session,
            file: self.load(slot, FILE),
            position: self.load(slot, POSITION),
        })
    }

    /// Whether the reader of a slot was cut off.
    pub(super) fn is_cut_off(&self, slot: usize) -> bool {
        let session = self.load(slot, SESSION);
        session != 0 && session == self.load(slot, CUT_OFF)
    }

    /// Lets a reader know that it is waited for.
    pub(super) fn confirm(&self, slot: usize, session: u64, file: u64) {
        if self.load(slot, CONFIRMED) != session || self.load(slot, CONFIRMED_BY) != file {
            self.store(slot, CONFIRMED_BY, file);
            self.store(slot, CONFIRMED, session);
        }
    }

    pub(super) fn cut_off(&self, slot: usize) {
        self.cut_off_session(slot, self.load(slot, SESSION));
    }

    pub(super) fn cut_off_session(&self, slot: usize, session: u64) {
        self.store(slot, CUT_OFF, session);
    }

    fn load(&self, slot: usize, word: usize) -> u64 {
        self.words.load(self.start + slot * SLOT_LEN + word, OBSERVE)
    }

    fn store(&self, slot: usize, word: usize, value: u64) {
        self.words.store(self.start + slot * SLOT_LEN + word, value, PUBLISH);
    }
}

/// One slot, in the hands of its reader. It is given back when this is dropped.
pub(crate) struct Slot<S: Words> {
    slots: Slots<S>,
    index: usize,
    session: u64,
}

impl<S: Words> Slot<S> {
    /// Says from where on this reader must miss nothing, as a new session. What the publisher has
    /// announced by now is to be looked at afterwards.
    pub fn attach(&mut self, position: u64, file: u64) {
        let (slots, index) = (&self.slots, self.index);
        slots.store(index, STATE, 0);
        slots.store(index, POSITION, position);
        slots.store(index, FILE, file);
        let (last, cut_off) = (slots.load(index, SESSION), slots.load(index, CUT_OFF));
        self.session = last.wrapping_add(1).max(1);
        if self.session == cut_off {
            self.session = self.session.wrapping_add(1).max(1);
        }
        slots.store(index, SESSION, self.session);
        slots.store(index, STATE, ATTACHED);
        // Pairs with the fence of `Writer::look`.
        fence(Ordering::SeqCst);
    }

    /// Moves to the beginning of another file, as the same session. In between it counts as a
    /// reader of one or of the other, and the publisher of this one waits for both.
    pub fn follow(&self, file: u64) {
        let (slots, index) = (&self.slots, self.index);
        slots.store(index, POSITION, 0);
        slots.store(index, FILE, file);
        fence(Ordering::SeqCst);
    }

    /// Whether the publisher of that file has said that it waits for this reader.
    pub fn is_confirmed(&self, file: u64) -> bool {
        let (slots, index) = (&self.slots, self.index);
        slots.load(index, CONFIRMED) == self.session && slots.load(index, CONFIRMED_BY) == file
    }

    /// Gives back everything before `position`.
    pub fn advance(&self, position: u64) {
        self.slots.store(self.index, POSITION, position);
    }

    /// Whether the publisher goes on without this reader.
    pub fn is_cut_off(&self) -> bool {
        self.is_attached() && self.slots.load(self.index, CUT_OFF) == self.session
    }

    /// Whether it was ever used for reading.
    pub fn is_attached(&self) -> bool {
        self.session != 0
    }

    #[cfg(test)]
    pub fn index(&self) -> usize {
        self.index
    }
}

impl<S: Words> Drop for Slot<S> {
    fn drop(&mut self) {
        self.slots.store(self.index, STATE, 0);
    }
}
