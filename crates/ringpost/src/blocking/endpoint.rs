//! What a blocking client and a blocking server have in common.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::{
    Code, Codec, Corrupt, Draft, Engine, Error, Host, LinkId, ListenerId, RemoteError, Result,
    Sent, StopSignal, Time, WaitPolicy,
};

use super::dispatcher::{Dispatcher, Handler, Ids, Outcome};
use super::in_place::InPlace;
use super::{Answer, Change, Request, Stopper, Ticket};
use crate::api::{
    Arrival, CallOptions, FlowKey, Reply, Subscription, Turns, answer_draft, closed_at_once,
    depart, send_answer,
};

pub(super) struct Endpoint {
    pub engine: Engine,
    /// When a request is given up unless it says otherwise.
    pub timeout: Duration,
    wait_policy: WaitPolicy,
    pub dispatcher: Dispatcher,
    turns: Turns,
    stop: Arc<StopSignal>,
    stopped: bool,
}

impl Endpoint {
    pub fn new(timeout: Duration, wait_policy: WaitPolicy) -> Result<Self> {
        let (engine, stop) = (Engine::new()?, Arc::new(StopSignal::new()?));
        let (dispatcher, turns) = (Dispatcher::new(), Turns::default());
        Ok(Self { engine, timeout, wait_policy, dispatcher, turns, stop, stopped: false })
    }

    pub fn handle<H>(&mut self, name: &str, mut handler: H)
    where
        H: FnMut(&Request<'_>, &mut Reply) -> Result<Answer, RemoteError> + Send + 'static,
    {
        self.serve(
            name,
            Box::new(move |request, reply| handler(request, reply).map(Outcome::Answered)),
        );
    }

    pub fn serve(&mut self, name: &str, handler: Box<Handler>) {
        self.dispatcher.router.handle(name, handler);
    }

    pub fn listen<L>(&mut self, event: &str, once: bool, mut listener: L) -> Subscription
    where
        L: FnMut(&Request<'_>) + Send + 'static,
    {
        let handler = move |request: &Request<'_>, _: &mut Reply| {
            listener(request);
            Ok(Outcome::Answered(Answer::Now))
        };
        self.dispatcher.router.listen(event, once, Box::new(handler))
    }

    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.stop))
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    pub fn changes(&mut self) -> impl Iterator<Item = Change> {
        std::iter::from_fn(|| self.dispatcher.changes.next())
    }

    /// The connections there are.
    pub fn links(&self) -> Vec<LinkId> {
        self.engine.links()
    }

    pub fn unhandled(&self) -> u64 {
        self.dispatcher.unhandled
    }

    /// Sends a request and waits for its outcome; the answer replaces what is in `payload_out`.
    pub fn request(
        &mut self,
        link: LinkId,
        code: u32,
        payload: &[u8],
        options: &CallOptions,
        payload_out: &mut Vec<u8>,
    ) -> Result<Codec> {
        let ids = self.begin(link, payload_out);
        let draft = options.request(code, ids.wire, self.timeout);
        let sent = self.engine.send(link, &draft, payload);
        self.engine.flush();
        self.conclude(link, ids, sent.map(drop), payload_out)
    }

    /// Fresh ids for a request whose answer will replace what is in `payload_out`.
    pub fn begin(&mut self, link: LinkId, payload_out: &mut Vec<u8>) -> Ids {
        self.dispatcher.begin(link, std::mem::take(payload_out))
    }

    /// Waits for the outcome of a request that was sent, or could not be.
    pub fn conclude(
        &mut self,
        link: LinkId,
        ids: Ids,
        sent: Result<()>,
        payload_out: &mut Vec<u8>,
    ) -> Result<Codec> {
        let outcome = sent.and_then(|()| self.await_outcome(link, ids));
        if let Some(waiting) = self.dispatcher.conclude(link, ids) {
            *payload_out = waiting.payload;
        }
        outcome
    }

    fn await_outcome(&mut self, link: LinkId, ids: Ids) -> Result<Codec> {
        loop {
            let waiting = self.dispatcher.calls.get_mut(ids.ours);
            let outcome = waiting.and_then(|waiting| waiting.outcome.take());
            if let Some(outcome) = outcome {
                return outcome;
            }
            if self.stopped {
                self.engine.cancel(link, ids.wire);
                return Err(Error::new(Code::Cancelled, "stopped while waiting for an answer"));
            }
            self.turn(Time::NEVER)?;
        }
    }

    /// Sends a one-way message, and waits until it is written or its lane has dropped it.
    pub fn send(&mut self, link: LinkId, draft: &Draft, payload: &[u8]) -> Result<()> {
        let id = self.dispatcher.sends.insert(None);
        let sent = self.engine.send(link, &Draft { id, ..*draft }, payload);
        self.engine.flush();
        let outcome = sent.and_then(|sent| match sent {
            Sent::Queued => self.await_sent(id),
            Sent::Dropped => Err(Error::dropped()),
            _ => Ok(()),
        });
        self.dispatcher.sends.remove(id);
        outcome
    }

    fn await_sent(&mut self, id: u64) -> Result<()> {
        loop {
            if let Some(outcome) = self.dispatcher.sends.get_mut(id).and_then(Option::take) {
                return outcome;
            }
            if self.stopped {
                return Err(Error::new(Code::Cancelled, "stopped while waiting for room"));
            }
            self.turn(Time::NEVER)?;
        }
    }

    /// Answers a request later than its handler.
    pub fn answer(
        &mut self,
        ticket: &Ticket,
        answer: Result<&Reply, &RemoteError>,
    ) -> Result<Sent> {
        let (draft, payload) = match answer {
            Ok(reply) => (answer_draft(&ticket.message, reply), Cow::from(&reply.payload)),
            Err(error) => (Draft::error(&ticket.message), Cow::from(error.encode())),
        };
        let sent = send_answer(&mut self.engine, ticket.link, &draft, &payload);
        self.engine.flush();
        self.dispatcher.flows.forget(FlowKey::Served(ticket.link, ticket.message.id));
        sent
    }

    /// Whether the caller still waits for this answer.
    pub fn is_awaited(&mut self, ticket: &Ticket) -> bool {
        self.engine.read_cancels(ticket.link, &mut self.dispatcher);
        self.engine.is_serving(ticket.link, ticket.message.id)
    }

    /// Waits until nothing of a link waits for room in private memory any more.
    pub fn drain(&mut self, link: LinkId, until: Time) -> Result<()> {
        self.engine.flush();
        let dropped = self.engine.link_stats(link).map(|stats| stats.dropped);
        while self.engine.want_drain_all(link) {
            if self.stopped || !self.turn(until)? {
                return Err(Error::new(Code::Timeout, "the peer does not read"));
            }
        }
        // Nothing waits either where it was lost with its connection.
        let Some(stats) = self.engine.link_stats(link) else {
            return Err(Error::new(Code::Closed, "the connection is over"));
        };
        if Some(stats.dropped) == dropped { Ok(()) } else { Err(Error::dropped()) }
    }

    /// Waits until a name is served that is being taken over.
    pub fn listening(&mut self, link: LinkId) -> Result<ListenerId> {
        loop {
            self.turn(Time::NEVER)?;
            if let Some(listener) = self.dispatcher.listening.take() {
                return Ok(listener);
            }
            match self.dispatcher.changes.next() {
                Some(Change::Closed(_, error)) => {
                    return Err(error.unwrap_or_else(closed_at_once));
                }
                _ if self.engine.is_open(link) => {}
                _ => return Err(closed_at_once()),
            }
        }
    }

    /// Messages are taken from now on.
    pub fn begin_reading(&mut self) {
        self.dispatcher.is_begun = true;
        for link in self.engine.links() {
            self.engine.resume(link);
        }
    }

    /// Payloads of this name may come compressed.
    pub fn accept_compressed(&mut self, name: &str) {
        self.dispatcher.router.accept_packed(name);
    }

    /// Closes a link without waiting for anything.
    pub fn say_goodbye(&mut self, link: LinkId) {
        self.engine.close(link, &mut self.dispatcher);
    }

    /// Closes a link gracefully and waits until it is over.
    pub fn close(&mut self, link: LinkId) -> Result<()> {
        self.say_goodbye(link);
        while self.engine.is_open(link) {
            self.turn(Time::NEVER)?;
        }
        Ok(())
    }

    /// Leaves all peers without waiting for anything.
    pub fn leave_now(&mut self) {
        for link in self.links() {
            self.engine.leave_now(link, &mut self.dispatcher);
        }
    }

    /// Leaves all peers, and waits until the links are over.
    pub fn close_all(&mut self) -> Result<()> {
        let links = self.links();
        self.leave_now();
        while links.iter().any(|link| self.engine.is_open(*link)) {
            self.turn(Time::NEVER)?;
        }
        Ok(())
    }

    /// Gives the name up, announces to all peers that this side is about to leave, and goes on
    /// until they have closed their connections, or until then at most.
    pub fn leave_all(&mut self, listener: ListenerId, until: Time) -> Result<()> {
        // One that was stopped goes on for this long.
        (self.stop, self.stopped) = (Arc::new(StopSignal::new()?), false);
        self.engine.retire_listener(listener, &mut self.dispatcher);
        loop {
            // Some are let in, and not connected yet.
            let is_last = self.dispatcher.is_retired;
            for link in self.links() {
                self.engine.leave(link);
            }
            if is_last {
                break;
            }
            if !self.turn(until)? || Time::now() >= until {
                return Ok(());
            }
        }
        while !self.links().is_empty() && self.turn(until)? && Time::now() < until {}
        Ok(())
    }

    /// Waits for something to happen, until then at most, and deals with it. Returns whether
    /// anything did.
    #[inline]
    pub fn turn(&mut self, until: Time) -> Result<bool> {
        self.turn_by(until, |reach, turns, engine, dispatcher| {
            reach.drive(turns, engine, dispatcher)
        })
    }

    /// The same, with one-way messages shown to `read` where they lie.
    pub fn turn_in_place(
        &mut self,
        until: Time,
        mut read: impl FnMut(Arrival<'_>) -> Result<(), Corrupt>,
    ) -> Result<bool> {
        self.turn_by(until, |reach, turns, engine, dispatcher| {
            reach.drive(turns, engine, &mut InPlace { dispatcher, read: &mut read });
        })
    }

    #[inline]
    fn turn_by(
        &mut self,
        until: Time,
        mut drive: impl FnMut(Reach, &mut Turns, &mut Engine, &mut Dispatcher),
    ) -> Result<bool> {
        loop {
            if self.dispatcher.sources.is_due() || self.engine.spin(&self.wait_policy, until) {
                drive(Reach::Hot, &mut self.turns, &mut self.engine, &mut self.dispatcher);
                if self.settle() {
                    return Ok(true);
                }
            }
            drive(Reach::All, &mut self.turns, &mut self.engine, &mut self.dispatcher);
            if self.settle() || self.stopped {
                return Ok(true);
            }
            let now = Time::now();
            if now >= until {
                return Ok(false);
            }
            if self.engine.arm() {
                let span = until.saturating_since(now);
                self.stopped |= self.engine.sleep(Some(&self.stop), span)?;
            }
        }
    }

    /// Sends what the handlers answered, and items of the streams they serve. Returns whether
    /// anything arrived, or there is more to send.
    fn settle(&mut self) -> bool {
        self.dispatcher.send_answers(&mut self.engine);
        if self.dispatcher.sources.is_due() {
            self.dispatcher.busy |= self.dispatcher.sources.send_some(&mut self.engine);
        }
        if !self.dispatcher.departing.is_empty() {
            let departing = std::mem::take(&mut self.dispatcher.departing);
            depart(&mut self.engine, &mut self.dispatcher, departing);
        }
        self.engine.flush();
        std::mem::take(&mut self.dispatcher.busy)
    }
}

/// How much of an engine to drive.
#[derive(Clone, Copy)]
enum Reach {
    Hot,
    All,
}

impl Reach {
    #[inline]
    fn drive(self, turns: &mut Turns, engine: &mut Engine, host: &mut impl Host) {
        match self {
            Self::Hot => turns.drive_hot(engine, host),
            Self::All => turns.drive(engine, host),
        };
    }
}
