//! The host that the engine is driven with. No code of the application runs in here: what is to be
//! run or woken is collected in [`After`], and done once the lock is released.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use ipc_core::{
    Draft, Engine, Error, Event, Kind, Lane, LinkId, Message, Peer, RemoteError, Result, Time,
};

use super::events::Events;
use super::groups::{GroupId, Groups};
use super::in_flight::{Call, StreamEnd, Wire};
use super::job::{After, Cancelled, Job};
use super::line::{Line, line_of};
use super::spans::Name;
use super::waits::{Topic, Waits};
use crate::api::{
    Buffers, Calls, FlowKey, Flows, Reply, answer_draft, depart, send_answer, unknown_method,
};

pub(super) struct Dispatcher {
    pub groups: Groups,
    pub waits: Waits,
    pub after: After,
    /// One-way messages whose senders wait until they are written.
    pub sends: Calls<Option<Result<()>>>,
    pub calls: Calls<Call>,
    pub buffers: Buffers,
    /// Open connections, by their place in the engine.
    pub lines: Vec<Option<Line>>,
    /// Messages still to be handled of connections that are over.
    leftovers: HashMap<LinkId, Events>,
    pub flows: Flows<StreamEnd>,
    /// Requests without a handler.
    refusals: Vec<(LinkId, Message, RemoteError)>,
    /// Connections to be closed once nothing is in flight, of which there is news.
    pub departing: Vec<LinkId>,
    /// Clients that have come to a server which is about to leave.
    pub leaving: Vec<LinkId>,
    /// Clients whose session has begun or ended.
    pub changed: Vec<GroupId>,
    /// Nothing that waits for a session is late before this.
    pub due: Time,
    /// Something is due of which a driver that sleeps does not know.
    pub hurries: bool,
}

impl Dispatcher {
    pub fn new() -> Self {
        Self {
            groups: Groups::default(),
            waits: Waits::default(),
            after: After::default(),
            sends: Calls::new(),
            calls: Calls::new(),
            buffers: Buffers::default(),
            lines: Vec::new(),
            leftovers: HashMap::new(),
            flows: Flows::new(),
            refusals: Vec::new(),
            departing: Vec::new(),
            leaving: Vec::new(),
            changed: Vec::new(),
            due: Time::NEVER,
            hurries: false,
        }
    }

    pub fn line(&mut self, link: LinkId) -> Option<&mut Line> {
        line_of(&mut self.lines, link)
    }

    // ---- requests of ours ----

    /// A fresh id for a request, which it keeps whatever it is called on its connections.
    pub fn begin(&mut self) -> u64 {
        self.calls.insert(Call { wire: None, outcome: None, waker: None, lasting: None })
    }

    /// A request was sent.
    #[inline]
    pub fn begun(&mut self, id: u64, wire: Wire, is_stream: bool) {
        if let Some(call) = self.calls.get_mut(id) {
            call.wire = Some(wire);
        }
        if is_stream && let Some(flow) = self.flows.get(FlowKey::Ours(id)) {
            flow.with.wire = Some(wire);
        }
    }

    /// A request has ended on its connection. Returns which it was.
    #[inline]
    pub fn ended_on(&mut self, link: LinkId, wire_id: u64) -> Option<u64> {
        self.line(link)?.asked.remove(wire_id)
    }

    /// The end of a stream that has this id on its connection.
    pub fn end_on(&mut self, link: LinkId, is_ours: bool, wire_id: u64) -> Option<FlowKey> {
        if !is_ours {
            return Some(FlowKey::Served(link, wire_id));
        }
        self.line(link)?.asked.get_mut(wire_id).map(|id| FlowKey::Ours(*id))
    }

    /// The outcome of a request, once.
    pub fn take_outcome(&mut self, id: u64) -> Option<Result<Reply>> {
        let outcome = self.calls.get_mut(id)?.outcome.take()?;
        self.calls.remove(id);
        Some(outcome)
    }

    /// Registers the waker for the outcome. Returns the one it replaces, to be dropped without the
    /// lock.
    pub fn await_outcome(&mut self, id: u64, waker: Waker) -> Option<Waker> {
        match self.calls.get_mut(id) {
            Some(waiting) => waiting.waker.replace(waker),
            None => Some(waker),
        }
    }

    pub fn settle(&mut self, id: u64, outcome: Result<Reply>) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let wire = call.wire.take();
        if let Err(error) = &outcome {
            let group = match (wire, &call.lasting) {
                (Some(wire), _) => self.groups.of(wire.link).map(|(_, group)| group),
                (None, Some(lasting)) => self.groups.find(lasting.client),
                (None, None) => None,
            };
            if let Some(group) = group {
                group.errors.count(error.code());
            }
        }
        let key = FlowKey::Ours(id);
        if self.flows.contains(key) {
            self.calls.remove(id);
            return self.end_flow(key, outcome);
        }
        // It waits nowhere any more, and its client may be gone before anyone takes the outcome:
        // another may then have the same number.
        call.lasting = None;
        call.outcome = Some(outcome);
        self.after.wakers.extend(call.waker.take());
    }

    // ---- streams ----

    /// The other side's items have ended.
    pub fn end_flow(&mut self, key: FlowKey, outcome: Result<Reply>) {
        let waiting = self.flows.end(key, outcome);
        self.after.wakers.extend(waiting.into_iter().flat_map(StreamEnd::take));
    }

    // ---- requests of the peer ----

    /// Answers a request, unless its connection is over.
    pub fn answer(
        &mut self,
        engine: &mut Engine,
        link: LinkId,
        request: &Message,
        outcome: Result<Reply, RemoteError>,
    ) {
        let Some(line) = self.line(link) else { return };
        line.serving.remove(&request.id);
        // A caller that is gone by now needs no answer.
        drop(match outcome {
            Ok(reply) => send_answer(engine, link, &answer_draft(request, &reply), &reply.payload),
            Err(error) => send_answer(engine, link, &Draft::error(request), &error.encode()),
        });
    }

    /// Answers the requests without a handler.
    pub fn send_refusals(&mut self, engine: &mut Engine) {
        for (link, request, error) in self.refusals.drain(..) {
            drop(send_answer(engine, link, &Draft::error(&request), &error.encode()));
        }
    }

    // ---- whether peers are there ----

    /// The number of the last ping that was answered, and how long that took.
    pub fn last_pong(&mut self, link: LinkId) -> Option<(u64, Duration)> {
        self.line(link)?.pong
    }

    /// Closes a connection once nothing is in flight.
    pub fn close_when_idle(&mut self, link: LinkId) {
        if let Some(line) = self.line(link) {
            line.closes_when_idle = true;
            self.departing.push(link);
        }
    }

    /// Leaves clients of servers that leave, and closes connections that are to be closed and on
    /// which nothing is in flight.
    #[inline]
    pub fn depart(&mut self, engine: &mut Engine) {
        for link in self.leaving.drain(..) {
            engine.leave(link);
        }
        if !self.departing.is_empty() {
            let departing = std::mem::take(&mut self.departing);
            depart(engine, self, departing);
        }
    }

    /// A peer was found to be there or not, or is about to leave.
    pub fn peer_changed(&mut self, link: LinkId, event: &Event<'_>) {
        match event {
            Event::Pong { number, took, .. } => {
                if let Some(line) = self.line(link) {
                    line.pong = Some((*number, *took));
                }
            }
            Event::Leaving { .. } => self.close_when_idle(link),
            _ => {}
        }
        if let Some((id, group)) = self.groups.of(link) {
            match (event, &mut group.client) {
                (Event::Leaving { .. }, Some(client)) => {
                    client.server_leaves(link, Time::now());
                    self.changed.push(id);
                }
                (Event::Leaving { .. }, None) => group.changes.leaving(link),
                (Event::Unresponsive { .. }, None) => group.changes.turned(link, true),
                (Event::Responsive { .. }, None) => group.changes.turned(link, false),
                _ => {}
            }
            self.wake(Topic::Group(id));
        }
        self.wake(Topic::Link(link));
    }

    // ---- one-way messages ----

    /// Moves the next one-way messages of a connection to `batch`. False: there are none.
    pub fn next_events(&mut self, engine: &mut Engine, link: LinkId, batch: &mut Vec<Job>) -> bool {
        if let Some(line) = self.line(link) {
            let more = line.events.next_batch(batch);
            self.read_on(engine, link);
            return more;
        }
        let Some(events) = self.leftovers.get_mut(&link) else { return false };
        let more = events.next_batch(batch);
        if !more {
            self.leftovers.remove(&link);
        }
        more
    }

    /// A connection that is not read because too much waits here is read again if that has changed.
    fn read_on(&mut self, engine: &mut Engine, link: LinkId) {
        let Some(line) = self.line(link) else { return };
        if line.events.is_full && line.events.has_room() {
            line.events.is_full = false;
            engine.resume(link);
        }
    }

    /// This side closes a connection: nothing that came on it is handled any more.
    pub fn hang_up(&mut self, link: LinkId) {
        if let Some(line) = self.line(link) {
            let hung_up = line.hung_up.clone();
            self.after.cancelled.push(hung_up);
        }
    }

    /// Wakes all tasks that wait for a topic.
    pub fn wake(&mut self, topic: Topic) {
        self.waits.wake(topic, &mut self.after.wakers);
    }

    /// The engine is not driven any more: wakes every task that waits.
    pub fn end(&mut self) {
        self.waits.wake_all(&mut self.after.wakers);
    }

    // ---- what came ----

    pub fn arrived(&mut self, link: LinkId, message: &Message, payload: Vec<u8>) {
        let outcome = match message.kind {
            Kind::Reply => Ok(Reply { codec: message.codec, payload, ..Reply::default() }),
            Kind::Error => Err(Error::remote(RemoteError::received(message.codec, &payload))),
            Kind::RequestItem | Kind::ReplyItem => {
                let is_ours = message.kind == Kind::ReplyItem;
                let Some(key) = self.end_on(link, is_ours, message.id) else { return };
                let waiting = self.flows.push(key, message.codec, payload);
                return self.after.wakers.extend(waiting.and_then(|wakers| wakers.reader.take()));
            }
            _ => return self.dispatch(link, message, payload),
        };
        if let Some(id) = self.ended_on(link, message.id) {
            self.settle(id, outcome);
        }
    }

    fn dispatch(&mut self, link: LinkId, message: &Message, payload: Vec<u8>) {
        if message.kind == Kind::OneWay {
            return self.deliver(link, message, payload);
        }
        let Self { groups, lines, after, .. } = self;
        let Some((_, group)) = groups.of(link) else { return };
        let name = Name::of(|| group.router.name(link, message));
        let Some(handler) = group.router.handler(link, message) else {
            // The peer may give its code another meaning before this is answered.
            let error = unknown_method(group.router.name(link, message));
            return self.refusals.push((link, *message, error));
        };
        if let Some(line) = line_of(lines, link) {
            let cancelled = Cancelled::default();
            let handler = Arc::clone(handler);
            let job = line.job(handler, name, message, payload, cancelled.clone());
            line.serving.insert(message.id, cancelled);
            if message.window.is_some() {
                let wire = Some(Wire { link, id: message.id });
                let end = StreamEnd { wire, ..StreamEnd::default() };
                self.flows.open(FlowKey::Served(link, message.id), end);
            }
            after.requests.push(job);
        }
    }

    /// Queues a one-way message for its handler and its listeners.
    fn deliver(&mut self, link: LinkId, message: &Message, payload: Vec<u8>) {
        let Self { groups, lines, after, .. } = self;
        let Some((_, group)) = groups.of(link) else { return };
        let Some(line) = line_of(lines, link) else { return };
        let name = Name::of(|| group.router.name(link, message));
        let mut last = group.router.handler(link, message).map(|handler| Arc::clone(handler));
        if let Some(listeners) = group.router.listeners(link, message) {
            for listener in listeners.iter() {
                if let Some(handler) = last.replace(Arc::clone(&listener.handler)) {
                    line.queue(handler, name.clone(), message, payload.clone(), after);
                }
            }
            let ended = listeners.extract_if(.., |listener| listener.once);
            after.discarded.extend(ended.map(|listener| listener.handler));
        }
        match last {
            Some(handler) => line.queue(handler, name, message, payload, after),
            None => group.unhandled += 1,
        }
    }

    pub fn opened(&mut self, link: LinkId, peer: &Peer) {
        let Some((id, group)) = self.groups.of(link) else { return };
        group.opened += 1;
        match &mut group.client {
            None => group.changes.came(link, peer.clone()),
            Some(client) => {
                client.opened(link, peer, Time::now());
                self.changed.push(id);
            }
        }
        let place = link.place();
        if place >= self.lines.len() {
            self.lines.resize_with(place + 1, || None);
        }
        self.lines[place] = Some(Line::new(link, peer));
        self.wake(Topic::Group(id));
    }

    pub fn closed(
        &mut self,
        link: LinkId,
        error: Option<Error>,
        undelivered: [u64; Lane::ALL.len()],
    ) {
        let line = self.lines.get_mut(link.place());
        if let Some(line) = line.and_then(|line| line.take_if(|line| line.link == link))
            && line.events.is_handled
        {
            self.leftovers.insert(link, line.events);
        }
        if let Some((id, group)) = self.groups.of(link) {
            group.router.forget(link);
            match &mut group.client {
                None => group.changes.went(link, error),
                Some(client) => {
                    client.ended(link, error, undelivered, Time::now());
                    self.changed.push(id);
                }
            }
            self.groups.release(link);
            self.wake(Topic::Group(id));
        }
        self.wake(Topic::Link(link));
    }
}
