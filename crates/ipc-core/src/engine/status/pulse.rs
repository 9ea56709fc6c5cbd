//! When what is in status files is brought up to date.

use std::time::Duration;

use super::layout::{ASLEEP_AT, TURNED_AT, TURNS, WOKEN_AT};
use super::{Kept, Status};
use crate::engine::link::Link;
use crate::engine::listener::Listener;
use crate::engine::slab::{Key, Slab};
use crate::engine::{Engine, Entry};
use crate::time::{COARSE_TICK, Time};

/// The least time between two looks at what connections have counted.
const INTERVAL: Duration = Duration::from_millis(100);
/// Connections that are looked at in one turn, so that no message waits for all of them.
const LOOKS_MAX: usize = 32;

/// What the status files of an engine have in common.
#[derive(Default)]
pub(in crate::engine) struct Pulse {
    /// There are such files.
    is_shown: bool,
    turns: u64,
    is_asleep: bool,
    /// Links that may have counted something since they were looked at.
    touched: Vec<Key>,
    looked_at: Time,
}

impl Pulse {
    /// A link has sent or received something.
    #[inline]
    pub fn touch(&mut self, key: Key, link: &mut Link) {
        if !std::mem::replace(&mut link.touched, true) {
            self.touched.push(key);
        }
    }

    /// When touched links are looked at.
    fn due(&self) -> Time {
        match self.touched.is_empty() {
            true => Time::NEVER,
            false => self.looked_at + INTERVAL,
        }
    }
}

impl Engine {
    /// Shows what a listener is doing from now on, if that can be.
    pub(in crate::engine) fn publish_status(&mut self, key: Key) {
        let Some(listener) = self.listeners.get_mut(key) else { return };
        let connections_max = listener.options.connections_max;
        match Status::create(listener.maintenance.claim(), connections_max) {
            Ok(status) => {
                listener.maintenance.watch_also(status.path());
                listener.status = Some(status);
                self.pulse.is_shown = true;
            }
            Err(error) => {
                tracing::warn!(%error, "what the server does cannot be seen from outside");
                Status::clear(listener.maintenance.claim());
            }
        }
    }

    /// The files of a listener were touched: its status is to be there as well.
    pub(in crate::engine) fn keep_status(&mut self, key: Key, now: Time) {
        let Some(listener) = self.listeners.get_mut(key) else { return };
        if !listener.maintenance.is_whole() {
            return;
        }
        let Some(status) = &mut listener.status else { return };
        match status.keep(now) {
            Ok(Kept::There) => listener.maintenance.watch_also(status.path()),
            Ok(Kept::Missing { restore_at }) => {
                listener.maintenance.check_by(restore_at);
                self.due = self.due.min(restore_at);
            }
            Ok(Kept::Replaced) => listener.status = None,
            Err(error) => {
                tracing::warn!(%error, "what the server does can no longer be seen from outside");
                listener.status = None;
            }
        }
    }

    // ---- turns ----

    /// A turn begins.
    #[inline]
    pub(in crate::engine) fn begin_turn(&mut self) {
        if self.pulse.is_shown {
            self.show_turn();
        }
    }

    fn show_turn(&mut self) {
        let now = Time::coarse();
        self.pulse.turns += 1;
        let was_asleep = std::mem::take(&mut self.pulse.is_asleep);
        for status in statuses(&mut self.listeners) {
            status.store(TURNS, self.pulse.turns);
            status.store(TURNED_AT, now.as_nanos());
            if was_asleep {
                status.store(WOKEN_AT, now.as_nanos());
                status.store(ASLEEP_AT, 0);
            }
        }
        if now >= self.pulse.due() {
            self.show_touched(now);
        }
    }

    /// The engine may sleep from now on, or may not. Returns when it has to look at what links have
    /// counted, once all is quiet.
    #[inline]
    pub(in crate::engine) fn end_turn(&mut self, is_asleep: bool) -> Time {
        if self.pulse.is_shown { self.show_end(is_asleep) } else { Time::NEVER }
    }

    fn show_end(&mut self, is_asleep: bool) -> Time {
        let now = Time::coarse();
        if now >= self.pulse.due() {
            self.show_touched(now);
        }
        if is_asleep && !std::mem::replace(&mut self.pulse.is_asleep, true) {
            for status in statuses(&mut self.listeners) {
                status.store(ASLEEP_AT, now.as_nanos());
            }
        }
        match self.pulse.due() {
            Time::NEVER => Time::NEVER,
            // By then the coarse clock reads as much, too.
            due => due + COARSE_TICK,
        }
    }

    // ---- connections ----

    /// A link of a listener is open.
    pub(in crate::engine) fn show_opened(&mut self, key: Key) {
        let Some(Entry::Link(link)) = self.entries.get_mut(key) else { return };
        let Some(listener) = link.listener.and_then(|key| self.listeners.get_mut(key)) else {
            return;
        };
        let Some(status) = &mut listener.status else { return };
        let now = Time::coarse();
        link.shown = Some(Box::new(status.opened(&link.peer, now)));
        link.touched = false;
        status.show_server(listener.links, listener.refused, now);
        // So that no message needs memory for it.
        self.pulse.touched.reserve(self.stats.links);
    }

    /// A link is over.
    pub(in crate::engine) fn show_closed(&mut self, link: &mut Link) {
        let Some(shown) = link.shown.take() else { return };
        let Some(listener) = link.listener.and_then(|key| self.listeners.get_mut(key)) else {
            return;
        };
        let Some(status) = &mut listener.status else { return };
        let now = Time::coarse();
        status.closed(*shown, &link.stats(), now);
        status.show_server(listener.links, listener.refused, now);
    }

    /// Looks at links that were touched, at some of them if there are many: then it is due again.
    #[cold]
    fn show_touched(&mut self, now: Time) {
        let rest = self.pulse.touched.len().saturating_sub(LOOKS_MAX);
        for key in self.pulse.touched.drain(rest..) {
            let Some(Entry::Link(link)) = self.entries.get_mut(key) else { continue };
            link.touched = false;
            let stats = link.stats();
            let listener = link.listener.and_then(|key| self.listeners.get_mut(key));
            let status = listener.and_then(|listener| listener.status.as_mut());
            if let (Some(status), Some(shown)) = (status, &mut link.shown) {
                status.show(shown, &stats, now);
            }
        }
        for (_, listener) in self.listeners.iter_mut() {
            let Some(status) = &mut listener.status else { continue };
            status.show_server(listener.links, listener.refused, now);
            if status.is_lost() {
                tracing::warn!("there is no room for what the server does, or it was truncated");
                listener.status = None;
            }
        }
        if self.pulse.touched.is_empty() {
            self.pulse.looked_at = now;
        }
    }
}

fn statuses(listeners: &mut Slab<Listener>) -> impl Iterator<Item = &mut Status> {
    listeners.iter_mut().filter_map(|(_, listener)| listener.status.as_mut())
}
