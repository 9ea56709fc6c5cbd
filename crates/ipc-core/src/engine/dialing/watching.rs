//! Watching for servers that are awaited.

use super::{Engine, Entry};
use crate::engine::directory::Places;
use crate::engine::os::poller::Source;
use crate::engine::os::watch::Arrivals;
use crate::engine::slab::Key;
use crate::time::Now;

impl Engine {
    /// Watches the places where its server may appear. Returns whether it cannot come unseen.
    pub(super) fn watch_for(&mut self, key: Key) -> bool {
        let Some(Entry::Dialing(dial)) = self.entries.get_mut(key) else { return false };
        let Ok(places) = Places::of(&dial.options) else { return false };
        if self.arrivals.is_none() {
            let arrivals = Arrivals::new();
            self.arrivals =
                arrivals.filter(|arrivals| self.poller.watch(arrivals, Source::Arrivals).is_ok());
        }
        let Some(arrivals) = &self.arrivals else { return false };
        let (awaited, comes_seen) = places.watch(&dial.name, arrivals);
        dial.awaited = awaited;
        comes_seen
    }

    /// Stops watching if nothing is awaited.
    pub(in crate::engine) fn watch_no_longer(&mut self) {
        let Some(arrivals) = &self.arrivals else { return };
        if self.entries.iter().any(|(_, entry)| matches!(entry, Entry::Dialing(_))) {
            return;
        }
        self.poller.forget(arrivals);
        self.arrivals = None;
    }

    /// Something has appeared in a watched directory.
    pub(in crate::engine) fn arrived(&mut self, now: &Now) {
        let Some(arrivals) = &self.arrivals else { return };
        let arrived = arrivals.take();
        for (_, entry) in self.entries.iter_mut() {
            let Entry::Dialing(dial) = entry else { continue };
            if arrived.any_of(&dial.awaited) {
                dial.attempts = 0;
                dial.next_at = now.get();
                self.due = self.due.min(dial.next_at);
            }
        }
    }
}
