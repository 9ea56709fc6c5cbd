//! What the engine calls while it is driven: messages and events become records.

use ipc_core::{Body, BufferId, Corrupt, Event, Host, LinkId, Message, Readiness, Totals, route};

use super::{ARENA_FULL, Inbox, WAITING_MAX, WAITING_SYNC_MAX, is_answer, queued_at, standing_at};
use crate::arena::{Head, count, head_of, narrow};
use crate::describe::{describe, ending_code};
use crate::records::event::{
    EVENT_ABANDONED, EVENT_ACCEPTED, EVENT_CLOSED, EVENT_CONNECTED, EVENT_DRAINED, EVENT_DROPPED,
    EVENT_ENDED, EVENT_GRANTED, EVENT_IDLE, EVENT_ITEMS_END, EVENT_LEAVING, EVENT_LISTENING,
    EVENT_NAME_LOST, EVENT_NAMED, EVENT_PONG, EVENT_RESPONSIVE, EVENT_RETIRED, EVENT_TAKEN_OVER,
    EVENT_UNREAD, EVENT_UNREADABLE, EVENT_UNRESPONSIVE,
};
use crate::records::{LARGE, LINK_UNREAD, LINK_WORDS, RUN_WORDS};
use crate::sync_call::Outcome;

impl Host for Inbox {
    #[inline]
    fn accepts_packed(&mut self, _: LinkId, name: &str) -> bool {
        self.packed.contains(name)
    }

    #[inline]
    fn readiness(&mut self, link: LinkId) -> Readiness {
        let is_sync = self.sync.as_ref().is_some_and(|call| call.link == link);
        let is_first = !self.first_turns.is_empty() && !is_sync && self.first_turns.has(link);
        let max = if is_sync { WAITING_SYNC_MAX } else { WAITING_MAX };
        let is_full = !is_sync && self.arena_of(link).is_some_and(|it| it.used >= ARENA_FULL);
        let ready =
            self.waiting < max && self.has_run_for(link) && !is_first && !is_full && !self.closed;
        if !ready && !self.held_back.contains(&link) {
            self.held_back.push(link);
        }
        if ready { Readiness::All } else { Readiness::Nothing }
    }

    #[inline]
    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        let len = body.len();
        if len >= LARGE as usize {
            let payload = self.larges.take(link, len);
            if let Some(payload) = &payload {
                body.copy_to(payload.bytes_mut(0, len))?;
            }
            self.message_outside(link, message, payload, len);
            return Ok(());
        }
        if self.sync.is_some() && self.is_sync(link, message.id) && is_answer(message) {
            return self.sync_answer(message, body);
        }
        let head = head_of(message);
        let waiting = self.waiting;
        let Some(place) = self.place_message(link, head, message, len) else { return Ok(()) };
        let copied = body.copy_to(place);
        if copied.is_err() {
            self.take_back(link, waiting);
        }
        copied
    }

    #[inline]
    fn room_for_alike(&mut self, link: LinkId, message: &Message, len: usize) -> Option<&mut [u8]> {
        // One of the answers may be the one that is waited for.
        if self.sync.is_some() && is_answer(message) {
            return None;
        }
        let arena = self.make_room(link, len)?;
        Some(arena.memory.bytes_mut(arena.used, len))
    }

    #[inline]
    fn received_alike(&mut self, link: LinkId, message: &Message, len: usize) {
        if self.extend_run(link, len).is_some()
            && let Some(arena) = self.arena_of(link)
        {
            arena.write_alike(len, head_of(message));
        }
    }

    fn open(&mut self, link: LinkId, message: &Message) -> BufferId {
        self.larges.open(link, message.len)
    }

    fn fill(&mut self, buffer: BufferId, offset: usize, body: Body<'_>) -> Result<(), Corrupt> {
        self.larges.fill(buffer, offset, body)
    }

    fn finish(&mut self, link: LinkId, message: &Message, buffer: BufferId) {
        let payload = self.larges.close(buffer);
        self.message_outside(link, message, payload, message.len);
    }

    fn discard(&mut self, buffer: BufferId) {
        self.larges.close(buffer);
    }

    fn ended(&mut self, link: LinkId, totals: Totals) {
        self.ended.keep(link, totals);
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            #[cfg(not(target_family = "wasm"))]
            Event::Readable => self.look_around(),
            Event::Accepted { listener, link, peer } => {
                self.register(link, Head::event(EVENT_ACCEPTED).about(listener.0), peer);
            }
            Event::Listening { link, listener } => {
                self.record(link, Head::event(EVENT_LISTENING).about(listener.0), &[]);
            }
            Event::TakenOver { listener } => {
                self.record(LinkId(0), Head::event(EVENT_TAKEN_OVER).about(listener.0), &[]);
            }
            Event::Retired { listener } => {
                self.record(LinkId(0), Head::event(EVENT_RETIRED).about(listener.0), &[]);
            }
            Event::ListenerLost { listener, error } => {
                let head = Head::event(EVENT_NAME_LOST).about(listener.0);
                self.record(LinkId(0), head, describe(&error).as_bytes());
            }
            Event::Connected { link, peer } => {
                self.register(link, Head::event(EVENT_CONNECTED), peer);
            }
            Event::Named { link, lane, code, name } => {
                let head = Head::event(EVENT_NAMED).about(narrow(route(lane, code)));
                self.record(link, head, name.as_bytes());
            }
            Event::Ended { link, id, ending } if self.is_sync(link, id) => {
                self.settle_sync(Outcome::Ended(ending));
            }
            Event::Ended { link, id, ending } => {
                let head = Head::event(EVENT_ENDED).about(ending_code(ending)).with_id(id);
                self.record(link, head, &[]);
            }
            Event::Abandoned { link, id } => {
                self.record(link, Head::event(EVENT_ABANDONED).with_id(id), &[]);
            }
            Event::Granted { link, kind, id, granted } => {
                let head = Head::event(EVENT_GRANTED).about(kind as u32).with_id(id);
                self.record(link, head, &count(granted).to_ne_bytes());
            }
            Event::ItemsEnd { link, id } => {
                self.record(link, Head::event(EVENT_ITEMS_END).with_id(id), &[]);
            }
            Event::Sent { link, id, error } => self.sent(link, id, error.as_ref()),
            Event::Dropped { link, lane, count: dropped } => {
                let head = Head::event(EVENT_DROPPED).in_lane(lane);
                self.record(link, head, &count(dropped).to_ne_bytes());
            }
            Event::Unread { link, is_too_much } => {
                self.standing.set_word(standing_at(link, LINK_UNREAD), u32::from(is_too_much));
                if is_too_much {
                    self.record(link, Head::event(EVENT_UNREAD), &[]);
                }
            }
            Event::Unreadable { link, route, error } => {
                let head = Head::event(EVENT_UNREADABLE).about(narrow(route));
                self.record(link, head, describe(&error).as_bytes());
            }
            Event::Drained { link, lane } => {
                self.standing.set_word(queued_at(link, lane), 0);
                self.record(link, Head::event(EVENT_DRAINED).in_lane(lane), &[]);
            }
            other => self.event_of_peer(other),
        }
    }
}

impl Inbox {
    /// Whether the peer is there, and how it leaves.
    fn event_of_peer(&mut self, event: Event<'_>) {
        match event {
            Event::Pong { link, number, took } => {
                let ms = took.as_secs_f64() * 1e3;
                self.record(link, Head::event(EVENT_PONG).with_id(number), &ms.to_ne_bytes());
            }
            Event::Unresponsive { link } => self.note(link, EVENT_UNRESPONSIVE),
            Event::Responsive { link } => self.note(link, EVENT_RESPONSIVE),
            Event::Leaving { link } => self.note(link, EVENT_LEAVING),
            Event::Idle { link } => self.note(link, EVENT_IDLE),
            Event::Closed { link, error, undelivered } => {
                let [critical, high, normal, low] = undelivered;
                let reason = error.as_ref().map(describe).unwrap_or_default();
                let text = format!("{critical} {high} {normal} {low}\n{reason}");
                self.record(link, Head::event(EVENT_CLOSED), text.as_bytes());
                (0..LINK_WORDS).for_each(|word| self.standing.set_word(standing_at(link, word), 0));
            }
            _ => {}
        }
    }

    /// An event that is about its link and nothing else.
    fn note(&mut self, link: LinkId, event: u32) {
        self.record(link, Head::event(event), &[]);
    }

    /// The record put down last turned out to be broken: it is not shown to anyone.
    #[cold]
    fn take_back(&mut self, link: LinkId, waiting: usize) {
        self.waiting = waiting;
        let Some(arena) = self.arena_of(link) else { return };
        let start = arena.last;
        arena.used = start;
        let end = (self.run_count - 1) * RUN_WORDS as usize + 2;
        self.runs.set_word(end, narrow(start));
    }
}
