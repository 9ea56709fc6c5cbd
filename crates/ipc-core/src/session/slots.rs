//! The table behind exactly one outcome per request: the same on the side that asked and on the
//! side that works.
//!
//! A slot is used again and again, each time with a newer generation, so an id distinguishes an
//! answer to this request from a late answer to an earlier one. A caller uses a slot again only
//! after the earlier request in it has ended, so per slot only the newest generation matters: a
//! request that is not newer than what has arrived for its slot, by request or by cancel, is stale.

mod table;

use super::id::{generation_of, is_newer, join, slot_of};
use super::stream::Stream;
use crate::error::{Code, Corrupt, Error, Result};
use crate::time::Time;
use table::Table;

pub(super) struct Slots {
    slots: Table<Slot>,
    /// Of requests with items, by slot, while they are live. Beside the slots, so that all others
    /// pay no more for them than a check whether there are any.
    streams: Table<Option<Box<Stream>>>,
    streams_live: u32,
    /// What has arrived of the items of all of them and was not read yet.
    unread: u64,
    pending_max: u32,
    live: u32,
    /// Nothing is due before this. It may be too early, never too late: what ends in time does not
    /// move it, so that a deadline costs a request one comparison.
    due: Time,
}

#[derive(Clone, Copy)]
struct Slot {
    /// The newest generation that arrived; 0 while the slot is unused.
    generation: u32,
    live: bool,
    /// Its answer may come compressed.
    accepts_packed: bool,
    deadline: Time,
    /// When it was sent, if it is timed.
    sent_at: Time,
}

const UNUSED: Slot = Slot {
    generation: 0,
    live: false,
    accepts_packed: false,
    deadline: Time::NEVER,
    sent_at: Time::NEVER,
};

impl Default for Slot {
    fn default() -> Self {
        UNUSED
    }
}

/// What a request that came in is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// A new request; an earlier one in its slot that is still being worked on is moot.
    New { abandoned: Option<u64> },
    /// It ended on the peer's side before it arrived here.
    Stale,
}

impl Slots {
    pub fn new(pending_max: u32) -> Self {
        Self {
            slots: Table::default(),
            streams: Table::default(),
            streams_live: 0,
            unread: 0,
            pending_max,
            live: 0,
            due: Time::NEVER,
        }
    }

    /// This side asks: takes the slot of `id`, which has to be free. A `window` makes it a stream.
    #[inline]
    pub fn begin(
        &mut self,
        id: u64,
        deadline: Time,
        window: Option<u32>,
        accepts_packed: bool,
    ) -> Result<()> {
        let Some(slot) = self.slot(id) else {
            let message = format!("request slot {}, {} agreed", slot_of(id), self.pending_max);
            return Err(Error::new(Code::TooManyPending, message));
        };
        if slot.live || !is_newer(generation_of(id), slot.generation) {
            let message = format!("request id {id:#x} is in use or was used before");
            return Err(Error::new(Code::InvalidArgument, message));
        }
        let generation = generation_of(id);
        *slot = Slot { generation, live: true, accepts_packed, deadline, ..UNUSED };
        self.live += 1;
        if window.is_some() {
            self.set_stream(id, window);
        }
        self.due = self.due.min(deadline);
        Ok(())
    }

    /// This request of ours, which has just begun, is timed.
    pub fn time(&mut self, id: u64, sent_at: Time) {
        if let Some(slot) = self.slots.get_mut(slot_of(id) as usize) {
            slot.sent_at = sent_at;
        }
    }

    /// The peer asks.
    #[inline]
    pub fn admit(
        &mut self,
        id: u64,
        deadline: Time,
        window: Option<u32>,
    ) -> Result<Admission, Corrupt> {
        let slot = self.peer_slot(id)?;
        if !is_newer(generation_of(id), slot.generation) {
            return Ok(Admission::Stale);
        }
        let abandoned = slot.live.then(|| join(slot_of(id), slot.generation));
        *slot = Slot { generation: generation_of(id), live: true, deadline, ..UNUSED };
        self.live += u32::from(abandoned.is_none());
        if window.is_some() || self.streams_live > 0 {
            self.set_stream(id, window);
        }
        self.due = self.due.min(deadline);
        Ok(Admission::New { abandoned })
    }

    /// The peer no longer wants an answer, perhaps before its request has arrived: then the request
    /// will be stale. Returns the request that was being worked on and no longer needs to be.
    pub fn cancel(&mut self, id: u64) -> Result<Option<u64>, Corrupt> {
        let slot = self.peer_slot(id)?;
        if is_newer(slot.generation, generation_of(id)) {
            return Ok(None);
        }
        let abandoned = slot.live.then(|| join(slot_of(id), slot.generation));
        *slot = Slot { generation: generation_of(id), ..UNUSED };
        self.live -= u32::from(abandoned.is_some());
        if self.streams_live > 0 {
            self.set_stream(id, None);
        }
        Ok(abandoned)
    }

    /// The items of `id`, if it is live and has any.
    #[inline]
    pub fn stream(&mut self, id: u64) -> Option<&mut Stream> {
        let slot = self.slots.get_mut(slot_of(id) as usize)?;
        if slot.generation != generation_of(id) {
            return None;
        }
        self.streams.get_mut(slot_of(id) as usize)?.as_deref_mut()
    }

    /// What is in the slot of `id` is a stream with this window from now on, or none.
    #[cold]
    fn set_stream(&mut self, id: u64, window: Option<u32>) {
        let place = slot_of(id) as usize;
        if window.is_none() && self.streams.get(place).is_none() {
            return;
        }
        let stream = window.map(|window| Box::new(Stream::new(window)));
        self.streams_live += u32::from(stream.is_some());
        let before = std::mem::replace(self.streams.entry(place), stream);
        self.streams_live -= u32::from(before.is_some());
        self.unread -= before.map_or(0, |stream| stream.unread());
    }

    /// Whether `id` has begun and not ended.
    #[inline]
    pub fn is_live(&self, id: u64) -> bool {
        self.live_slot(id).is_some()
    }

    #[inline]
    fn live_slot(&self, id: u64) -> Option<&Slot> {
        let slot = self.slots.get(slot_of(id) as usize)?;
        (slot.live && slot.generation == generation_of(id)).then_some(slot)
    }

    /// Whether the answer to `id`, which is live, may come compressed.
    pub fn accepts_packed(&self, id: u64) -> bool {
        self.live_slot(id).is_some_and(|slot| slot.accepts_packed)
    }

    /// Whether an id could be one of these at all.
    #[cold]
    pub fn check(&self, id: u64) -> Result<(), Corrupt> {
        if slot_of(id) < self.pending_max && generation_of(id) != 0 {
            return Ok(());
        }
        Err(Corrupt::Slot { slot: slot_of(id), pending_max: self.pending_max })
    }

    /// Ends `id`. Returns whether it was live: whether this is its one outcome.
    #[inline]
    pub fn end(&mut self, id: u64) -> bool {
        self.take(id).is_some()
    }

    /// Ends `id`, if it was live. Returns when it was sent, or [`Time::NEVER`] if it was not timed.
    #[inline]
    pub fn take(&mut self, id: u64) -> Option<Time> {
        let slot = self.slots.get_mut(slot_of(id) as usize)?;
        if !slot.live || slot.generation != generation_of(id) {
            return None;
        }
        slot.live = false;
        let sent_at = slot.sent_at;
        self.live -= 1;
        if self.streams_live > 0 {
            self.set_stream(id, None);
        }
        Some(sent_at)
    }

    /// Whether `id` has not arrived yet or is being worked on, so that its caller waits on.
    pub fn is_unanswered(&self, id: u64) -> bool {
        match self.slots.get(slot_of(id) as usize) {
            Some(slot) if slot.generation == generation_of(id) => slot.live,
            Some(slot) => is_newer(generation_of(id), slot.generation),
            None => true,
        }
    }

    /// How many are live.
    #[inline]
    pub fn live(&self) -> u32 {
        self.live
    }

    /// How many of those are streams.
    #[inline]
    pub fn streams(&self) -> u32 {
        self.streams_live
    }

    /// What has arrived of the items of those and was not read yet.
    #[inline]
    pub fn unread(&self) -> u64 {
        self.unread
    }

    /// An item of one of them has arrived.
    #[inline]
    pub fn item_arrived(&mut self, cost: u64) {
        self.unread += cost;
    }

    /// Items of this cost were read.
    #[inline]
    pub fn items_read(&mut self, cost: u64) {
        self.unread -= cost;
    }

    /// No deadline passes before this.
    #[inline]
    pub fn due(&self) -> Time {
        self.due
    }

    /// Ends all whose deadline has passed, and appends them to `ended`.
    pub fn expire(&mut self, now: Time, ended: &mut Vec<u64>) {
        if now < self.due {
            return;
        }
        self.due = Time::NEVER;
        let before = ended.len();
        for (slot, entry) in self.slots.iter_mut().filter(|(_, entry)| entry.live) {
            if entry.deadline <= now {
                entry.live = false;
                self.live -= 1;
                ended.push(join(slot, entry.generation));
            } else {
                self.due = self.due.min(entry.deadline);
            }
        }
        if self.streams_live > 0 {
            ended[before..].iter().for_each(|&id| self.set_stream(id, None));
        }
    }

    /// Ends all, and appends them to `ended`.
    pub fn end_all(&mut self, ended: &mut Vec<u64>) {
        self.expire(Time::NEVER, ended);
    }

    fn peer_slot(&mut self, id: u64) -> Result<&mut Slot, Corrupt> {
        let pending_max = self.pending_max;
        self.slot(id).ok_or(Corrupt::Slot { slot: slot_of(id), pending_max })
    }

    #[inline]
    fn slot(&mut self, id: u64) -> Option<&mut Slot> {
        if slot_of(id) >= self.pending_max || generation_of(id) == 0 {
            return None;
        }
        Some(self.slots.entry(slot_of(id) as usize))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
