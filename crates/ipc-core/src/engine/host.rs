//! The interface between the engine and the program that embeds it.

use std::ptr::NonNull;
use std::time::Duration;

use super::link::Totals;
use crate::error::{Corrupt, Error};
use crate::handshake::{EngineId, SessionId, Transport};
use crate::header::Kind;
use crate::limits::{Agreement, Lane};
use crate::ring::mapped::MappedRegion;
use crate::ring::{self};
use crate::session::{Ending, Message};

/// A connection of an engine. Ids of connections that ended find nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u32);

impl LinkId {
    /// A small number that no two connections of an engine have at the same time.
    pub fn place(self) -> usize {
        super::slab::place(self.0)
    }
}

/// A listening server of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u32);

/// A host's buffer for a message of several frames; the number is the host's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferId(pub u32);

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its process, for display: numbers of processes are used again, and a process that cannot be
    /// seen from here, as that of another container, has the number 0. So has any in WebAssembly.
    pub pid: i32,
    /// Its user: the same as ours, or there would be no connection. In WebAssembly, where that is
    /// not known, it is taken for granted: there, who can connect is up to the host alone.
    pub uid: u32,
    /// Whether it is this very engine. It takes a process to know that.
    pub is_self: bool,
    /// The session, different for every connection ever made.
    pub session: SessionId,
    /// Its engine, as the peer claims: for display only.
    pub engine: EngineId,
    /// How memory reached the other side.
    pub transport: Transport,
    /// What was agreed.
    pub agreement: Agreement,
}

/// What can happen besides messages.
#[derive(Debug)]
pub enum Event<'a> {
    /// A descriptor that the engine [attends to](super::Engine::attend) can be read. It is said
    /// with each drive until it was.
    Readable,
    /// A client has connected to a listener.
    Accepted {
        /// The server it came to.
        listener: ListenerId,
        /// The connection.
        link: LinkId,
        /// Who it is.
        peer: &'a Peer,
    },
    /// A name that [`take_over`](super::Engine::take_over) asked for is served; clients are
    /// accepted from the next drive on.
    Listening {
        /// What asked for it, which is over.
        link: LinkId,
        /// The server.
        listener: ListenerId,
    },
    /// A new server has taken the name over. All clients that had come before are connected, and
    /// those connections stay; the listener is closed.
    TakenOver {
        /// The server whose name it was.
        listener: ListenerId,
    },
    /// All clients that a listener had let in when it was
    /// [retired](super::Engine::retire_listener) are connected, or have come to nothing.
    Retired {
        /// The server they came to.
        listener: ListenerId,
    },
    /// Clients do not find a server any more: its files were removed, and another has taken its
    /// name, or they could not be put back; or none can be let in. Its connections stay; it is
    /// closed.
    ListenerLost {
        /// The server.
        listener: ListenerId,
        /// Why.
        error: Error,
    },
    /// A connection asked for is open.
    Connected {
        /// The connection.
        link: LinkId,
        /// Who is at the other end.
        peer: &'a Peer,
    },
    /// The peer will use `code` for `name` in this lane from now on.
    Named {
        /// The connection.
        link: LinkId,
        /// The lane.
        lane: Lane,
        /// The peer's code.
        code: u16,
        /// The method or event.
        name: &'a str,
    },
    /// A request of ours has its outcome, and it is not an answer.
    Ended {
        /// The connection.
        link: LinkId,
        /// The request.
        id: u64,
        /// Why.
        ending: Ending,
    },
    /// A request of the peer needs no answer any more.
    Abandoned {
        /// The connection.
        link: LinkId,
        /// The request.
        id: u64,
    },
    /// The peer grants credit for the items of a request: those that go with one of ours, or those
    /// that come before our reply to one of the peer's.
    Granted {
        /// The connection.
        link: LinkId,
        /// Which items.
        kind: Kind,
        /// The request.
        id: u64,
        /// What was granted since the request was made, its window included.
        granted: u64,
    },
    /// No more items go with a request of the peer.
    ItemsEnd {
        /// The connection.
        link: LinkId,
        /// The request.
        id: u64,
    },
    /// What became of a one-way message that was queued and has an id.
    Sent {
        /// The connection.
        link: LinkId,
        /// The draft's id.
        id: u64,
        /// Why it will never arrive; `None`: it is being written.
        error: Option<Error>,
    },
    /// One-way messages were dropped by a lane of this side that was full.
    Dropped {
        /// The connection.
        link: LinkId,
        /// The lane.
        lane: Lane,
        /// How many, since this was reported last.
        count: u64,
    },
    /// More items of the peer's requests have arrived than may wait to be read, or that is over.
    /// While it is so, nothing of the link is read, and [`consumed`](super::Engine::consumed) has
    /// to be called without delay.
    Unread {
        /// The connection.
        link: LinkId,
        /// Whether it is so.
        is_too_much: bool,
    },
    /// A one-way message of the peer was not taken.
    Unreadable {
        /// The connection.
        link: LinkId,
        /// [`Message::route`] of it.
        route: usize,
        /// Why.
        error: Error,
    },
    /// All that waited for room in a lane is in its ring.
    Drained {
        /// The connection.
        link: LinkId,
        /// The lane.
        lane: Lane,
    },
    /// A [`ping`](super::Engine::ping) is answered.
    Pong {
        /// The connection.
        link: LinkId,
        /// Its number.
        number: u64,
        /// How long that took.
        took: Duration,
    },
    /// What was sent lies unread for longer than it may: the peer's process is stopped, or its loop
    /// does not turn.
    Unresponsive {
        /// The connection.
        link: LinkId,
    },
    /// A peer that was unresponsive has read again.
    Responsive {
        /// The connection.
        link: LinkId,
    },
    /// The peer is about to leave, and is to be sent no new requests.
    Leaving {
        /// The connection.
        link: LinkId,
    },
    /// Nothing was in flight, as [`quiesce`](super::Engine::quiesce) has asked for.
    Idle {
        /// The connection.
        link: LinkId,
    },
    /// The connection is over, or could not be made. Every request has had its outcome.
    Closed {
        /// The connection.
        link: LinkId,
        /// Why, unless one of the two sides closed it gracefully.
        error: Option<Error>,
        /// Bytes of each lane that the peer has not read, frames and what waited for room together.
        undelivered: [u64; Lane::ALL.len()],
    },
}

impl Event<'_> {
    /// The end of a connection that was never made.
    pub(super) fn not_connected(link: LinkId, error: Option<Error>) -> Self {
        Self::Closed { link, error, undelivered: [0; Lane::ALL.len()] }
    }
}

/// What a host can take of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Everything.
    All,
    /// Answers and items, but no requests and no one-way messages.
    Answers,
    /// Nothing.
    Nothing,
}

/// The most bytes of messages that are alike which [`Host::room_for_alike`] is asked for at once:
/// no more than a nearest cache holds beside everything else.
pub const ALIKE_LEN_MAX: usize = 8 << 10;

/// The program that drives an engine: receives messages and events. It must not block.
pub trait Host {
    /// What it can take of this link now. The rest stays in the rings, which puts backpressure on
    /// the peer, until [`super::Engine::resume`]; or it is set aside, where what can be taken may
    /// lie behind it.
    fn readiness(&mut self, link: LinkId) -> Readiness {
        let _ = link;
        Readiness::All
    }

    /// Whether requests or one-way messages of this name may come compressed: to unpack them takes
    /// more memory and time than their author has put in.
    fn accepts_packed(&mut self, link: LinkId, name: &str) -> bool {
        let _ = (link, name);
        false
    }

    /// A message that came in one frame. The host copies the body, which checks it; an error from
    /// that copy is to be passed on.
    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt>;

    /// Private memory for messages that are like this one in all but their id and payload: `len`
    /// bytes, to which they are copied as frames, one behind the other. `None`: each is passed by
    /// itself.
    fn room_for_alike(&mut self, link: LinkId, message: &Message, len: usize) -> Option<&mut [u8]> {
        let _ = (link, message, len);
        None
    }

    /// The first `len` bytes of that memory are whole frames now, all of them checked: each is
    /// [`HEADER_LEN`](crate::HEADER_LEN) bytes, of which [`id_and_len`](crate::id_and_len) reads
    /// what is its own, then the payload, and what makes it a multiple of eight.
    /// [`take_frame`](crate::take_frame) reads one after the other.
    fn received_alike(&mut self, link: LinkId, message: &Message, len: usize) {
        let _ = (link, message, len);
    }

    /// A message of several frames starts: make room for `message.len` bytes.
    fn open(&mut self, link: LinkId, message: &Message) -> BufferId;

    /// More of a message: copy to `offset`.
    fn fill(&mut self, buffer: BufferId, offset: usize, body: Body<'_>) -> Result<(), Corrupt>;

    /// A message of several frames is whole.
    fn finish(&mut self, link: LinkId, message: &Message, buffer: BufferId);

    /// A message of several frames will not be completed.
    fn discard(&mut self, buffer: BufferId);

    /// What a connection has counted in the end, right before its [`Event::Closed`].
    fn ended(&mut self, link: LinkId, totals: Totals) {
        let _ = (link, totals);
    }

    /// Something else happened.
    fn event(&mut self, event: Event<'_>);
}

/// The payload of a frame that is still in the ring, where its author can still write: it is used
/// by being copied, once, and checked in the copy. What came compressed is in private memory
/// already.
pub struct Body<'a>(pub(super) Source<'a>);

pub(super) enum Source<'a> {
    Ring(ring::Payload<'a, MappedRegion>),
    /// In private memory, and checked already.
    Private(&'a [u8]),
}

impl Body<'_> {
    /// Its bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Source::Ring(payload) => payload.len(),
            Source::Private(bytes) => bytes.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies all of it into `bytes`, which has exactly its length, and checks the copy.
    #[inline]
    pub fn copy_to(self, bytes: &mut [u8]) -> Result<(), Corrupt> {
        match self.0 {
            Source::Ring(payload) => payload.copy_to(bytes),
            Source::Private(own) => {
                bytes.copy_from_slice(own);
                Ok(())
            }
        }
    }

    /// Copies all of it to the end of `bytes`.
    pub fn append_to(self, bytes: &mut Vec<u8>) -> Result<(), Corrupt> {
        match self.0 {
            Source::Ring(payload) => payload.append_to(bytes),
            Source::Private(own) => {
                bytes.extend_from_slice(own);
                Ok(())
            }
        }
    }

    /// Where the bytes lie in shared memory, valid while this body is. The author may change them
    /// at any time, and no checksum has been checked: for programs that trust their peer and read
    /// large payloads in place, through raw pointers and never through a reference.
    pub fn as_ptr(&self) -> NonNull<u8> {
        match &self.0 {
            Source::Ring(payload) => payload.pointer(),
            Source::Private(bytes) => NonNull::from(*bytes).cast(),
        }
    }
}
