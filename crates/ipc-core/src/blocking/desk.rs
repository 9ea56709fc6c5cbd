//! What the engine of a blocking client or server is driven into.

use super::{Answer, Handler, Request};
use crate::engine::{Body, BufferId, Engine, Event, Host, LinkId};
use crate::error::{Corrupt, Error, Result};
use crate::face::{
    Buffers, Calls, Changes, Reply, Router, error_draft, panicked, reply_draft, send_answer,
    unknown_method,
};
use crate::header::{Codec, Kind};
use crate::remote_error::RemoteError;
use crate::session::{Draft, Message};

/// Handlers run while the engine is driven; what they answer is collected here and sent afterwards.
pub(super) struct Desk {
    pub router: Router<Box<Handler>>,
    pub calls: Calls<Waiting>,
    buffers: Buffers,
    /// What handlers answered, to be sent when the engine has been driven.
    answers: Vec<(LinkId, Draft, Vec<u8>)>,
    /// Connections that came and went and nobody has asked about yet.
    pub changes: Changes,
    /// One-way messages nobody handled.
    pub unhandled: u64,
    /// Something arrived since this was last set to false.
    pub busy: bool,
}

/// A request in flight.
pub(super) struct Waiting {
    /// Where the answer goes.
    pub payload: Vec<u8>,
    pub outcome: Option<Result<Codec>>,
}

impl Desk {
    pub fn new() -> Self {
        Self {
            router: Router::new(),
            calls: Calls::new(),
            buffers: Buffers::default(),
            answers: Vec::new(),
            changes: Changes::default(),
            unhandled: 0,
            busy: false,
        }
    }

    /// Sends what the handlers answered.
    #[inline]
    pub fn send_answers(&mut self, engine: &mut Engine) {
        for (link, draft, payload) in self.answers.drain(..) {
            // Whoever asked may be gone by now, and hears of that in its own way.
            drop(send_answer(engine, link, &draft, &payload));
            self.buffers.put(payload);
        }
    }

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
        let mut payload = self.buffers.get_of(body.len());
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
                self.changes.came(link, peer.clone());
            }
            Event::Closed { link, error } => {
                self.router.forget(link);
                self.changes.went(link, error);
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

/// Lets the handler answer; `None`: it will do so later. A handler that panics fails its request
/// and nothing else.
fn run_handler(
    handler: Option<&mut Box<Handler>>,
    request: &Request<'_>,
    reply: &mut Reply,
) -> Option<Result<(), RemoteError>> {
    let Some(handler) = handler else {
        return Some(Err(unknown_method()));
    };
    let run = std::panic::AssertUnwindSafe(|| handler(request, reply));
    match std::panic::catch_unwind(run) {
        Ok(Ok(Answer::Now)) => Some(Ok(())),
        Ok(Ok(Answer::Later)) => None,
        Ok(Err(error)) => Some(Err(error)),
        Err(_) => Some(Err(panicked())),
    }
}
