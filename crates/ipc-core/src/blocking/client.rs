//! A client that waits.

use std::time::Duration;

use super::endpoint::Endpoint;
use super::{Answer, Change, Request, Stopper, Ticket};
use crate::engine::{EngineStats, LinkId, LinkStats, Options, Peer, Sent};
use crate::error::{Code, Error, Result};
use crate::face::{CallOptions, FaceOptions, Reply};
use crate::header::{Codec, Kind};
use crate::remote_error::RemoteError;
use crate::session::Draft;
use crate::time::Time;

/// Messages of a batch after which the peer is shown them.
const BATCH_MESSAGES: u32 = 64;

/// A connection to a server, used by one thread at a time.
pub struct Client {
    endpoint: Endpoint,
    link: LinkId,
    peer: Peer,
}

impl Client {
    /// Connects to the server of that name.
    pub fn connect(name: &str, options: &Options, face: FaceOptions) -> Result<Self> {
        let mut endpoint = Endpoint::new(face)?;
        let link = endpoint.engine.connect(name, options, face.connect_timeout)?;
        loop {
            endpoint.turn(Time::NEVER)?;
            let change = endpoint.changes().next();
            match change {
                Some(Change::Connected(_, peer)) => return Ok(Self { endpoint, link, peer }),
                Some(Change::Closed(_, error)) => {
                    let silent = || Error::new(Code::Handshake, "the server closed");
                    return Err(error.unwrap_or_else(silent));
                }
                None => {}
            }
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Calls `handler` for each request or one-way message of that name the server sends, while this
    /// client waits for something: in [`Self::request`], [`Self::turn`] or [`Self::drain`].
    pub fn handle<H>(&mut self, name: &str, handler: H)
    where
        H: FnMut(&Request<'_>, &mut Reply) -> Result<Answer, RemoteError> + Send + 'static,
    {
        self.endpoint.handle(name, Box::new(handler));
    }

    /// Asks, and waits for the answer.
    pub fn request(
        &mut self,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Reply> {
        let mut reply = Reply::default();
        reply.codec = self.request_into(method, payload, options, &mut reply.payload)?;
        Ok(reply)
    }

    /// Asks, and waits for the answer, which replaces what is in `answer`: a buffer that is used
    /// again makes a request without any allocation.
    pub fn request_into(
        &mut self,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
        answer: &mut Vec<u8>,
    ) -> Result<Codec> {
        let code = self.endpoint.engine.code(method)?;
        self.endpoint.request(self.link, code, payload, options, answer)
    }

    /// Sends a message nobody answers. It is in the ring, or waits in private memory for room, or is
    /// refused with [`Code::Full`].
    pub fn notify(&mut self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
        let mut batch = self.batch(event, options)?;
        batch.notify(payload)
    }

    /// For many one-way messages in a row: the peer is shown them some at a time.
    pub fn batch(&mut self, event: &str, options: &CallOptions) -> Result<Batch<'_>> {
        let draft = Draft {
            kind: Kind::OneWay,
            lane: options.lane,
            codec: options.codec,
            code: self.endpoint.engine.code(event)?,
            id: 0,
            timeout: None,
            trace: options.trace,
        };
        Ok(Batch { client: self, draft, unseen: 0 })
    }

    /// Waits until nothing waits for room in private memory any more.
    pub fn drain(&mut self, timeout: Duration) -> Result<()> {
        self.endpoint.drain(self.link, Time::now() + timeout)
    }

    /// Waits for messages of the server and handles them. Returns whether any came in time.
    pub fn turn(&mut self, timeout: Duration) -> Result<bool> {
        self.endpoint.turn(Time::now() + timeout)
    }

    /// Answers a request of the server that was put off.
    pub fn answer(
        &mut self,
        ticket: &Ticket,
        answer: Result<&Reply, &RemoteError>,
    ) -> Result<Sent> {
        self.endpoint.answer(ticket, answer)
    }

    /// Makes this client return from whatever it waits for, from another thread.
    pub fn stopper(&self) -> Stopper {
        self.endpoint.stopper()
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.endpoint.engine.peer(self.link).is_none()
    }

    /// What the connection has counted; `None` when it is over.
    pub fn stats(&self) -> Option<LinkStats> {
        self.endpoint.engine.link_stats(self.link)
    }

    /// What the engine has counted.
    pub fn engine_stats(&self) -> EngineStats {
        self.endpoint.engine.stats()
    }

    /// One-way messages of the server nobody handled.
    pub fn unhandled(&self) -> u64 {
        self.endpoint.unhandled()
    }

    /// Closes in good order and waits until what waited for room is written, or a second is over.
    pub fn close(mut self) -> Result<()> {
        self.endpoint.close(self.link)
    }
}

impl Drop for Client {
    /// The server hears that this was on purpose; what still waits for room is lost.
    fn drop(&mut self) {
        self.endpoint.say_goodbye(self.link);
    }
}

/// One-way messages of one name, from [`Client::batch`]. The rest is shown when it is dropped.
pub struct Batch<'a> {
    client: &'a mut Client,
    draft: Draft,
    unseen: u32,
}

impl Batch<'_> {
    /// Sends one more.
    #[inline]
    pub fn notify(&mut self, payload: &[u8]) -> Result<Sent> {
        let Client { endpoint, link, .. } = &mut *self.client;
        let sent = endpoint.engine.send(*link, &self.draft, payload)?;
        self.unseen += 1;
        if self.unseen == BATCH_MESSAGES || sent == Sent::Queued {
            self.unseen = 0;
            endpoint.engine.flush();
        }
        Ok(sent)
    }

    /// Waits until nothing waits for room in private memory any more.
    pub fn drain(&mut self, timeout: Duration) -> Result<()> {
        self.client.drain(timeout)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.client.endpoint.engine.flush();
    }
}
