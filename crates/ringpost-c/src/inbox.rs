//! The host that the engine of a loop is driven with. It only collects: callbacks run afterwards,
//! when nothing is locked, so that they may call whatever there is.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ipc_core::id::{generation_of, join, slot_of};
use ipc_core::{
    Body, BufferId, Code, Codec, Corrupt, Draft, Engine, Error, Event, Host, Kind, LinkId,
    ListenerId, Message, Readiness, RemoteError, WatchId,
};

use crate::callbacks::{Callback, ClosedFn, EventFn, ReplyFn, RequestFn};

/// What waits for its callback. When there is so much, peers wait in their rings.
const QUEUED_MAX: usize = 1024;

/// A payload, and how it is encoded.
pub struct Payload {
    pub bytes: Vec<u8>,
    pub codec: Codec,
}

pub type Outcome = Result<Payload, Error>;

/// Something that a callback is called with.
pub enum Happening {
    Event { link: LinkId, name: Arc<str>, payload: Payload },
    Request { link: LinkId, name: Arc<str>, message: Message, payload: Payload },
    Settled { link: LinkId, callback: Callback<ReplyFn>, outcome: Outcome },
    Closed { link: LinkId },
    Ready { watch: WatchId },
}

/// Who waits for an answer.
pub enum Waiting {
    /// The call that has asked.
    Call(Option<Outcome>),
    Callback(LinkId, Callback<ReplyFn>),
}

/// What a connection has of its own.
#[derive(Default)]
pub struct Link {
    /// The server it came to, if it did.
    pub server: Option<ListenerId>,
    pub is_open: bool,
    /// That it is over, and why.
    pub ended: Option<Option<Error>>,
    /// What the peer calls its methods and events.
    names: HashMap<usize, Arc<str>>,
    /// In the order of their numbers, in which they are called.
    pub listeners: Vec<Listener>,
    pub on_closed: Option<Callback<ClosedFn>>,
}

/// What is called for the events of one name.
pub struct Listener {
    pub id: u64,
    pub event: Box<str>,
    pub callback: Callback<EventFn>,
}

#[derive(Default)]
pub struct Inbox {
    pub links: HashMap<LinkId, Link>,
    /// What is called for requests, by server and method.
    pub servers: HashMap<ListenerId, HashMap<Box<str>, Callback<RequestFn>>>,
    pub calls: Calls,
    pub queue: VecDeque<Happening>,
    /// A watched descriptor can be read.
    pub is_readable: bool,
    /// Subscriptions so far, by which each has a number of its own.
    pub subscriptions: u64,
    /// Some was left in the rings.
    pub is_held: bool,
    buffers: Vec<Option<Vec<u8>>>,
    /// Requests that nothing handles.
    refused: Vec<(LinkId, Message, Arc<str>)>,
    /// Something arrived since this was last set to false.
    busy: bool,
}

impl Inbox {
    /// Answers what nothing handles. Returns whether anything arrived since.
    pub fn settle(&mut self, engine: &mut Engine) -> bool {
        for (link, message, name) in self.refused.drain(..) {
            let what = format!("there is no handler for the method \"{name}\"");
            let error = RemoteError::new(Code::UnknownMethod.as_str(), what);
            // A caller that is gone by now needs no answer.
            drop(engine.send(link, &Draft::error(&message), &error.encode()));
        }
        std::mem::take(&mut self.busy)
    }

    fn arrived(&mut self, link: LinkId, message: &Message, bytes: Vec<u8>) {
        self.busy = true;
        let payload = Payload { bytes, codec: message.codec };
        match message.kind {
            Kind::Reply => self.settled(message.id, Ok(payload)),
            Kind::Error => {
                let error = RemoteError::received(payload.codec, &payload.bytes);
                self.settled(message.id, Err(Error::remote(error)));
            }
            Kind::OneWay | Kind::Request => {
                let Some(name) = self.name(link, message) else { return };
                self.queue.push_back(if message.kind == Kind::OneWay {
                    Happening::Event { link, name, payload }
                } else if self.handles(link, &name) {
                    Happening::Request { link, name, message: *message, payload }
                } else {
                    return self.refused.push((link, *message, name));
                });
            }
            // Items belong to streams, which are neither asked for nor served here.
            _ => {}
        }
    }

    fn handles(&self, link: LinkId, name: &str) -> bool {
        let server = self.links.get(&link).and_then(|link| link.server);
        let methods = server.and_then(|server| self.servers.get(&server));
        methods.is_some_and(|methods| methods.contains_key(name))
    }

    fn name(&self, link: LinkId, message: &Message) -> Option<Arc<str>> {
        self.links.get(&link)?.names.get(&message.route()).cloned()
    }

    fn settled(&mut self, id: u64, outcome: Outcome) {
        match self.calls.get_mut(id) {
            Some(Waiting::Call(place)) => *place = Some(outcome),
            Some(&mut Waiting::Callback(link, callback)) => {
                self.calls.remove(id);
                self.queue.push_back(Happening::Settled { link, callback, outcome });
            }
            None => {}
        }
    }
}

impl Host for Inbox {
    fn readiness(&mut self, _: LinkId) -> Readiness {
        if self.queue.len() < QUEUED_MAX {
            return Readiness::All;
        }
        self.is_held = true;
        Readiness::Answers
    }

    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        let mut bytes = Vec::with_capacity(body.len());
        body.append_to(&mut bytes)?;
        self.arrived(link, message, bytes);
        Ok(())
    }

    fn open(&mut self, _: LinkId, message: &Message) -> BufferId {
        let free = self.buffers.iter().position(Option::is_none).unwrap_or(self.buffers.len());
        if free == self.buffers.len() {
            self.buffers.push(None);
        }
        self.buffers[free] = Some(vec![0; message.len]);
        BufferId(u32::try_from(free).expect("a few for each link"))
    }

    fn fill(&mut self, buffer: BufferId, offset: usize, body: Body<'_>) -> Result<(), Corrupt> {
        let end = offset + body.len();
        match &mut self.buffers[buffer.0 as usize] {
            Some(bytes) => body.copy_to(&mut bytes[offset..end]),
            None => Ok(()),
        }
    }

    fn finish(&mut self, link: LinkId, message: &Message, buffer: BufferId) {
        let bytes = self.buffers[buffer.0 as usize].take().unwrap_or_default();
        self.arrived(link, message, bytes);
    }

    fn discard(&mut self, buffer: BufferId) {
        self.buffers[buffer.0 as usize] = None;
    }

    fn event(&mut self, event: Event<'_>) {
        self.busy = true;
        match event {
            Event::Readable => self.is_readable = true,
            Event::Accepted { listener, link, .. } => {
                let accepted = Link { server: Some(listener), is_open: true, ..Link::default() };
                self.links.insert(link, accepted);
            }
            Event::Connected { link, .. } => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.is_open = true;
                }
            }
            Event::Named { link, lane, code, name } => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.names.insert(ipc_core::route(lane, code), name.into());
                }
            }
            Event::Ended { id, ending, .. } => self.settled(id, Err(ending.into())),
            Event::Closed { link, error, .. } => match self.links.get_mut(&link) {
                Some(found) if found.server.is_none() => {
                    found.ended = Some(error);
                    self.queue.push_back(Happening::Closed { link });
                }
                _ => drop(self.links.remove(&link)),
            },
            _ => {}
        }
    }
}

/// Requests in flight. The engine wants ids of few slots, each with a generation.
#[derive(Default)]
pub struct Calls {
    slots: Vec<(u32, Option<Waiting>)>,
}

impl Calls {
    pub fn insert(&mut self, waiting: Waiting) -> u64 {
        let free = self.slots.iter().position(|(_, waiting)| waiting.is_none());
        let slot = free.unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() - 1
        });
        let (generation, place) = &mut self.slots[slot];
        *generation = generation.wrapping_add(1).max(1);
        *place = Some(waiting);
        join(u32::try_from(slot).expect("bounded by what a session allows"), *generation)
    }

    pub fn get_mut(&mut self, id: u64) -> Option<&mut Waiting> {
        let (generation, waiting) = self.slots.get_mut(slot_of(id) as usize)?;
        if *generation == generation_of(id) { waiting.as_mut() } else { None }
    }

    pub fn remove(&mut self, id: u64) -> Option<Waiting> {
        self.get_mut(id)?;
        self.slots[slot_of(id) as usize].1.take()
    }
}
