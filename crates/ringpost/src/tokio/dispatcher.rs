//! The host that the engine is driven with. No code of the application runs in here: what is to be
//! run or woken is collected in [`After`], and done once the lock is released.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use ipc_core::{
    Body, BufferId, Corrupt, Draft, Ending, Engine, Error, Event, Host, Kind, Lane, LinkId,
    Message, Peer, Readiness, RemoteError, Result, Time, Totals,
};

use super::events::Events;
use super::groups::{GroupId, Groups};
use super::in_flight::{Call, StreamEnd};
use super::job::{Cancelled, Handler, Job};
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
    buffers: Buffers,
    /// Open connections, by their place in the engine.
    lines: Vec<Option<Line>>,
    /// Messages still to be handled of connections that are over.
    leftovers: HashMap<LinkId, Events>,
    pub flows: Flows<StreamEnd>,
    /// Requests without a handler.
    refusals: Vec<(LinkId, Message, RemoteError)>,
    /// Connections to be closed once nothing is in flight, of which there is news.
    departing: Vec<LinkId>,
    /// Clients whose session has begun or ended.
    pub changed: Vec<GroupId>,
    /// Nothing that waits for a session is late before this.
    pub due: Time,
    /// Something is due of which a driver that sleeps does not know.
    pub hurries: bool,
}

/// An open connection.
struct Line {
    link: LinkId,
    peer: Arc<Peer>,
    /// Requests of the peer that are being handled.
    serving: HashMap<u64, Cancelled>,
    events: Events,
    /// This side has closed the connection.
    hung_up: Cancelled,
    /// The last answer to a ping.
    pong: Option<(u64, Duration)>,
    /// It is closed once nothing is in flight.
    closes_when_idle: bool,
}

/// What is to be done when the lock has been released.
#[derive(Default)]
pub(super) struct After {
    pub requests: Vec<Job>,
    pub events: Vec<LinkId>,
    pub wakers: Vec<Waker>,
    pub cancelled: Vec<Cancelled>,
    /// Handlers that are called no more, and may hold handles.
    pub discarded: Vec<Handler>,
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
            changed: Vec::new(),
            due: Time::NEVER,
            hurries: false,
        }
    }

    fn line(&mut self, link: LinkId) -> Option<&mut Line> {
        line_of(&mut self.lines, link)
    }

    // ---- requests of ours ----

    /// A fresh id for a request.
    pub fn begin(&mut self, link: Option<LinkId>) -> u64 {
        self.calls.insert(Call { link, outcome: None, waker: None, lasting: None })
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
        if let Err(error) = &outcome {
            let group = match (call.link, &call.lasting) {
                (Some(link), _) => self.groups.of(link).map(|(_, group)| group),
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
        call.outcome = Some(outcome);
        self.after.wakers.extend(call.waker.take());
    }

    // ---- streams ----

    /// The other side's items have ended.
    fn end_flow(&mut self, key: FlowKey, outcome: Result<Reply>) {
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

    /// Closes connections that are to be closed and on which nothing is in flight.
    #[inline]
    pub fn depart(&mut self, engine: &mut Engine) {
        if !self.departing.is_empty() {
            let departing = std::mem::take(&mut self.departing);
            depart(engine, self, departing);
        }
    }

    /// A peer was found to be there or not, or is about to leave.
    fn peer_changed(&mut self, link: LinkId, event: &Event<'_>) {
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
            match event {
                Event::Unresponsive { .. } => group.changes.turned(link, true),
                Event::Responsive { .. } => group.changes.turned(link, false),
                Event::Leaving { .. } => group.changes.leaving(link),
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

    fn arrived(&mut self, link: LinkId, message: &Message, payload: Vec<u8>) {
        match message.kind {
            Kind::Reply => self.settle(
                message.id,
                Ok(Reply { codec: message.codec, payload, ..Reply::default() }),
            ),
            Kind::Error => {
                let error = RemoteError::received(message.codec, &payload);
                self.settle(message.id, Err(Error::remote(error)));
            }
            Kind::RequestItem | Kind::ReplyItem => {
                let waiting = self.flows.push(link, message, payload);
                self.after.wakers.extend(waiting.and_then(|wakers| wakers.reader.take()));
            }
            _ => self.dispatch(link, message, payload),
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
                let end = StreamEnd { link: Some(link), ..StreamEnd::default() };
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

    fn opened(&mut self, link: LinkId, peer: &Peer) {
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
        self.lines[place] = Some(Line {
            link,
            peer: Arc::new(peer.clone()),
            serving: HashMap::new(),
            events: Events::default(),
            hung_up: Cancelled::default(),
            pong: None,
            closes_when_idle: false,
        });
        self.wake(Topic::Group(id));
    }

    fn closed(&mut self, link: LinkId, error: Option<Error>, undelivered: [u64; Lane::ALL.len()]) {
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
                    client.ended(error, undelivered, Time::now());
                    self.changed.push(id);
                }
            }
            self.groups.release(link);
            self.wake(Topic::Group(id));
        }
        self.wake(Topic::Link(link));
    }
}

fn line_of(lines: &mut [Option<Line>], link: LinkId) -> Option<&mut Line> {
    lines.get_mut(link.place())?.as_mut().filter(|line| line.link == link)
}

impl Line {
    fn job(
        &self,
        handler: Handler,
        name: Name,
        message: &Message,
        payload: Vec<u8>,
        cancelled: Cancelled,
    ) -> Job {
        let (link, peer) = (self.link, Arc::clone(&self.peer));
        Job { handler, name, payload, message: *message, link, peer, cancelled }
    }

    /// Puts a one-way message behind the others.
    fn queue(
        &mut self,
        handler: Handler,
        name: Name,
        message: &Message,
        payload: Vec<u8>,
        after: &mut After,
    ) {
        let job = self.job(handler, name, message, payload, self.hung_up.clone());
        if self.events.push(job) {
            after.events.push(self.link);
        }
    }
}

impl Host for Dispatcher {
    #[inline]
    fn readiness(&mut self, link: LinkId) -> Readiness {
        let Some(line) = self.line(link) else { return Readiness::All };
        line.events.is_full = !line.events.has_room();
        // A handler may wait for an answer, which is read whatever waits here.
        if line.events.is_full { Readiness::Answers } else { Readiness::All }
    }

    fn accepts_packed(&mut self, link: LinkId, name: &str) -> bool {
        self.groups.of(link).is_some_and(|(_, group)| group.router.accepts_packed(name))
    }

    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        let mut payload = Vec::with_capacity(body.len());
        body.append_to(&mut payload)?;
        self.arrived(link, message, payload);
        Ok(())
    }

    fn open(&mut self, _: LinkId, message: &Message) -> BufferId {
        self.buffers.open(message.len)
    }

    fn fill(&mut self, buffer: BufferId, offset: usize, body: Body<'_>) -> Result<(), Corrupt> {
        self.buffers.fill(buffer, offset, body)
    }

    fn finish(&mut self, link: LinkId, message: &Message, buffer: BufferId) {
        let payload = self.buffers.close(buffer);
        self.arrived(link, message, payload);
    }

    fn discard(&mut self, buffer: BufferId) {
        drop(self.buffers.close(buffer));
    }

    fn ended(&mut self, link: LinkId, totals: Totals) {
        if let Some((_, group)) = self.groups.of(link) {
            group.ended.add(&totals);
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Named { link, lane, code, name } => {
                if let Some((_, group)) = self.groups.of(link) {
                    group.router.named(link, lane, code, name.into());
                }
            }
            Event::Ended { link, id, ending } => {
                if ending != Ending::PeerLost || !self.outlives(link, id) {
                    self.settle(id, Err(ending.into()));
                }
            }
            Event::Abandoned { link, id } => {
                let cancelled = self.line(link).and_then(|line| line.serving.remove(&id));
                self.after.cancelled.extend(cancelled);
                self.end_flow(FlowKey::Served(link, id), Err(Ending::Cancelled.into()));
            }
            Event::ItemsEnd { link, id } => {
                self.end_flow(FlowKey::Served(link, id), Ok(Reply::default()));
            }
            Event::Granted { link, kind, id, .. } => {
                let flow = self.flows.get(FlowKey::of_sender(link, kind, id));
                self.after.wakers.extend(flow.and_then(|flow| flow.with.writer.take()));
            }
            Event::Listening { link, listener } => {
                if let Some((id, group)) = self.groups.of(link) {
                    group.listener = Some(listener);
                    self.groups.release(link);
                    self.wake(Topic::Group(id));
                }
            }
            Event::TakenOver { listener } => {
                if let Some((id, group)) = self.groups.listening(listener) {
                    group.changes.taken_over();
                    self.wake(Topic::Group(id));
                }
            }
            Event::Sent { id, error, .. } => self.was_sent(id, error.map_or(Ok(()), Err)),
            Event::ListenerLost { listener, error } => {
                if let Some((id, group)) = self.groups.listening(listener) {
                    group.changes.lost_name(error);
                    self.wake(Topic::Group(id));
                }
            }
            Event::Accepted { listener, link, peer } => {
                if let Some((id, _)) = self.groups.listening(listener) {
                    self.groups.adopt(link, id);
                    self.opened(link, peer);
                }
            }
            Event::Connected { link, peer } => self.opened(link, peer),
            Event::Closed { link, error, undelivered } => self.closed(link, error, undelivered),
            Event::Unreadable { link, .. } => {
                if let Some((_, group)) = self.groups.of(link) {
                    group.unhandled += 1;
                }
            }
            Event::Dropped { .. } | Event::Unread { .. } => {}
            Event::Pong { link, .. }
            | Event::Unresponsive { link }
            | Event::Responsive { link }
            | Event::Leaving { link } => self.peer_changed(link, &event),
            Event::Idle { link } => {
                if self.line(link).is_some_and(|line| line.closes_when_idle) {
                    self.departing.push(link);
                }
            }
            Event::Drained { link, .. } => {
                let ends = self.flows.all().filter(|end| end.link == Some(link));
                self.after.wakers.extend(ends.filter_map(|end| end.writer.take()));
                self.wake(Topic::Link(link));
            }
        }
    }
}
