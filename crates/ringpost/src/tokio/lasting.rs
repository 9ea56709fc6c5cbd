//! Requests, streams and one-way messages of clients, which may outlive a session: what waits for
//! one, and what is sent again on the next.

use std::time::Duration;

use ipc_core::{Code, Draft, Engine, Error, LinkId, Result, Sent, Time};

use super::away::Waiting;
use super::dispatcher::Dispatcher;
use super::groups::{GroupId, To};
use super::in_flight::{Call, Lasting, StreamEnd, Wire};
use super::line::line_of;
use super::sessions::{ClientState, Sessions};
use super::waits::Topic;
use crate::api::FlowKey;

/// The shortest time that a request can have.
const TIMEOUT_MIN: Duration = Duration::from_micros(1);

fn closed() -> Error {
    Error::new(Code::Closed, "the connection is over")
}

/// Whether a connection was lost, rather than that it refused something.
fn is_loss(error: &Error) -> bool {
    matches!(error.code(), Code::PeerLost | Code::Closed)
}

impl Dispatcher {
    fn client(&mut self, group: GroupId) -> Option<&mut Sessions> {
        self.groups.find(group)?.client.as_deref_mut()
    }

    /// Where a message can be sent now; `None`: it has to wait. The error: it may not.
    #[inline]
    fn route(&mut self, to: To) -> Result<Option<LinkId>> {
        let group = match to {
            To::Link(link) => return Ok(Some(link)),
            To::Client(group) => group,
        };
        let Some(client) = self.client(group) else { return Err(closed()) };
        match client.session() {
            None => client.check_waits().map(|()| None),
            session => Ok(session),
        }
    }

    /// The client whose next session a message waits for that could not be sent.
    fn waits_for(&mut self, to: To, error: &Error) -> Option<GroupId> {
        let To::Client(group) = to else { return None };
        let client = self.client(group).filter(|_| is_loss(error))?;
        (client.has_another() && client.check_waits().is_ok()).then_some(group)
    }

    // ---- requests and streams ----

    /// Sends a request, or lets it wait. Returns its id.
    pub fn ask(
        &mut self,
        engine: &mut Engine,
        to: To,
        is_repeated: bool,
        payload: &[u8],
        draft: Draft,
    ) -> Result<u64> {
        let link = self.route(to)?;
        let id = self.begin();
        let is_stream = draft.window.is_some();
        if is_stream {
            self.flows.open(FlowKey::Ours(id), StreamEnd::default());
        }
        let asked = match (link, to) {
            (Some(link), To::Client(client)) if is_repeated => {
                self.keep(client, id, draft, payload, is_repeated);
                self.start(engine, link, id)
            }
            (Some(link), _) => match self.post(engine, link, id, draft, payload) {
                Ok(wire) => {
                    self.begun(id, wire, is_stream);
                    return Ok(id);
                }
                Err(error) => match self.waits_for(to, &error) {
                    None => Err(error),
                    Some(client) => {
                        self.keep(client, id, draft, payload, is_repeated);
                        self.wait(id)
                    }
                },
            },
            (None, To::Client(client)) => {
                self.keep(client, id, draft, payload, is_repeated);
                self.wait(id)
            }
            (None, To::Link(_)) => Err(closed()),
        };
        if asked.is_err() {
            self.calls.remove(id);
            self.flows.forget(FlowKey::Ours(id));
        }
        asked.map(|()| id)
    }

    /// Sends a request over this connection.
    #[inline]
    fn post(
        &mut self,
        engine: &mut Engine,
        link: LinkId,
        id: u64,
        draft: Draft,
        payload: &[u8],
    ) -> Result<Wire> {
        let line = self.line(link).ok_or_else(closed)?;
        line.ask(engine, id, draft, payload)
    }

    /// Keeps what it takes to send a request later.
    fn keep(&mut self, client: GroupId, id: u64, draft: Draft, payload: &[u8], is_repeated: bool) {
        let deadline = draft.timeout.map_or(Time::NEVER, |timeout| Time::now() + timeout);
        let payload = payload.to_vec();
        let (was_sent, place) = (false, 0);
        let lasting = Lasting { client, draft, payload, deadline, is_repeated, was_sent, place };
        if let Some(call) = self.calls.get_mut(id) {
            call.lasting = Some(Box::new(lasting));
        }
    }

    /// Lets a request wait for a session.
    fn wait(&mut self, id: u64) -> Result<()> {
        let Self { calls, groups, flows, .. } = self;
        let Some(call) = calls.get_mut(id) else { return Ok(()) };
        call.wire = None;
        if let Some(flow) = flows.get(FlowKey::Ours(id)) {
            // What was not read yet belongs to a window that is gone.
            flow.with.stale = flow.counts().1;
            flow.with.wire = None;
        }
        let Some(lasting) = &mut call.lasting else { return Err(closed()) };
        let client = groups.find(lasting.client).and_then(|group| group.client.as_mut());
        let Some(client) = client else { return Err(closed()) };
        let (len, deadline) = (lasting.payload.len(), lasting.deadline);
        lasting.place = client.away.add_request(id, len, deadline)?;
        self.hurry(deadline);
        Ok(())
    }

    /// Sends a request that was kept.
    fn start(&mut self, engine: &mut Engine, link: LinkId, id: u64) -> Result<()> {
        let Some(call) = self.calls.get_mut(id) else { return Ok(()) };
        let Some(lasting) = &mut call.lasting else { return Ok(()) };
        let key = FlowKey::Ours(id);
        let taken = self.flows.get(key).map_or(0, |flow| flow.counts().0);
        let replayed = lasting.was_sent.then_some(taken);
        // Never none at all: a request that is late then ends by itself.
        let timeout = lasting.deadline.remaining().map(|left| left.max(TIMEOUT_MIN));
        let draft = Draft { timeout, replayed, ..lasting.draft };
        let line = line_of(&mut self.lines, link).ok_or_else(closed);
        let wire = match line.and_then(|line| line.ask(engine, id, draft, &lasting.payload)) {
            Ok(wire) => wire,
            Err(error) => {
                let to = To::Client(lasting.client);
                return if self.waits_for(to, &error).is_some() {
                    self.wait(id)
                } else {
                    Err(error)
                };
            }
        };
        lasting.was_sent = true;
        call.wire = Some(wire);
        if !lasting.is_repeated {
            call.lasting = None;
        }
        if let Some(flow) = self.flows.get(key) {
            let stream = &mut flow.with;
            stream.wire = Some(wire);
            if stream.is_finished {
                engine.end_items(link, draft.lane, wire.id);
            }
            self.after.wakers.extend(stream.writer.take());
        }
        Ok(())
    }

    /// The session of a request is lost. Returns whether the request goes on over the next one.
    pub fn outlives(&mut self, link: LinkId, id: u64) -> bool {
        let Some(call) = self.calls.get_mut(id) else { return false };
        if call.lasting.as_ref().is_none_or(|lasting| !lasting.is_repeated) {
            return false;
        }
        let Some((group, found)) = self.groups.of(link) else { return false };
        let Some(client) = found.client.as_ref().filter(|client| client.has_another()) else {
            return false;
        };
        if client.session() != Some(link) {
            // Its server has left, and the next session may be there.
            self.changed.push(group);
        }
        let waits = client.check_waits();
        if let Err(error) = waits.and_then(|()| self.wait(id)) {
            self.settle(id, Err(error));
        }
        true
    }

    /// Nobody waits for a request any more. Returns what is to be dropped without the lock.
    pub fn give_up(&mut self, engine: &mut Engine, id: u64) -> Option<Call> {
        let call = self.calls.remove(id)?;
        match (call.wire, &call.lasting) {
            (Some(Wire { link, id }), _) => {
                engine.cancel(link, id);
                self.ended_on(link, id);
            }
            (None, Some(lasting)) => {
                let place = lasting.place;
                let client = self.client(lasting.client);
                drop(client.map(|client| client.away.take(place)));
            }
            (None, None) => {}
        }
        Some(call)
    }

    // ---- one-way messages ----

    /// Sends a one-way message, or lets it wait.
    pub fn notify(
        &mut self,
        engine: &mut Engine,
        to: To,
        draft: Draft,
        payload: &[u8],
    ) -> Result<Sent> {
        let client = match self.route(to)? {
            Some(link) => match engine.send(link, &draft, payload) {
                Err(error) => self.waits_for(to, &error).ok_or(error)?,
                sent => return sent,
            },
            None => match to {
                To::Client(client) => client,
                To::Link(_) => return Err(closed()),
            },
        };
        let Some(client) = self.client(client) else { return Err(closed()) };
        let (sent, dropped) = client.away.add_event(draft, payload, Time::now())?;
        let due = client.away.due();
        self.hurry(due);
        dropped.into_iter().for_each(|event| self.fail(event, Error::dropped));
        Ok(sent)
    }

    /// What became of a one-way message whose sender waits.
    pub fn was_sent(&mut self, id: u64, outcome: Result<()>) {
        if let Some(found) = self.sends.get_mut(id) {
            *found = Some(outcome);
            self.wake(Topic::Sent(id));
        }
    }

    // ---- sessions ----

    /// Does what follows from sessions that began or ended, and from time that is over.
    #[cold]
    pub fn go_on(&mut self, engine: &mut Engine) {
        while let Some(group) = self.changed.pop() {
            let Some(client) = self.client(group) else { continue };
            match (client.state(), client.session()) {
                (ClientState::Open, Some(link)) => {
                    for waiting in client.away.take_all() {
                        self.start_waiting(engine, link, waiting);
                    }
                }
                (ClientState::Reconnecting, _) if client.current().is_none() => {
                    self.dial(engine, group);
                }
                (ClientState::Closed, _) => self.fail_waiting(group),
                _ => {}
            }
        }
        if self.due <= Time::now() {
            self.expire(Time::now());
        }
    }

    /// Begins to connect. What comes of it is an event, or the end of the client.
    fn dial(&mut self, engine: &mut Engine, group: GroupId) {
        let Some(client) = self.client(group) else { return };
        match client.dial(engine) {
            Ok(link) => self.groups.adopt(link, group),
            Err(error) => {
                client.close(Some(error));
                self.fail_waiting(group);
                self.wake(Topic::Group(group));
            }
        }
        self.hurries = true;
    }

    /// The same for the first time, when an error is the caller's.
    pub fn dial_first(&mut self, engine: &mut Engine, group: GroupId) -> Result<()> {
        let Some(client) = self.client(group) else { return Ok(()) };
        let link = client.dial(engine)?;
        self.groups.adopt(link, group);
        self.hurries = true;
        Ok(())
    }

    fn start_waiting(&mut self, engine: &mut Engine, link: LinkId, waiting: Waiting) {
        match waiting {
            Waiting::Request(id) => {
                if let Err(error) = self.start(engine, link, id) {
                    self.settle(id, Err(error));
                }
            }
            Waiting::Event(draft, payload) => match engine.send(link, &draft, &payload) {
                // Its outcome is an event.
                Ok(Sent::Queued) => {}
                Ok(Sent::Dropped) => self.was_sent(draft.id, Err(Error::dropped())),
                Ok(_) => self.was_sent(draft.id, Ok(())),
                Err(error) => self.was_sent(draft.id, Err(error)),
            },
        }
    }

    /// Ends what has waited too long.
    fn expire(&mut self, now: Time) {
        let mut late = Vec::new();
        self.due = Time::NEVER;
        for client in self.groups.clients() {
            late.extend(client.away.take_late(now));
            self.due = self.due.min(client.away.due());
        }
        let error = || Error::new(Code::Timeout, "no session came in time");
        late.into_iter().for_each(|waiting| self.fail(waiting, error));
    }

    /// Ends all that waits for a client that is closed.
    pub fn fail_waiting(&mut self, group: GroupId) {
        let Some(client) = self.client(group) else { return };
        let (waiting, end) = (client.away.take_all(), client.end());
        let error = || Error::new(end.code(), end.to_string());
        waiting.into_iter().for_each(|waiting| self.fail(waiting, error));
    }

    fn fail(&mut self, waiting: Waiting, error: impl FnOnce() -> Error) {
        match waiting {
            Waiting::Request(id) => self.settle(id, Err(error())),
            Waiting::Event(draft, _) => self.was_sent(draft.id, Err(error())),
        }
    }

    /// Something is due then, of which the driver may not know.
    fn hurry(&mut self, due: Time) {
        if due < self.due {
            (self.due, self.hurries) = (due, true);
        }
    }
}
