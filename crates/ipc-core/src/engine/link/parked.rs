//! What has arrived and may not be delivered yet: requests that the application has no room for.
//!
//! Answers, items and control messages are read whatever is being worked on, because a handler may
//! wait for just those. A request in front of them is set aside in private memory, in the order of
//! its lane, and so is what comes behind it in the lane and has to stay behind it. What is set
//! aside is bounded; beyond that, and as long as nothing can lie behind it that anything waits for,
//! requests are left in their rings, where their author feels them.

use std::collections::{HashMap, VecDeque};

use super::{Carrier, Link, Reading};
use crate::engine::host::{BufferId, Event, Host, LinkId};
use crate::header::{Kind, frame_len};
use crate::limits::Lane;
use crate::session::Message;
use crate::time::Time;

/// What stands in a lane.
enum Entry {
    /// A whole message, in a buffer of the host's.
    Message(Message, BufferId),
    /// The peer gives a code another meaning, for what comes behind this.
    Name(u16, Box<str>),
    /// No more items go with a request that is set aside too.
    ItemsEnd(u64),
}

#[derive(Default)]
pub(super) struct Parked {
    lanes: [VecDeque<Entry>; Lane::ALL.len()],
    /// Requests among them that are still wanted, and whether each is a stream.
    requests: HashMap<u64, bool>,
    /// How many of those are no streams.
    plain: u32,
    /// Bytes they take.
    len: usize,
}

impl Parked {
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that are set aside.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Requests that are no streams.
    pub fn plain(&self) -> u32 {
        self.plain
    }

    fn push(&mut self, lane: usize, entry: Entry) {
        self.len += entry.cost();
        if let Entry::Message(Message { kind: Kind::Request, id, window, .. }, _) = entry {
            self.requests.insert(id, window.is_some());
            self.plain += u32::from(window.is_none());
        }
        self.lanes[lane].push_back(entry);
    }

    fn pop(&mut self, lane: usize) -> Option<Entry> {
        let entry = self.lanes[lane].pop_front()?;
        self.len -= entry.cost();
        if let Entry::Message(Message { kind: Kind::Request, id, .. }, _) = entry {
            self.forget(id);
        }
        Some(entry)
    }

    /// A request need not be worked on any more. Returns whether it was set aside: then the
    /// application does not know of it.
    pub fn forget(&mut self, id: u64) -> bool {
        let is_stream = self.requests.remove(&id);
        self.plain -= u32::from(is_stream == Some(false));
        is_stream.is_some()
    }

    /// The same, and it is reported to an application that knows of the request.
    pub fn report_abandoned(&mut self, link: LinkId, id: u64, host: &mut impl Host) {
        if !self.forget(id) {
            host.event(Event::Abandoned { link, id });
        }
    }

    /// The host's buffers of all messages.
    pub fn take_buffers(&mut self) -> impl Iterator<Item = BufferId> {
        let lanes = std::mem::take(self).lanes.into_iter().flatten();
        lanes.filter_map(|entry| match entry {
            Entry::Message(_, buffer) => Some(buffer),
            Entry::Name(..) | Entry::ItemsEnd(_) => None,
        })
    }
}

impl Entry {
    /// Bytes it takes.
    fn cost(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Message(message, _) => frame_len(message.len),
                Self::Name(_, name) => name.len(),
                Self::ItemsEnd(_) => 0,
            }
    }
}

impl<C: Carrier> Link<C> {
    /// Whether a whole message that has arrived on this ring has to be set aside.
    #[inline]
    pub(super) fn has_to_wait(&self, ring: usize, message: &Message) -> bool {
        (!self.reading.gate.delivers_all() || !self.reading.parked.is_empty())
            && self.has_to_wait_behind(ring, message)
    }

    #[cold]
    fn has_to_wait_behind(&self, ring: usize, message: &Message) -> bool {
        let Reading { gate, parked, .. } = &self.reading;
        let is_behind = !parked.lanes[ring].is_empty();
        match message.kind {
            Kind::Request => !gate.delivers_all() || is_behind,
            Kind::OneWay => gate.holds_events() || is_behind,
            Kind::RequestItem => parked.requests.contains_key(&message.id),
            _ => false,
        }
    }

    /// Sets a message aside that is in a buffer of the host's already.
    #[cold]
    pub(super) fn park(&mut self, ring: usize, message: Message, buffer: BufferId) {
        self.reading.parked.push(ring, Entry::Message(message, buffer));
    }

    /// A code has another meaning for what comes next in a lane.
    pub(super) fn named(&mut self, ring: usize, code: u16, host: &mut impl Host) {
        let lane = Lane::ALL[ring];
        let Some(name) = self.session.name(lane, code) else { return };
        if self.reading.parked.lanes[ring].is_empty() {
            host.event(Event::Named { link: self.id, lane, code, name });
        } else {
            let entry = Entry::Name(code, name.into());
            self.reading.parked.push(ring, entry);
        }
    }

    /// No more items go with a request of the peer.
    pub(super) fn items_ended(&mut self, ring: usize, id: u64, host: &mut impl Host) {
        if self.reading.parked.requests.contains_key(&id) {
            self.reading.parked.push(ring, Entry::ItemsEnd(id));
        } else {
            host.event(Event::ItemsEnd { link: self.id, id });
        }
    }

    /// Delivers the next of what was set aside, by priority, if it may be. Returns whether it did.
    #[cold]
    pub(super) fn deliver_parked(&mut self, host: &mut impl Host) -> bool {
        let gate = self.reading.gate;
        let may_go = |entry: &Entry| match entry {
            Entry::Message(Message { kind: Kind::Request, .. }, _) => gate.delivers_all(),
            Entry::Message(Message { kind: Kind::OneWay, .. }, _) => !gate.holds_events(),
            _ => true,
        };
        let ready = |lane: &VecDeque<Entry>| lane.front().is_some_and(may_go);
        let Some(ring) = self.reading.parked.lanes.iter().position(ready) else { return false };
        let Some(entry) = self.reading.parked.pop(ring) else { return false };
        match entry {
            Entry::Message(message, buffer) => self.deliver_late(&message, buffer, host),
            Entry::Name(code, name) => {
                let lane = Lane::ALL[ring];
                host.event(Event::Named { link: self.id, lane, code, name: &name });
            }
            Entry::ItemsEnd(id) if self.session.is_serving(id) => {
                host.event(Event::ItemsEnd { link: self.id, id });
            }
            Entry::ItemsEnd(_) => {}
        }
        true
    }

    fn deliver_late(&mut self, message: &Message, buffer: BufferId, host: &mut impl Host) {
        let is_wanted = message.kind == Kind::OneWay || self.session.is_serving(message.id);
        if is_wanted {
            host.finish(self.id, message, buffer);
        } else {
            host.discard(buffer);
        }
        self.session.delivered_as(message, Time::now);
    }
}
