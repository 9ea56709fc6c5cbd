//! The host that the engine of a blocking client or server is driven with.

use ipc_core::{
    ALIKE_LEN_MAX, Body, BufferId, Codec, Corrupt, Draft, Engine, Error, Event, Host, Kind, LinkId,
    ListenerId, Message, Peer, Readiness, RemoteError, Result, take_frame,
};

use super::sources::{Items, Sources};
use super::{Answer, Request};
use crate::api::{
    Buffers, Calls, Changes, FlowKey, Flows, Reply, Router, answer_draft, panicked, send_answer,
    unknown_method,
};

/// A handler of the application whose type is erased.
pub(super) type Handler =
    dyn FnMut(&Request<'_>, &mut Reply) -> Result<Outcome, RemoteError> + Send;

/// What a handler has done about a request.
pub(super) enum Outcome {
    Answered(Answer),
    /// Its items are sent from now on, and its answer behind them.
    #[cfg_attr(not(feature = "typed"), expect(dead_code, reason = "only typed streams have them"))]
    Items(Items),
}

/// Handlers run while the engine is driven; what they answer is collected here and sent afterwards.
pub(super) struct Dispatcher {
    pub router: Router<Box<Handler>>,
    pub calls: Calls<Waiting>,
    /// The same by the ids that they have on their connections, by the places of those.
    asked: Vec<(LinkId, Calls<u64>)>,
    pub flows: Flows<()>,
    /// Requests of the peers that are answered by the items of iterators.
    pub sources: Sources,
    buffers: Buffers,
    /// One-way messages that are alike and came together, as frames.
    alike: Vec<u8>,
    /// What handlers answered, to be sent when the engine has been driven.
    answers: Vec<(LinkId, Draft, Vec<u8>)>,
    /// Connections that opened and ended, and that the application has not asked for yet.
    pub changes: Changes,
    /// One-way messages without a handler.
    pub unhandled: u64,
    /// One-way messages whose sender waits until they are written.
    pub sends: Calls<Option<Result<()>>>,
    /// Connections of which there is news, and whose peers are leaving.
    pub departing: Vec<LinkId>,
    /// What serves a name that was to be taken over.
    pub listening: Option<ListenerId>,
    /// No client will come any more through the listener that was retired.
    pub is_retired: bool,
    /// Something arrived since this was last set to false.
    pub busy: bool,
    /// Messages are taken: a client has been handed over, and may have its handlers by now.
    pub is_begun: bool,
}

/// What a request is called.
#[derive(Clone, Copy)]
pub(super) struct Ids {
    /// Among all requests of ours.
    pub ours: u64,
    /// On its connection, which agrees by itself on how many there may be.
    pub wire: u64,
}

/// A request in flight.
pub(super) struct Waiting {
    /// Where the answer goes.
    pub payload: Vec<u8>,
    pub outcome: Option<Result<Codec>>,
}

impl Dispatcher {
    pub fn new() -> Self {
        Self {
            router: Router::new(),
            calls: Calls::new(),
            asked: Vec::new(),
            flows: Flows::new(),
            sources: Sources::default(),
            buffers: Buffers::default(),
            alike: vec![0; ALIKE_LEN_MAX],
            answers: Vec::new(),
            changes: Changes::default(),
            unhandled: 0,
            sends: Calls::new(),
            departing: Vec::new(),
            listening: None,
            is_retired: false,
            busy: false,
            is_begun: false,
        }
    }

    /// A buffer that is not needed any more.
    pub fn recycle(&mut self, payload: Vec<u8>) {
        self.buffers.put(payload);
    }

    /// Sends what the handlers answered.
    #[inline]
    pub fn send_answers(&mut self, engine: &mut Engine) {
        for (link, draft, payload) in self.answers.drain(..) {
            // A caller that is gone by now needs no answer.
            drop(send_answer(engine, link, &draft, &payload));
            self.buffers.put(payload);
        }
    }

    // ---- requests of ours ----

    /// Fresh ids for a request whose answer goes into this buffer.
    #[inline]
    pub fn begin(&mut self, link: LinkId, payload: Vec<u8>) -> Ids {
        let ours = self.calls.insert(Waiting { payload, outcome: None });
        // A connection that is over has none, and takes no request either.
        let wire = self.asked_on(link).map_or(0, |asked| asked.insert(ours));
        Ids { ours, wire }
    }

    /// Requests over this connection.
    #[inline]
    fn asked_on(&mut self, link: LinkId) -> Option<&mut Calls<u64>> {
        let (of, asked) = self.asked.get_mut(link.place())?;
        (*of == link).then_some(asked)
    }

    /// A request has ended on its connection, or is given up. Returns which it was.
    #[inline]
    fn ended_on(&mut self, link: LinkId, wire: u64) -> Option<u64> {
        self.asked_on(link)?.remove(wire)
    }

    /// Ends a request. Returns what has become of it.
    #[inline]
    pub fn conclude(&mut self, link: LinkId, ids: Ids) -> Option<Waiting> {
        self.ended_on(link, ids.wire);
        self.calls.remove(ids.ours)
    }

    // ---- what came ----

    /// There is a connection. What it has in the place of an earlier one begins anew.
    fn opened(&mut self, link: LinkId, peer: &Peer) {
        let place = link.place();
        if place >= self.asked.len() {
            self.asked.resize_with(place + 1, || (link, Calls::new()));
        }
        self.asked[place] = (link, Calls::new());
        self.changes.came(link, peer.clone());
    }

    /// A whole message is in `payload`; what the buffer holds afterwards does not matter.
    fn arrived(&mut self, link: LinkId, message: &Message, payload: &mut Vec<u8>) {
        self.busy = true;
        match message.kind {
            Kind::Reply | Kind::Error => return self.answered(link, message, payload),
            Kind::RequestItem => {
                let key = FlowKey::Served(link, message.id);
                self.flows.push(key, message.codec, std::mem::take(payload));
                return;
            }
            Kind::ReplyItem => {
                let asked = self.asked_on(link).and_then(|asked| asked.get_mut(message.id));
                if let Some(&mut id) = asked {
                    self.flows.push(FlowKey::Ours(id), message.codec, std::mem::take(payload));
                }
                return;
            }
            _ => {}
        }
        let (codec, free) = (message.codec, self.buffers.get());
        let mut reply = Reply { codec, payload: free, ..Reply::default() };
        reply.payload.clear();
        let request = Request { payload, message, link };
        if message.kind == Kind::OneWay {
            self.deliver(&request, &mut reply);
            return self.buffers.put(reply.payload);
        }
        let answer = match self.router.handler(link, message) {
            Some(handler) => run_handler(handler, &request, &mut reply),
            None => Err(unknown_method(self.router.name(link, message))),
        };
        match answer {
            Ok(Outcome::Answered(Answer::Now)) => {
                self.answers.push((link, answer_draft(message, &reply), reply.payload));
                return;
            }
            Ok(Outcome::Answered(Answer::Later)) => {
                if message.window.is_some() {
                    self.flows.open(FlowKey::Served(link, message.id), ());
                }
            }
            Ok(Outcome::Items(items)) => self.sources.open(link, message, items),
            Err(error) => self.answers.push((link, Draft::error(message), error.encode())),
        }
        self.buffers.put(reply.payload);
    }

    /// Calls the handler and the listeners of a one-way message. A panic of one does not concern
    /// the others, and what they write is dropped.
    fn deliver(&mut self, request: &Request<'_>, reply: &mut Reply) {
        let (link, message) = (request.link, request.message);
        let handler = self.router.handler(link, message);
        let mut is_heard = handler.is_some();
        if let Some(handler) = handler {
            drop(run_handler(handler, request, reply));
        }
        if let Some(listeners) = self.router.listeners(link, message) {
            is_heard |= !listeners.is_empty();
            listeners.retain_mut(|listener| {
                drop(run_handler(&mut listener.handler, request, reply));
                !listener.once
            });
        }
        self.unhandled += u64::from(!is_heard);
    }

    fn answered(&mut self, link: LinkId, message: &Message, payload: &mut Vec<u8>) {
        let Some(id) = self.ended_on(link, message.id) else { return };
        let Some(waiting) = self.calls.get_mut(id) else { return };
        waiting.settle(message, payload);
        self.settled(id);
    }

    /// The outcome of a stream of ours is kept for its reader.
    fn settled(&mut self, id: u64) {
        let key = FlowKey::Ours(id);
        if !self.flows.contains(key) {
            return;
        }
        if let Some(Waiting { payload, outcome: Some(outcome) }) = self.calls.remove(id) {
            self.flows.end(key, outcome.map(|codec| Reply { codec, payload, ..Reply::default() }));
        }
    }
}

impl Host for Dispatcher {
    #[inline]
    fn readiness(&mut self, _: LinkId) -> Readiness {
        if self.is_begun { Readiness::All } else { Readiness::Nothing }
    }

    fn accepts_packed(&mut self, _: LinkId, name: &str) -> bool {
        self.router.accepts_packed(name)
    }

    #[inline]
    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        let mut payload = self.buffers.get_of(body.len());
        let copied = body.copy_to(&mut payload);
        if copied.is_ok() {
            self.arrived(link, message, &mut payload);
        }
        self.buffers.put(payload);
        copied
    }

    #[inline]
    fn room_for_alike(&mut self, _: LinkId, message: &Message, len: usize) -> Option<&mut [u8]> {
        // The payloads of all others are kept, each by itself.
        if message.kind != Kind::OneWay {
            return None;
        }
        self.alike.get_mut(..len)
    }

    fn received_alike(&mut self, link: LinkId, message: &Message, len: usize) {
        self.busy = true;
        let (alike, free) = (std::mem::take(&mut self.alike), self.buffers.get());
        let mut reply = Reply { codec: message.codec, payload: free, ..Reply::default() };
        let mut frames = &alike[..len];
        while let Some((id, payload)) = take_frame(&mut frames) {
            let message = &Message { id, len: payload.len(), ..*message };
            reply.payload.clear();
            self.deliver(&Request { payload, message, link }, &mut reply);
        }
        self.buffers.put(reply.payload);
        self.alike = alike;
    }

    fn open(&mut self, _: LinkId, message: &Message) -> BufferId {
        self.buffers.open(message.len)
    }

    fn fill(&mut self, buffer: BufferId, offset: usize, body: Body<'_>) -> Result<(), Corrupt> {
        self.buffers.fill(buffer, offset, body)
    }

    fn finish(&mut self, link: LinkId, message: &Message, buffer: BufferId) {
        let mut payload = self.buffers.close(buffer);
        self.arrived(link, message, &mut payload);
        self.buffers.put(payload);
    }

    fn discard(&mut self, buffer: BufferId) {
        let payload = self.buffers.close(buffer);
        self.buffers.put(payload);
    }

    fn event(&mut self, event: Event<'_>) {
        self.busy = true;
        match event {
            Event::Named { link, lane, code, name } => {
                self.router.named(link, lane, code, name.into());
            }
            Event::Ended { link, id, ending } => {
                let Some(id) = self.ended_on(link, id) else { return };
                if let Some(waiting) = self.calls.get_mut(id) {
                    waiting.outcome = Some(Err(ending.into()));
                    self.settled(id);
                }
            }
            Event::Abandoned { link, id } => {
                self.flows.forget(FlowKey::Served(link, id));
                self.sources.wake();
            }
            Event::ItemsEnd { link, id } => {
                self.flows.end(FlowKey::Served(link, id), Ok(Reply::default()));
            }
            Event::Listening { listener, .. } => self.listening = Some(listener),
            Event::Retired { .. } => self.is_retired = true,
            Event::TakenOver { .. } => self.changes.taken_over(),
            Event::ListenerLost { error, .. } => self.changes.lost_name(error),
            Event::Connected { link, peer } | Event::Accepted { link, peer, .. } => {
                self.opened(link, peer);
            }
            Event::Closed { link, error, .. } => {
                self.router.forget(link);
                self.sources.wake();
                self.changes.went(link, error);
            }
            Event::Sent { id, error, .. } => {
                if let Some(outcome) = self.sends.get_mut(id) {
                    *outcome = Some(error.map_or(Ok(()), Err));
                }
            }
            Event::Unreadable { .. } => self.unhandled += 1,
            Event::Granted { .. } | Event::Drained { .. } => self.sources.wake(),
            Event::Unresponsive { link } => self.changes.turned(link, true),
            Event::Responsive { link } => self.changes.turned(link, false),
            Event::Leaving { link } => {
                self.changes.leaving(link);
                self.departing.push(link);
            }
            Event::Idle { link } => self.departing.push(link),
            Event::Dropped { .. } | Event::Unread { .. } | Event::Pong { .. } | Event::Readable => {
            }
        }
    }
}

impl Waiting {
    fn settle(&mut self, message: &Message, payload: &mut Vec<u8>) {
        self.outcome = Some(if message.kind == Kind::Reply {
            std::mem::swap(&mut self.payload, payload);
            Ok(message.codec)
        } else {
            Err(Error::remote(RemoteError::received(message.codec, payload)))
        });
    }
}

/// Lets the handler do its work. A handler that panics fails its request and nothing else.
fn run_handler(
    handler: &mut Handler,
    request: &Request<'_>,
    reply: &mut Reply,
) -> Result<Outcome, RemoteError> {
    let run = std::panic::AssertUnwindSafe(|| handler(request, reply));
    std::panic::catch_unwind(run).unwrap_or_else(|_| Err(panicked()))
}
