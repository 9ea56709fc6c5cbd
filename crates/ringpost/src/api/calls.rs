//! Requests in flight, and one-way messages whose senders wait.

use ipc_core::id::{generation_of, join, slot_of};

/// Waiters by id. Ids are made here: a slot that is free, and a generation it never had. A slot is
/// new only while all others are taken, as is due on a connection that has agreed on their number.
pub(crate) struct Calls<T> {
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Calls<T> {
    pub fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    /// A fresh id for `waiter`.
    #[inline]
    pub fn insert(&mut self, waiter: T) -> u64 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            u32::try_from(self.slots.len() - 1).expect("fewer than memory has room for")
        });
        let (generation, entry) = &mut self.slots[slot as usize];
        // Generation 0 is never used.
        *generation = generation.wrapping_add(1).max(1);
        *entry = Some(waiter);
        join(slot, *generation)
    }

    /// The waiter of `id`.
    #[inline]
    pub fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        match self.slots.get_mut(slot_of(id) as usize) {
            Some((generation, waiter)) if *generation == generation_of(id) => waiter.as_mut(),
            _ => None,
        }
    }

    /// Ends the wait for `id`.
    #[inline]
    pub fn remove(&mut self, id: u64) -> Option<T> {
        self.get_mut(id)?;
        let slot = slot_of(id);
        self.free.push(slot);
        self.slots[slot as usize].1.take()
    }
}
