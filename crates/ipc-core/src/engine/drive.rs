//! Driving an engine: rings first, then events of the kernel, then what is due.

use std::time::Duration;

use super::host::{Host, LinkId};
use super::link::{Attention, Link};
use super::os::bell::Received;
use super::os::poller::Source;
use super::slab::Key;
use super::{Engine, Entry};
use crate::doorbell::fall_asleep;
use crate::error::Corrupt;
use crate::memory;
use crate::time::{Now, Time};

/// Frames read from one link before the next has its turn.
const LINK_BUDGET: u32 = 1024;
/// Polls without result after which a link falls asleep although others keep the engine awake.
const IDLE_POLLS: u32 = 4096;
/// Turns of taking kernel events in one drive.
const EVENT_TURNS: u32 = 4;
/// When sleeping links are polled although no bell has rung, after falling asleep.
const BACKSTOPS: [Duration; 4] = [
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(100),
    Duration::from_secs(1),
];
/// How long something may be unread without a ring before that counts as a lost wake-up: longer
/// than a peer takes from its publish to its ring, even where it loses its core between the two to
/// a dozen others.
const LOST_AFTER: Duration = Duration::from_secs(1);

impl Engine {
    /// Does what is ready: reads rings, accepts clients, continues handshakes, ends what is due.
    /// Never blocks. Returns whether there was anything to do.
    pub fn drive(&mut self, host: &mut impl Host) -> bool {
        self.begin_turn();
        let now = Now::default();
        self.read_budget.read = 0;
        let mut worked = self.pump_hot(&now, host);
        for _ in 0..EVENT_TURNS {
            let more = self.take_events(&now, host, &mut worked);
            if !more {
                break;
            }
        }
        let due = self.due.min(self.backstop.due);
        if due != Time::NEVER && now.get() >= due {
            self.expire(&now, host);
        }
        worked
    }

    /// The part of [`Self::drive`] that costs no system call: the rings of hot links.
    #[inline]
    pub fn drive_hot(&mut self, host: &mut impl Host) -> bool {
        self.begin_turn();
        self.read_budget.read = 0;
        self.pump_hot(&Now::default(), host)
    }

    /// Whether so much was read in the last drive that [`Self::handled`] is worth reading the clock
    /// for.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.read_budget.is_busy()
    }

    /// What was read in the last drive has been handled, which took so long. Less is read at once
    /// where handlers are slow, so that a peer that sends much does not keep the others waiting.
    pub fn handled(&mut self, took: Duration) {
        self.read_budget.handled(took);
    }

    /// The host wants to be driven at this time, once: a later call takes the place of an earlier
    /// one, and [`Time::NEVER`] takes it back. The engine's descriptor is readable then, and what
    /// is to be done is up to the host.
    pub fn wake_at(&mut self, time: Time) {
        self.alarm = time;
        self.due = self.due.min(time);
    }

    /// Whether anything is due: for hosts that poll rings for long and do not call [`Self::drive`].
    /// It counts as a turn of theirs.
    #[inline]
    pub fn is_due(&mut self, now: Time) -> bool {
        self.begin_turn();
        now >= self.due
    }

    /// Writes what waits as far as there is room, and shows the peers all that was written: the
    /// last thing a host does that has to end at once.
    pub fn write_out(&mut self, host: &mut impl Host) {
        for (_, entry) in self.entries.iter_mut() {
            if let Entry::Link(link) = entry {
                link.write_out(host);
            }
        }
    }

    /// Reads what the peer of a link has cancelled, and nothing else: for work that runs for long
    /// and drives nothing. One load when there is nothing to read, or one system call where no
    /// memory is shared. Returns whether there was.
    #[inline]
    pub fn read_cancels(&mut self, link: LinkId, host: &mut impl Host) -> bool {
        if self.link(link.0).is_some_and(|found| !found.is_polled()) {
            self.receive(link.0, host);
        }
        let Some(found) = self.link_mut(link.0).filter(|found| found.has_controls()) else {
            return false;
        };
        found.pump_controls(host);
        // What comes of it, or is left, is for the next drive.
        self.warm(link.0);
        true
    }

    /// Whether [`Self::read_cancels`] may find anything. One load.
    #[inline]
    pub fn has_controls(&self, link: LinkId) -> bool {
        self.link(link.0).is_some_and(|found| !found.is_polled() || found.has_controls())
    }

    /// Drives for a host whose handlers run meanwhile.
    #[inline]
    pub fn paced(&mut self, drive: impl FnOnce(&mut Self) -> bool) -> bool {
        // Where much was read the last time, how long it takes is worth knowing.
        let start = self.is_busy().then(Time::now);
        let worked = drive(self);
        if let Some(start) = start.filter(|_| self.is_busy()) {
            self.handled(Time::now().saturating_since(start));
        }
        worked
    }

    #[inline]
    fn pump_hot(&mut self, now: &Now, host: &mut impl Host) -> bool {
        let mut worked = self.has_losses() && self.end_lost();
        let mut untidy = false;
        let mut budget = self.read_budget.budget;
        let count = self.hot.len();
        for step in 0..count {
            let place = (self.hot_start + step) % count;
            let Some(Entry::Link(link)) = self.entries.get_mut(self.hot[place]) else {
                untidy = true;
                continue;
            };
            if !link.poll() {
                untidy |= link.attention.count_idle() > IDLE_POLLS;
                continue;
            }
            link.attention = Attention::HOT;
            self.pulse.touch(self.hot[place], link);
            let frames = link.pump(budget.min(LINK_BUDGET), host);
            self.due = self.due.min(link.due());
            untidy |= link.is_ending();
            if link.is_throttled() && !self.throttled.contains(&self.hot[place]) {
                self.throttled.push_back(self.hot[place]);
            }
            worked = true;
            budget = budget.saturating_sub(frames);
            self.read_budget.read += frames;
            if budget == 0 {
                self.hot_start = place + 1;
                break;
            }
        }
        if untidy {
            self.tidy(now, host);
        }
        if !self.throttled.is_empty() {
            self.relieve();
        }
        worked
    }

    /// Whether a hot link has something. What costs no system call costs two loads per link.
    #[inline]
    pub fn poll(&self) -> bool {
        self.hot.iter().any(|&key| self.link(key).is_some_and(Link::poll))
    }

    /// Whether shared memory of this process has been lost since this was checked last.
    #[inline]
    fn has_losses(&self) -> bool {
        memory::losses() != self.losses
    }

    /// Ends connections whose shared memory was truncated.
    #[cold]
    fn end_lost(&mut self) -> bool {
        self.losses = memory::losses();
        let lost = self.entries.iter_mut().filter_map(|(key, entry)| match entry {
            Entry::Link(link) if link.is_lost() => {
                link.break_off(Corrupt::Truncated.into());
                Some(key)
            }
            _ => None,
        });
        let lost: Vec<_> = lost.collect();
        lost.iter().for_each(|key| self.warm(*key));
        !lost.is_empty()
    }

    /// Before sleeping: asks every peer to ring, and sets the timer. Returns whether the host may
    /// sleep now: whether nothing has arrived meanwhile.
    pub fn arm(&mut self) -> bool {
        let any_polled = self.polled().next().is_some();
        let (entries, due) = (&mut self.entries, &mut self.due);
        let nap = fall_asleep(&mut self.hot, |key| {
            let Some(Entry::Link(link)) = entries.get_mut(key) else { return None };
            let is_asleep = link.arm();
            if is_asleep {
                *due = link.rest().min(*due);
            }
            Some(is_asleep)
        });
        if nap.any && any_polled {
            self.backstop.fresh = true;
            if self.backstop.due == Time::NEVER {
                self.backstop.stage = 0;
                self.backstop.due = Time::now() + BACKSTOPS[0];
            }
        }
        let is_asleep = nap.whole && !self.has_losses();
        let show_at = self.end_turn(is_asleep);
        self.poller.wake_by(self.due.min(self.backstop.due).min(show_at));
        is_asleep
    }

    /// Whether requests are in flight on any hot link: an answer may come any moment.
    #[inline]
    pub fn is_expecting(&self) -> bool {
        self.polled().any(|link| link.calls_live() > 0)
    }

    /// Whether any link is hot: traffic was recent.
    #[inline]
    pub fn is_hot(&self) -> bool {
        !self.hot.is_empty()
    }

    /// Hot links in which something may appear without an event, so that polling them is of use.
    #[inline]
    pub(super) fn polled(&self) -> impl Iterator<Item = &Link> {
        self.hot.iter().filter_map(|&key| self.link(key)).filter(|link| link.is_polled())
    }

    /// Adds a link to the hot list: it is polled from now on, and its peer need not ring.
    pub(super) fn warm(&mut self, key: Key) {
        if self.link_mut(key).is_some_and(Link::wake) {
            self.hot.push(key);
        }
    }

    /// Ends links that are over, and cools down those that have been quiet while others were not.
    #[cold]
    fn tidy(&mut self, now: &Now, host: &mut impl Host) {
        let mut place = 0;
        while let Some(&key) = self.hot.get(place) {
            let stays = match self.entries.get_mut(key) {
                Some(Entry::Link(link)) if link.is_over(now) => {
                    self.end_link(key, host);
                    false
                }
                Some(Entry::Link(link)) if link.attention.idle_polls() > IDLE_POLLS => {
                    let is_asleep = link.arm();
                    if is_asleep {
                        self.due = self.due.min(link.rest());
                    }
                    !is_asleep
                }
                Some(Entry::Link(link)) => {
                    link.end_unanswered(host);
                    link.report_idle(host);
                    true
                }
                _ => false,
            };
            if stays {
                place += 1;
            } else if place < self.hot.len() && self.hot[place] == key {
                self.hot.swap_remove(place);
            }
        }
    }

    fn end_link(&mut self, key: Key, host: &mut impl Host) {
        if !matches!(self.entries.get(key), Some(Entry::Link(_))) {
            return;
        }
        if let Some(Entry::Link(mut link)) = self.entries.remove(key) {
            self.poller.forget(link.bell.socket());
            self.stats.links -= 1;
            if let Some(through) = link.listener.and_then(|key| self.listeners.get_mut(key)) {
                through.links -= 1;
            }
            self.show_closed(&mut link);
            link.finish(host);
        }
    }

    fn take_events(&mut self, now: &Now, host: &mut impl Host, worked: &mut bool) -> bool {
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        let more = self.poller.take(&mut ready);
        *worked |= !ready.is_empty();
        let mut rang = false;
        for source in &ready {
            match *source {
                Source::Socket(key) => rang |= self.read_socket(key, now, host),
                Source::Listener(key) => self.accept(key, now, host),
                #[cfg(not(target_family = "wasm"))]
                other => self.look_around(other, now, host),
            }
        }
        if rang {
            self.pump_hot(now, host);
        }
        self.ready = ready;
        more
    }

    /// Something arrived on a control socket. Returns whether the rings have to be polled.
    fn read_socket(&mut self, key: Key, now: &Now, host: &mut impl Host) -> bool {
        match self.entries.get_mut(key) {
            Some(Entry::Handshaking { .. }) => self.proceed(key, now, host),
            Some(Entry::Dialing(_)) => false,
            Some(Entry::Link(_)) => {
                self.receive(key, host);
                true
            }
            Some(Entry::TakingOver(_)) => {
                let due = self.pursue(key, now, host);
                self.due = self.due.min(due);
                false
            }
            None => false,
        }
    }

    /// Takes what has come over the socket of a link, which is polled from now on.
    fn receive(&mut self, key: Key, host: &mut impl Host) {
        let Some(Entry::Link(link)) = self.entries.get_mut(key) else { return };
        match link.bell.receive(&mut self.received) {
            Ok(Received::Some) => {}
            // What was published before is still in the rings, and is read first.
            Ok(Received::End) => {
                self.poller.forget(link.bell.socket());
                link.peer_gone(host);
            }
            Err(error) => link.break_off(error),
        }
        self.warm(key);
    }

    /// Ends what is due, everywhere, and finds out when the next thing is.
    fn expire(&mut self, now: &Now, host: &mut impl Host) {
        if now.get() >= self.backstop.due {
            self.poll_unrung(now.get());
        }
        if now.get() < self.due {
            return;
        }
        if now.get() >= self.alarm {
            self.alarm = Time::NEVER;
        }
        self.due = self.alarm;
        for place in 0..self.entries.places() {
            let Some(key) = self.entries.key_at(place) else { continue };
            let due = match self.entries.get_mut(key) {
                Some(Entry::Link(link)) => {
                    link.look(now.get(), host);
                    if link.due() <= now.get() {
                        link.expire(now.get(), host);
                        self.pulse.touch(key, link);
                        self.warm(key);
                    }
                    self.link(key).map_or(Time::NEVER, |link| link.due().min(link.look_due()))
                }
                Some(Entry::Handshaking { .. }) => self.expire_handshake(key, now, host),
                Some(Entry::Dialing(_)) => self.expire_dial(key, now, host),
                Some(Entry::TakingOver(_)) => self.pursue(key, now, host),
                None => Time::NEVER,
            };
            self.due = self.due.min(due);
        }
        for place in 0..self.listeners.places() {
            let Some(key) = self.listeners.key_at(place) else { continue };
            let Some(listener) = self.listeners.get_mut(key) else { continue };
            if listener.resume(now.get()) {
                self.poller.resume(&listener.socket, Source::Listener(key));
            }
            let (paused_until, check_at) = (listener.paused_until(), listener.maintenance.due());
            self.due = self.due.min(paused_until.unwrap_or(Time::NEVER)).min(check_at);
            #[cfg(not(target_family = "wasm"))]
            if check_at <= now.get() {
                self.check_files(key, now, host);
            }
        }
        self.tidy(now, host);
        if !self.throttled.is_empty() {
            self.relieve();
        }
    }

    /// Polls sleeping links although no bell has rung. Finding something once may mean that the
    /// peer is about to ring; finding it for long means that a wake-up was lost.
    fn poll_unrung(&mut self, now: Time) {
        let mut found = false;
        let mut lost = Vec::new();
        for (key, entry) in self.entries.iter_mut() {
            let Entry::Link(link) = entry else { continue };
            let has_something = !link.attention.is_hot() && link.poll();
            let Attention::Asleep { unrung_since } = &mut link.attention else { continue };
            if !has_something {
                *unrung_since = None;
                continue;
            }
            found = true;
            let since = *unrung_since.get_or_insert(now);
            if now.saturating_since(since) >= LOST_AFTER {
                lost.push(key);
            }
        }
        for key in lost {
            self.stats.lost_wakeups += 1;
            tracing::error!("a wake-up was lost");
            self.warm(key);
        }
        let last = BACKSTOPS.len() - 1;
        let fresh = std::mem::take(&mut self.backstop.fresh);
        self.backstop.due = if found {
            now + BACKSTOPS[0]
        } else if self.backstop.stage < last || fresh {
            self.backstop.stage = (self.backstop.stage + 1).min(last);
            now + BACKSTOPS[self.backstop.stage]
        } else {
            Time::NEVER
        };
    }
}
