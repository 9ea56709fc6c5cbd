//! Servers that come are awaited by trying again, sooner if the host has seen something.

use super::{Engine, Entry};
use crate::engine::slab::Key;
use crate::time::Time;

impl Engine {
    /// Something has appeared where a server may listen that is awaited: it is looked for at once.
    pub fn appeared(&mut self) {
        let now = Time::now();
        for (_, entry) in self.entries.iter_mut() {
            let Entry::Dialing(dial) = entry else { continue };
            dial.attempts = 0;
            dial.next_at = now;
            self.due = self.due.min(now);
        }
        self.poller.wake_by(self.due);
    }

    /// Whether the places are watched where its server may appear: that is the host's affair.
    pub(super) fn watch_for(&mut self, _: Key) -> bool {
        false
    }

    pub(in crate::engine) fn watch_no_longer(&mut self) {}
}
