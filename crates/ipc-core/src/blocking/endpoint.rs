//! What a blocking client and a blocking server have in common.

use std::borrow::Cow;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};

use super::{Answer, Change, Handler, Request, Stopper, Ticket};
use crate::engine::{Body, BufferId, Engine, Event, Host, LinkId, Sent};
use crate::error::{Code, Corrupt, Error, Result};
use crate::face::{Buffers, CallOptions, Calls, FaceOptions, Reply, Router};
use crate::header::{Codec, Kind};
use crate::remote_error::RemoteError;
use crate::session::{Draft, Ending, Message};
use crate::time::Time;

pub(super) struct Endpoint {
    pub engine: Engine,
    pub face: FaceOptions,
    desk: Desk,
    stop: Arc<OwnedFd>,
    stopped: bool,
}

/// What the engine is driven into. Handlers run while it is driven; what they answer is collected
/// here and sent afterwards.
struct Desk {
    router: Router<Box<Handler>>,
    calls: Calls<Waiting>,
    buffers: Buffers,
    /// What handlers answered, to be sent when the engine has been driven.
    answers: Vec<(LinkId, Draft, Vec<u8>)>,
    /// Connections that came and went and nobody has asked about yet.
    changes: Vec<Change>,
    /// One-way messages nobody handled.
    unhandled: u64,
    /// Something arrived since this was last set to false.
    busy: bool,
}

/// A request in flight.
struct Waiting {
    /// Where the answer goes.
    payload: Vec<u8>,
    outcome: Option<Result<Codec>>,
}

impl Endpoint {
    pub fn new(face: FaceOptions) -> Result<Self> {
        let stop = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|cause| Error::system("creating an event counter", cause))?;
        let desk = Desk {
            router: Router::new(),
            calls: Calls::new(),
            buffers: Buffers::default(),
            answers: Vec::new(),
            changes: Vec::new(),
            unhandled: 0,
            busy: false,
        };
        Ok(Self { engine: Engine::new()?, face, desk, stop: Arc::new(stop), stopped: false })
    }

    pub fn handle(&mut self, name: &str, handler: Box<Handler>) {
        self.desk.router.handle(name, handler);
    }

    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.stop))
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    pub fn changes(&mut self) -> impl Iterator<Item = Change> {
        self.desk.changes.drain(..)
    }

    /// The connections there are.
    pub fn links(&self) -> Vec<LinkId> {
        self.engine.links()
    }

    pub fn unhandled(&self) -> u64 {
        self.desk.unhandled
    }

    /// Sends a request and waits for its outcome; the answer replaces what is in `payload_out`.
    pub fn request(
        &mut self,
        link: LinkId,
        code: u16,
        payload: &[u8],
        options: &CallOptions,
        payload_out: &mut Vec<u8>,
    ) -> Result<Codec> {
        let waiting = Waiting { payload: std::mem::take(payload_out), outcome: None };
        let id = self.desk.calls.insert(waiting);
        let draft = Draft {
            kind: Kind::Request,
            lane: options.lane,
            codec: options.codec,
            code,
            id,
            timeout: Some(options.timeout.unwrap_or(self.face.timeout)),
            trace: options.trace,
        };
        let sent = self.engine.send(link, &draft, payload);
        self.engine.flush();
        let outcome = sent.and_then(|_| self.await_outcome(link, id));
        if let Some(waiting) = self.desk.calls.remove(id) {
            *payload_out = waiting.payload;
        }
        outcome
    }

    fn await_outcome(&mut self, link: LinkId, id: u64) -> Result<Codec> {
        loop {
            let outcome = self.desk.calls.get_mut(id).and_then(|waiting| waiting.outcome.take());
            if let Some(outcome) = outcome {
                return outcome;
            }
            if self.stopped {
                self.engine.cancel(link, id);
                return Err(Error::new(Code::Cancelled, "stopped while waiting for an answer"));
            }
            self.turn(Time::NEVER)?;
        }
    }

    /// Answers a request that was put off.
    pub fn answer(
        &mut self,
        ticket: &Ticket,
        answer: Result<&Reply, &RemoteError>,
    ) -> Result<Sent> {
        let (draft, payload) = match answer {
            Ok(reply) => (reply_draft(&ticket.message, reply.codec), Cow::from(&reply.payload)),
            Err(error) => (error_draft(&ticket.message), Cow::from(error.encode())),
        };
        let sent = send_answer(&mut self.engine, ticket.link, &draft, &payload);
        self.engine.flush();
        sent
    }

    /// Waits until nothing of a link waits for room in private memory any more.
    pub fn drain(&mut self, link: LinkId, until: Time) -> Result<()> {
        self.engine.flush();
        while self.engine.want_drain(link) {
            if self.stopped || !self.turn(until)? {
                return Err(Error::new(Code::Timeout, "the peer does not read"));
            }
        }
        Ok(())
    }

    /// Closes a link without waiting for anything.
    pub fn say_goodbye(&mut self, link: LinkId) {
        self.engine.close(link, &mut self.desk);
    }

    /// Closes a link in good order and waits until it is.
    pub fn close(&mut self, link: LinkId) -> Result<()> {
        self.say_goodbye(link);
        while self.engine.is_open(link) {
            self.turn(Time::NEVER)?;
        }
        Ok(())
    }

    /// Waits for something to happen, until then at most, and deals with it. Returns whether
    /// anything did.
    pub fn turn(&mut self, until: Time) -> Result<bool> {
        loop {
            if self.engine.linger(&self.face.patience, until) {
                self.engine.drive_hot(&mut self.desk);
                if self.settle() {
                    return Ok(true);
                }
            }
            self.engine.drive(&mut self.desk);
            if self.settle() || self.stopped {
                return Ok(true);
            }
            let now = Time::now();
            if now >= until {
                return Ok(false);
            }
            if self.engine.arm() {
                self.sleep(until.saturating_since(now))?;
            }
        }
    }

    /// Sends what the handlers answered. Returns whether anything arrived.
    fn settle(&mut self) -> bool {
        let Desk { answers, buffers, .. } = &mut self.desk;
        for (link, draft, payload) in answers.drain(..) {
            // Whoever asked may be gone by now, and hears of that in its own way.
            drop(send_answer(&mut self.engine, link, &draft, &payload));
            buffers.put(payload);
        }
        self.engine.flush();
        std::mem::take(&mut self.desk.busy)
    }

    fn sleep(&mut self, span: Duration) -> Result<()> {
        let mut fds =
            [PollFd::new(&self.engine, PollFlags::IN), PollFd::new(&*self.stop, PollFlags::IN)];
        // A span no clock can hold is for ever.
        let span = Timespec::try_from(span).ok();
        match rustix::event::poll(&mut fds, span.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(cause) => return Err(Error::system("waiting", cause)),
        }
        self.stopped |= fds[1].revents().contains(PollFlags::IN);
        Ok(())
    }
}

impl Desk {
    /// A whole message is in `payload`; what the buffer holds afterwards does not matter.
    fn arrived(&mut self, link: LinkId, message: &Message, payload: &mut Vec<u8>) {
        self.busy = true;
        if matches!(message.kind, Kind::Reply | Kind::Error) {
            if let Some(waiting) = self.calls.get_mut(message.id) {
                waiting.settle(message, payload);
            }
            return;
        }
        let handler = self.router.handler(link, message.code);
        if message.kind == Kind::OneWay && handler.is_none() {
            self.unhandled += 1;
            return;
        }
        let mut reply = Reply { codec: message.codec, payload: self.buffers.get() };
        reply.payload.clear();
        let request = Request { payload, message, link };
        let answer = run_handler(handler, &request, &mut reply);
        if message.kind == Kind::OneWay {
            return self.buffers.put(reply.payload);
        }
        match answer {
            Some(Ok(())) => {
                self.answers.push((link, reply_draft(message, reply.codec), reply.payload));
            }
            Some(Err(error)) => self.answers.push((link, error_draft(message), error.encode())),
            None => self.buffers.put(reply.payload),
        }
    }
}

impl Host for Desk {
    #[inline]
    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        // A buffer of the right length already is not zeroed first.
        let mut payload = self.buffers.get();
        payload.resize(body.len(), 0);
        let copied = body.copy_to(&mut payload);
        if copied.is_ok() {
            self.arrived(link, message, &mut payload);
        }
        self.buffers.put(payload);
        copied
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
            Event::Named { link, code, name } => self.router.named(link, code, name.into()),
            Event::Ended { id, ending, .. } => {
                if let Some(waiting) = self.calls.get_mut(id) {
                    waiting.outcome = Some(Err(ending.into()));
                }
            }
            Event::Connected { link, peer } | Event::Accepted { link, peer, .. } => {
                self.changes.push(Change::Connected(link, peer.clone()));
            }
            Event::Closed { link, error } => {
                self.router.forget(link);
                self.changes.push(Change::Closed(link, error));
            }
            Event::Abandoned { .. } | Event::Drained { .. } => {}
        }
    }
}

impl Waiting {
    fn settle(&mut self, message: &Message, payload: &mut Vec<u8>) {
        self.outcome = Some(if message.kind == Kind::Reply {
            std::mem::swap(&mut self.payload, payload);
            Ok(message.codec)
        } else {
            Err(Error::remote(RemoteError::decode(payload)))
        });
    }
}

impl From<Ending> for Error {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Timeout => Self::new(Code::Timeout, "no answer came in time"),
            Ending::Cancelled => Self::new(Code::Cancelled, "the caller cancelled"),
            Ending::PeerLost => Self::new(Code::PeerLost, "the peer went away before it answered"),
            Ending::Closed => Self::new(Code::Closed, "the connection was closed"),
        }
    }
}

/// Lets the handler answer; `None`: it will do so later. A handler that panics fails its request
/// and nothing else.
fn run_handler(
    handler: Option<&mut Box<Handler>>,
    request: &Request<'_>,
    reply: &mut Reply,
) -> Option<Result<(), RemoteError>> {
    let Some(handler) = handler else {
        let message = "nobody handles this method";
        return Some(Err(RemoteError::new(Code::UnknownMethod.as_str(), message)));
    };
    let run = std::panic::AssertUnwindSafe(|| handler(request, reply));
    match std::panic::catch_unwind(run) {
        Ok(Ok(Answer::Now)) => Some(Ok(())),
        Ok(Ok(Answer::Later)) => None,
        Ok(Err(error)) => Some(Err(error)),
        Err(_) => Some(Err(RemoteError::new(Code::Handler.as_str(), "the handler panicked"))),
    }
}

fn reply_draft(request: &Message, codec: Codec) -> Draft {
    Draft {
        kind: Kind::Reply,
        lane: request.lane,
        codec,
        code: request.code,
        id: request.id,
        timeout: None,
        trace: None,
    }
}

fn error_draft(request: &Message) -> Draft {
    Draft { kind: Kind::Error, ..reply_draft(request, Codec::MessagePack) }
}

fn send_answer(engine: &mut Engine, link: LinkId, draft: &Draft, payload: &[u8]) -> Result<Sent> {
    match engine.send(link, draft, payload) {
        // The answer cannot be sent, but the request still gets an outcome.
        Err(error) if error.code() == Code::TooLarge => {
            let error = RemoteError::new(error.code().as_str(), error.to_string());
            let draft = Draft { kind: Kind::Error, codec: Codec::MessagePack, ..*draft };
            engine.send(link, &draft, &error.encode())
        }
        sent => sent,
    }
}
