//! What the engine of an asynchronous client or server is driven into. Nothing of the application's
//! runs in here: what is to be run or woken is collected, and done when the lock is released.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;

use ipc_core::{
    Body, BufferId, Corrupt, Draft, Ending, Engine, Error, Event, Host, Kind, LinkId, Message,
    Peer, Readiness, RemoteError, Result,
};

use super::events::{self, Events};
use super::handler::{Handler, Handlers, Job};
use super::request::Cancellation;
use super::shared::Shared;
use super::stream::Wakers;
use crate::api::{
    Buffers, Calls, Changes, FlowKey, Flows, Reply, Router, answer_draft, send_answer,
    unknown_method,
};

pub(super) struct Dispatcher {
    pub router: Router<Handler>,
    pub changes: Changes,
    pub after: After,
    /// One-way messages nobody handled.
    pub unhandled: u64,
    /// One-way messages somebody waits for to be sent.
    pub sends: Calls<Option<Result<()>>>,
    calls: Calls<Waiting>,
    buffers: Buffers,
    /// Open connections, by their place in the engine.
    lines: Vec<Option<Line>>,
    /// What is still to be handled of connections that are over.
    leftovers: HashMap<LinkId, Events>,
    pub flows: Flows<Wakers>,
    /// Requests nobody handles.
    refusals: Vec<(LinkId, Message, RemoteError)>,
}

/// A request of ours.
pub(super) struct Waiting {
    link: LinkId,
    outcome: Option<Result<Reply>>,
    waker: Option<Waker>,
}

/// An open connection.
struct Line {
    link: LinkId,
    peer: Arc<Peer>,
    /// Requests of the peer that are being handled.
    serving: HashMap<u64, Cancellation>,
    events: Events,
    /// This side has closed the connection.
    hung_up: Cancellation,
}

/// What is to be done when the lock has been released.
#[derive(Default)]
pub(super) struct After {
    requests: Vec<Job>,
    events: Vec<LinkId>,
    wakers: Vec<Waker>,
    cancelled: Vec<Cancellation>,
    /// Handlers that are called no more, and may hold handles.
    discarded: Vec<Handler>,
    changed: bool,
}

impl After {
    /// Does it, and leaves nothing to be done.
    pub fn run(&mut self, shared: &Arc<Shared>) {
        for job in self.requests.drain(..) {
            shared.runtime.spawn(job.serve(Arc::clone(shared)));
        }
        for link in self.events.drain(..) {
            shared.runtime.spawn(events::handle(Arc::clone(shared), link));
        }
        self.cancelled.drain(..).for_each(|cancellation| cancellation.cancel());
        self.discarded.clear();
        self.wakers.drain(..).for_each(Waker::wake);
        if std::mem::take(&mut self.changed) {
            shared.changed.notify_waiters();
        }
    }
}

impl Dispatcher {
    pub fn new(handlers: Handlers) -> Self {
        Self {
            router: handlers.0,
            changes: Changes::default(),
            after: After::default(),
            unhandled: 0,
            sends: Calls::new(),
            calls: Calls::new(),
            buffers: Buffers::default(),
            lines: Vec::new(),
            leftovers: HashMap::new(),
            flows: Flows::new(),
            refusals: Vec::new(),
        }
    }

    fn line(&mut self, link: LinkId) -> Option<&mut Line> {
        line_of(&mut self.lines, link)
    }

    // ---- requests of ours ----

    /// A fresh id for a request.
    pub fn begin(&mut self, link: LinkId) -> u64 {
        self.calls.insert(Waiting { link, outcome: None, waker: None })
    }

    /// The outcome of a request, once.
    pub fn take_outcome(&mut self, id: u64) -> Option<Result<Reply>> {
        let outcome = self.calls.get_mut(id)?.outcome.take()?;
        self.calls.remove(id);
        Some(outcome)
    }

    /// Whom to wake when there is an outcome. Returns who is not to be woken any more.
    pub fn await_outcome(&mut self, id: u64, waker: Waker) -> Option<Waker> {
        match self.calls.get_mut(id) {
            Some(waiting) => waiting.waker.replace(waker),
            None => Some(waker),
        }
    }

    /// Nobody waits for a request any more. Returns what is to be dropped without the lock.
    pub fn forget(&mut self, id: u64) -> Option<Waiting> {
        self.calls.remove(id)
    }

    fn settle(&mut self, id: u64, outcome: Result<Reply>) {
        let Some(waiting) = self.calls.get_mut(id) else { return };
        let key = FlowKey { link: waiting.link, ours: true, id };
        if self.flows.contains(key) {
            self.forget(id);
            return self.end_flow(key, outcome);
        }
        waiting.outcome = Some(outcome);
        self.after.wakers.extend(waiting.waker.take());
    }

    // ---- streams ----

    /// The other side's items have ended.
    fn end_flow(&mut self, key: FlowKey, outcome: Result<Reply>) {
        let waiting = self.flows.end(key, outcome);
        self.after.wakers.extend(waiting.into_iter().flat_map(Wakers::take));
    }

    // ---- requests of the peer ----

    /// Answers a request, unless nobody waits for the answer any more.
    pub fn answer(
        &mut self,
        engine: &mut Engine,
        link: LinkId,
        request: &Message,
        outcome: Result<Reply, RemoteError>,
    ) {
        let Some(line) = self.line(link) else { return };
        line.serving.remove(&request.id);
        // Whoever asked may be gone by now, and hears of that in its own way.
        drop(match outcome {
            Ok(reply) => send_answer(engine, link, &answer_draft(request, &reply), &reply.payload),
            Err(error) => send_answer(engine, link, &Draft::error(request), &error.encode()),
        });
    }

    /// Answers the requests nobody handles.
    pub fn send_refusals(&mut self, engine: &mut Engine) {
        for (link, request, error) in self.refusals.drain(..) {
            drop(send_answer(engine, link, &Draft::error(&request), &error.encode()));
        }
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

    /// Nobody drives any more: whoever waits is to look.
    pub fn end(&mut self) {
        self.after.changed = true;
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
            return self.tell(link, message, payload);
        }
        let Self { router, lines, after, .. } = self;
        let Some(handler) = router.handler(link, message) else {
            // The peer may give its code another meaning before this is answered.
            let error = unknown_method(router.name(link, message));
            return self.refusals.push((link, *message, error));
        };
        if let Some(line) = line_of(lines, link) {
            let cancellation = Cancellation::default();
            let handler = Arc::clone(handler);
            let job = line.job(handler, message, payload, cancellation.clone());
            line.serving.insert(message.id, cancellation);
            if message.window.is_some() {
                self.flows.open(FlowKey::served(link, message.id));
            }
            after.requests.push(job);
        }
    }

    /// Puts a one-way message behind the others, for everybody who wants to hear of it.
    fn tell(&mut self, link: LinkId, message: &Message, payload: Vec<u8>) {
        let Self { router, lines, after, unhandled, .. } = self;
        let Some(line) = line_of(lines, link) else { return };
        let mut last = router.handler(link, message).map(|handler| Arc::clone(handler));
        if let Some(listeners) = router.listeners(link, message) {
            for listener in listeners.iter() {
                if let Some(handler) = last.replace(Arc::clone(&listener.handler)) {
                    line.tell(handler, message, payload.clone(), after);
                }
            }
            let ended = listeners.extract_if(.., |listener| listener.once);
            after.discarded.extend(ended.map(|listener| listener.handler));
        }
        match last {
            Some(handler) => line.tell(handler, message, payload, after),
            None => *unhandled += 1,
        }
    }

    fn opened(&mut self, link: LinkId, peer: &Peer) {
        let place = link.place();
        if place >= self.lines.len() {
            self.lines.resize_with(place + 1, || None);
        }
        self.lines[place] = Some(Line {
            link,
            peer: Arc::new(peer.clone()),
            serving: HashMap::new(),
            events: Events::default(),
            hung_up: Cancellation::default(),
        });
        self.changes.came(link, peer.clone());
        self.after.changed = true;
    }

    fn closed(&mut self, link: LinkId, error: Option<Error>) {
        self.router.forget(link);
        let line = self.lines.get_mut(link.place());
        if let Some(line) = line.and_then(|line| line.take_if(|line| line.link == link))
            && line.events.is_handled
        {
            self.leftovers.insert(link, line.events);
        }
        self.changes.went(link, error);
        self.after.changed = true;
    }
}

fn line_of(lines: &mut [Option<Line>], link: LinkId) -> Option<&mut Line> {
    lines.get_mut(link.place())?.as_mut().filter(|line| line.link == link)
}

impl Line {
    fn job(
        &self,
        handler: Handler,
        message: &Message,
        payload: Vec<u8>,
        cancellation: Cancellation,
    ) -> Job {
        let (link, peer) = (self.link, Arc::clone(&self.peer));
        Job { handler, payload, message: *message, link, peer, cancellation }
    }

    /// Puts a one-way message behind the others.
    fn tell(&mut self, handler: Handler, message: &Message, payload: Vec<u8>, after: &mut After) {
        let job = self.job(handler, message, payload, self.hung_up.clone());
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

    fn accepts_packed(&mut self, name: &str) -> bool {
        self.router.accepts_packed(name)
    }

    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        let mut payload = vec![0; body.len()];
        body.copy_to(&mut payload)?;
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

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Named { link, lane, code, name } => {
                self.router.named(link, lane, code, name.into());
            }
            Event::Ended { id, ending, .. } => self.settle(id, Err(ending.into())),
            Event::Abandoned { link, id } => {
                let cancelled = self.line(link).and_then(|line| line.serving.remove(&id));
                self.after.cancelled.extend(cancelled);
                self.end_flow(FlowKey::served(link, id), Err(Ending::Cancelled.into()));
            }
            Event::ItemsEnd { link, id } => {
                self.end_flow(FlowKey::served(link, id), Ok(Reply::default()));
            }
            Event::Granted { link, kind, id, .. } => {
                let flow = self.flows.get(FlowKey::of_sender(link, kind, id));
                self.after.wakers.extend(flow.and_then(|flow| flow.waiting.writer.take()));
            }
            Event::Sent { id, error, .. } => {
                if let Some(outcome) = self.sends.get_mut(id) {
                    *outcome = Some(error.map_or(Ok(()), Err));
                    self.after.changed = true;
                }
            }
            Event::ListenerLost { error, .. } => {
                self.changes.lost_name(error);
                self.after.changed = true;
            }
            Event::Connected { link, peer } | Event::Accepted { link, peer, .. } => {
                self.opened(link, peer);
            }
            Event::Closed { link, error } => self.closed(link, error),
            Event::Unreadable { .. } => self.unhandled += 1,
            Event::Dropped { .. } | Event::Unread { .. } => {}
            Event::Drained { link, .. } => {
                let waiting = self.flows.of_link(link);
                self.after.wakers.extend(waiting.filter_map(|wakers| wakers.writer.take()));
                self.after.changed = true;
            }
        }
    }
}
