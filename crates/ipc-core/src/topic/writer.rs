//! The one that publishes: records go into the ring and become visible, one or many at once.

use super::ring::{MARKS, PAD, RECORD_HEAD, Ring, WORD, checksum_of, mark, record_len, word};
use super::slots::Slots;
use crate::memory::words::Words;
use crate::sync::{Ordering, PUBLISH, fence};
use crate::sys::kill_point;

/// Readers with slots have not read yet what the next record would overwrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// One bit for each of their slots.
    pub slots: u64,
}

pub(crate) struct Writer<W, S> {
    ring: Ring<W>,
    slots: Slots<S>,
    /// Which file it is, as its readers say it.
    file: u64,
    /// Where the next record goes, or the pad before it.
    tail: u64,
    /// What readers see of that.
    shown: u64,
    /// Where the last record starts.
    newest: u64,
    /// Of the last record.
    sequence: u64,
    /// Up to here no reader with a slot is overtaken.
    limit: u64,
    /// What was announced, which may be more.
    reach: u64,
    /// The sixteenth whose mark was set last, counted on from lap to lap.
    marked: Option<u64>,
    /// One bit for each slot that is not looked at now, whatever it says.
    passed_over: u64,
}

impl<W: Words, S: Words> Writer<W, S> {
    /// The publisher of a ring in which nothing was written yet.
    pub fn new(ring: Ring<W>, slots: Slots<S>, file: u64) -> Self {
        let (tail, shown, newest, sequence, limit, reach) = (0, 0, 0, 0, 0, 0);
        let (marked, passed_over) = (None, 0);
        Self { ring, slots, file, tail, shown, newest, sequence, limit, reach, marked, passed_over }
    }

    /// From now on its readers have these slots.
    pub fn set_slots(&mut self, slots: Slots<S>) {
        self.slots = slots;
        // Who joins there has to be seen before the next record.
        self.limit = 0;
    }

    /// Writes a record and returns its number. Nobody sees it before [`Self::show`]. `now` is the
    /// time of writing.
    ///
    /// Where readers with slots hold it up, everything written before is shown, because they could
    /// not get on otherwise.
    #[inline]
    pub fn append(&mut self, payload: &[u8], now: u64) -> Result<u64, Held> {
        assert!(payload.len() <= self.ring.payload_max, "{} bytes are too many", payload.len());
        let need = record_len(payload.len()) as u64;
        let lap_rest = self.ring.lap_rest(self.tail);
        let pad = if need > lap_rest { lap_rest } else { 0 };
        let start = self.tail + pad;
        let end = start + need;
        if end - self.shown > self.ring.capacity / 2 {
            // What is not shown yet is never so much that a reader could not join behind the rest.
            self.show();
        }
        if end > self.limit {
            self.look(end)?;
        }
        let words = &*self.ring.words;
        words.store(word::INTENT, end, Ordering::Relaxed);
        fence(Ordering::Release);
        kill_point("intent");
        if pad != 0 {
            words.store(self.ring.at(self.tail), PAD | pad << 32, Ordering::Relaxed);
        }
        self.sequence += 1;
        let at = self.ring.at(start);
        let crc = u64::from(checksum_of(self.sequence, now, payload));
        words.copy_in(at + RECORD_HEAD, payload);
        kill_point("contents");
        words.store(at, payload.len() as u64 | crc << 32, Ordering::Relaxed);
        words.store(at + WORD, self.sequence, Ordering::Relaxed);
        words.store(at + 2 * WORD, now, Ordering::Relaxed);
        kill_point("record");
        let sixteenth = start / (self.ring.capacity / MARKS);
        if self.marked != Some(sixteenth) {
            words.store(mark(sixteenth), start + 1, PUBLISH);
            self.marked = Some(sixteenth);
        }
        self.newest = start;
        self.tail = end;
        Ok(self.sequence)
    }

    /// The same, and the readers with these slots are cut off, however often they come back: a bit
    /// for each.
    #[cold]
    pub fn append_past(&mut self, slots: u64, payload: &[u8], now: u64) -> Result<u64, Held> {
        self.passed_over = slots;
        let appended = self.append(payload, now);
        self.passed_over = 0;
        appended
    }

    /// Shows everything written so far. Returns whether there was any.
    #[inline]
    pub fn show(&mut self) -> bool {
        if self.shown == self.tail {
            return false;
        }
        let words = &*self.ring.words;
        words.store(word::TAIL, self.tail, PUBLISH);
        kill_point("tail");
        // After the tail, so that no reader that starts behind the newest is ahead of it.
        words.store(word::NEWEST, self.newest + 1, PUBLISH);
        kill_point("shown");
        self.shown = self.tail;
        true
    }

    /// The next record has this number.
    #[cfg(all(test, not(loom)))]
    pub fn number_from(&mut self, sequence: u64) {
        self.sequence = sequence - 1;
    }

    /// The number of the last record.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Says whether the publisher waits: readers with slots ring it as they come to within half the
    /// ring of what is shown. That is enough for any record, and a ring for each record they read
    /// would be slower than both sides are. Who is about to sleep tries once more after this.
    pub fn set_waiting(&self, waiting: bool) {
        let wanted = if waiting { self.shown.saturating_sub(self.ring.capacity / 2) } else { 0 };
        self.ring.words.store(word::WANTED, wanted, Ordering::Relaxed);
        // Pairs with the fence of `Cursor::advance`: a reader sees that it has to ring, or the
        // next look sees how far it has come.
        fence(Ordering::SeqCst);
    }

    /// Goes on without the reader of a slot: it is gone, or takes too long.
    pub fn cut_off(&mut self, slot: usize) {
        self.slots.cut_off(slot);
    }

    /// Finds out whether there is room up to `end`.
    #[cold]
    fn look(&mut self, end: u64) -> Result<(), Held> {
        // With a quarter of the ring in advance, the slots are looked at four times a lap; and it
        // is never more than a reader may be behind who starts at the newest one that is shown.
        let reach = end + self.ring.capacity / 4;
        if reach > self.reach {
            self.ring.words.store(word::REACH, reach, Ordering::Relaxed);
            self.reach = reach;
        }
        // Pairs with the fence of `Slot::attach`.
        fence(Ordering::SeqCst);
        let mut limit = reach;
        let mut slots = 0;
        for slot in 0..self.slots.count() {
            if self.passed_over >> slot & 1 != 0 {
                self.slots.cut_off(slot);
                continue;
            }
            let Some(position) = self.position_of(slot) else { continue };
            let reader_limit = position + self.ring.capacity;
            limit = limit.min(reader_limit);
            if reader_limit < end {
                slots |= 1 << slot;
            }
        }
        if slots != 0 {
            self.show();
            return Err(Held { slots });
        }
        self.limit = limit;
        Ok(())
    }

    /// How far the reader of a slot has come, if it is to be waited for.
    fn position_of(&mut self, slot: usize) -> Option<u64> {
        let reader = self.slots.reader(slot)?;
        // One of another file comes here once it has read that, and then starts at the beginning.
        let position = if reader.file == self.file { reader.position } else { 0 };
        if position > self.shown || !position.is_multiple_of(WORD as u64) {
            // Not the word of a sane reader.
            self.slots.cut_off_session(slot, reader.session);
            return None;
        }
        if position + self.ring.capacity < self.tail {
            // It was overtaken before it had joined, and starts again elsewhere by itself.
            return None;
        }
        self.slots.confirm(slot, reader.session, self.file);
        Some(position)
    }
}
