//! Many connections behind one descriptor and one `drive`.
//!
//! ```text
//!            +------------------- engine -------------------+
//!   host --> | fd: readable when there is work              |
//!            | drive(host): does it, never blocks           |
//!            |   1 rings of hot links    3 timers           |
//!            |   2 epoll: bells, sockets, listeners         |
//!            +----------------------------------------------+
//! ```
//!
//! A link is *hot* while this side is awake to it: its rings are looked at and its peer need not
//! ring. Before the host sleeps it calls [`Engine::arm`], which cools all links down and looks at
//! each once more. The host decides how long to look before it sleeps; [`Patience`] has the rules.
//!
//! This is the one place, with the faces above it, that makes system calls and reads the clock.

mod admission;
mod backlog;
mod bell;
mod directory;
mod drive;
mod greeting;
mod host;
mod link;
mod listener;
mod names;
mod options;
mod pace;
mod patience;
mod poller;
mod real_time;
mod rooms;
mod slab;
mod workload;

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::epoll::EventFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::error::{Code, Error, Result};
use crate::handshake::{EngineId, Features, Hello, Policy, VERSION_MAX, VERSION_MIN};
use crate::header::Kind;
use crate::limits::Lane;
use crate::memory::named;
use crate::session::Draft;
use crate::sys;
use crate::time::Time;

pub use bell::Waker;
pub use directory::DIRECTORY_VARIABLE;
pub use host::{Body, BufferId, Event, Host, LinkId, ListenerId, Peer};
pub use link::{Lent, LinkStats, Sent};
pub(crate) use link::{Refusal, Room, Taken};
pub use options::{Flow, ListenOptions, Options, Overflow};
use pace::Pace;
use patience::Crowd;
pub use patience::Patience;
#[cfg(feature = "tokio")]
pub(crate) use patience::{LOOKS_PER_YIELD, PAUSES};

use directory::Directory;
use greeting::Greeting;
use link::Link;
use listener::Listener;
use names::Names;
use poller::{Poller, Source};
use slab::{Key, Slab};

/// How long a closing link may go on writing what waits.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// What an engine has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Open connections.
    pub links: usize,
    /// Handshakes that came to nothing.
    pub handshakes_failed: u64,
    /// Frames found although nobody had rung for them. Anything but 0 is a bug.
    pub lost_wakeups: u64,
    /// Segments of dead processes removed when a server started.
    pub segments_reclaimed: usize,
}

/// A thing with a control socket.
enum Entry {
    Greeting { greeting: Box<Greeting>, listener: Option<Key>, flow: Flow },
    Link(Box<Link>),
}

/// Many connections behind one descriptor.
pub struct Engine {
    id: EngineId,
    poller: Poller,
    entries: Slab<Entry>,
    listeners: Slab<Listener>,
    names: Names,
    /// Links this side is awake to.
    hot: Vec<Key>,
    /// Links that are not read because their server has enough to work on, in the order of their turns.
    crowded: VecDeque<Key>,
    /// Links with messages their peers have not been shown.
    unflushed: Vec<Key>,
    /// Where the next round over the hot links starts, so that none is always last.
    hot_start: usize,
    /// No link, greeting or listener has anything due before this, nor has the host. Never too late.
    due: Time,
    /// When the host asked to be driven.
    alarm: Time,
    backstop: Backstop,
    crowd: Crowd,
    pace: Pace,
    stats: EngineStats,
    /// Reused from drive to drive.
    ready: Vec<Source>,
}

/// The looks that only exist to count lost wake-ups.
struct Backstop {
    due: Time,
    stage: usize,
    /// Links fell asleep since the last look.
    fresh: bool,
}

impl Engine {
    /// An engine without connections.
    pub fn new() -> Result<Self> {
        Ok(Self {
            id: named::random()?,
            poller: Poller::new()?,
            entries: Slab::new(),
            listeners: Slab::new(),
            names: Names::default(),
            hot: Vec::new(),
            crowded: VecDeque::new(),
            unflushed: Vec::new(),
            hot_start: 0,
            due: Time::NEVER,
            alarm: Time::NEVER,
            backstop: Backstop { due: Time::NEVER, stage: 0, fresh: false },
            crowd: Crowd::default(),
            pace: Pace::default(),
            stats: EngineStats::default(),
            ready: Vec::new(),
        })
    }

    /// Which engine this is: peers see it as [`Peer::engine`].
    pub fn id(&self) -> EngineId {
        self.id
    }

    /// This side's code for a method or event name, the same on all connections.
    pub fn code(&mut self, name: &str) -> Result<u16> {
        self.names.code(name)
    }

    // ---- listening and connecting ----

    /// Serves `name`: clients come as [`Event::Accepted`].
    pub fn listen(
        &mut self,
        name: &str,
        options: &Options,
        listen: &ListenOptions,
    ) -> Result<ListenerId> {
        options.check()?;
        let directory = Directory::find(options.directory.as_deref())?;
        let (claim, socket) = directory.listen(name)?;
        self.stats.segments_reclaimed += named::reclaim();
        let policy = Policy {
            features: options.features(),
            crc: options.crc,
            rings: options.rings,
            limits: options.limits,
            token: options.token.clone(),
        };
        let listener = Listener::new(claim, socket, policy, *listen, options.flow);
        let key = self.listeners.insert(listener).map_err(|_| too_many())?;
        let watched = self.listeners.get(key).map(|listener| {
            self.poller.watch(&listener.socket, Source::Listener(key), EventFlags::IN)
        });
        if let Some(Err(error)) = watched {
            self.listeners.remove(key);
            return Err(error);
        }
        tracing::debug!(name, "listening");
        Ok(ListenerId(key))
    }

    /// Stops accepting and gives the name up; connections stay.
    pub fn close_listener(&mut self, listener: ListenerId) {
        if let Some(listener) = self.listeners.remove(listener.0) {
            self.poller.forget(&listener.socket);
        }
        let orphaned = self.entries.iter_mut().filter_map(|(key, entry)| match entry {
            Entry::Greeting { listener: Some(of), .. } if *of == listener.0 => Some(key),
            _ => None,
        });
        for key in orphaned.collect::<Vec<_>>() {
            self.drop_greeting(key);
        }
    }

    /// Connects to the server of that name. The outcome is [`Event::Connected`] or
    /// [`Event::Closed`], at the latest when `timeout` has passed; what is known at once to be
    /// impossible is an error here.
    pub fn connect(&mut self, name: &str, options: &Options, timeout: Duration) -> Result<LinkId> {
        options.check()?;
        let address = Directory::find(options.directory.as_deref())?.address(name)?;
        let hello = Hello {
            version_min: VERSION_MIN,
            version_max: VERSION_MAX,
            offered: options.features(),
            required: Features(0),
            crc: options.crc,
            rings: options.rings,
            limits: options.limits,
            engine: self.id,
            token: options.token.clone().unwrap_or_default(),
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = sys::fault()
            .and_then(|()| {
                rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            })
            .map_err(|cause| Error::system("creating a socket", cause))?;
        let now = Time::now();
        let greeting = Greeting::connect(socket, name.into(), address, hello, now + timeout)?;
        self.greet(greeting, None, options.flow, now).map(LinkId)
    }

    // ---- talking ----

    /// Sends a message. The peer sees it after the next [`Self::flush`]; a request's outcome comes as
    /// a message or as [`Event::Ended`].
    #[inline]
    pub fn send(&mut self, link: LinkId, draft: &Draft, payload: &[u8]) -> Result<Sent> {
        self.send_by(link, draft, |found, names| found.send(draft, payload, names))
    }

    /// The same for a long payload, which is not copied before there is room for it: while that is
    /// awaited the engine keeps it.
    pub fn send_lent(
        &mut self,
        link: LinkId,
        draft: &Draft,
        payload: Box<dyn Lent>,
    ) -> Result<Sent> {
        self.send_by(link, draft, |found, names| found.send_lent(draft, payload, names))
    }

    #[inline]
    fn send_by(
        &mut self,
        link: LinkId,
        draft: &Draft,
        send: impl FnOnce(&mut Link, &Names) -> Result<Sent>,
    ) -> Result<Sent> {
        let Some(Entry::Link(found)) = self.entries.get_mut(link.0) else {
            return Err(not_open());
        };
        let sent = send(found, &self.names);
        if matches!(draft.kind, Kind::Reply | Kind::Error) {
            found.count_work();
        }
        if !found.unflushed {
            found.unflushed = true;
            self.unflushed.push(link.0);
        }
        if draft.kind == Kind::Request || matches!(sent, Ok(Sent::Queued)) {
            self.due = self.due.min(found.due());
        }
        // An answer will come, the next request may be read, something waits for room, or the link is
        // broken: worth looking at.
        if !found.hot && (draft.kind != Kind::OneWay || !matches!(sent, Ok(Sent::Written))) {
            self.warm(link.0);
        }
        if !self.crowded.is_empty() {
            self.relieve();
        }
        sent
    }

    /// Reads on those that wait until their server has less to work on, as far as there is room.
    #[cold]
    fn relieve(&mut self) {
        while let Some(&key) = self.crowded.front() {
            if let Some(found) = self.link_mut(key) {
                if !found.take_turn() {
                    break;
                }
                self.warm(key);
            }
            self.crowded.pop_front();
        }
    }

    /// Shows the peers what was sent to them, and wakes those that sleep.
    #[inline]
    pub fn flush(&mut self) {
        while let Some(key) = self.unflushed.pop() {
            if let Some(link) = self.link_mut(key) {
                link.unflushed = false;
                link.commit();
            }
        }
    }

    /// What may still be sent of the items of a request, of this kind: an item may while this is not
    /// 0, and [`Event::Granted`] says when it has grown. `None`: nobody waits for them any more.
    #[inline]
    pub fn credit(&mut self, link: LinkId, kind: Kind, id: u64) -> Option<u64> {
        self.link_mut(link.0)?.credit(kind, id)
    }

    /// Whether anything of a link waits for room in private memory.
    #[inline]
    pub fn has_backlog(&self, link: LinkId) -> bool {
        self.link(link.0).is_some_and(Link::has_backlog)
    }

    /// The application is done with items of a request that came, of this cost in all; see
    /// [`item_cost`](crate::item_cost). The peer may then send as much again.
    #[inline]
    pub fn consumed(&mut self, link: LinkId, kind: Kind, id: u64, cost: u64) {
        if let Some(found) = self.link_mut(link.0) {
            found.consumed(kind, id, cost);
            self.unflushed(link.0);
        }
    }

    /// No more items go with our request, which travels on this lane.
    pub fn end_items(&mut self, link: LinkId, lane: Lane, id: u64) {
        if let Some(found) = self.link_mut(link.0) {
            found.end_items(lane, id);
            self.unflushed(link.0);
        }
    }

    /// Something was written to a link, and is to be seen after the next flush.
    #[inline]
    fn unflushed(&mut self, key: Key) {
        if let Some(found) = self.link_mut(key)
            && !std::mem::replace(&mut found.unflushed, true)
        {
            self.unflushed.push(key);
        }
        self.warm(key);
    }

    /// Gives a request up. Returns whether it was in flight, and that is its outcome.
    pub fn cancel(&mut self, link: LinkId, id: u64) -> bool {
        let Some(found) = self.link_mut(link.0) else { return false };
        let ended = found.cancel(id);
        found.commit();
        self.warm(link.0);
        ended
    }

    /// The host can take messages of this link again.
    pub fn resume(&mut self, link: LinkId) {
        if let Some(found) = self.link_mut(link.0) {
            found.resume();
            self.warm(link.0);
        }
    }

    /// Asks for [`Event::Drained`] once nothing of this link waits for room. Returns whether
    /// anything does.
    pub fn want_drain(&mut self, link: LinkId) -> bool {
        self.link_mut(link.0).is_some_and(Link::want_drain)
    }

    /// Closes a connection: requests in flight end now, what waits for room is still written, and
    /// then comes [`Event::Closed`].
    pub fn close(&mut self, link: LinkId, host: &mut impl Host) {
        match self.entries.get_mut(link.0) {
            Some(Entry::Link(found)) => {
                let deadline = Time::now() + CLOSE_TIMEOUT;
                found.close(deadline, host);
                self.due = self.due.min(deadline);
                self.warm(link.0);
            }
            Some(Entry::Greeting { .. }) => {
                self.drop_greeting(link.0);
                host.event(Event::Closed { link, error: None });
            }
            None => {}
        }
    }

    /// Ends a connection whose host cannot go on with it, as one that a peer has broken ends: nothing
    /// more is read or written, and [`Event::Closed`] says why.
    pub fn break_off(&mut self, link: LinkId, error: Error) {
        match self.entries.get_mut(link.0) {
            Some(Entry::Link(found)) => found.break_off(error),
            Some(Entry::Greeting { .. }) | None => return,
        }
        self.warm(link.0);
    }

    // ---- waiting synchronously ----

    /// Tells the peer of a link that this side does nothing before its request `id` is answered;
    /// `None`: it does again.
    pub fn wait_synchronously(&mut self, link: LinkId, id: Option<u64>) {
        if let Some(found) = self.link_mut(link.0) {
            found.wait_synchronously(id.unwrap_or(0));
        }
    }

    /// Whether this side, which waits synchronously on a link, and the engine at its other end wait for
    /// each other, be it over this connection or over another between the two. Asked between two
    /// drives: the answer may have come before the peer began to wait, so look once more before acting
    /// on it.
    pub fn is_deadlocked(&self, link: LinkId) -> bool {
        let Some(found) = self.link(link.0) else { return false };
        // The process as well: a peer says itself which engine it is, and its process the kernel says.
        let engine = |link: &Link| (link.peer.engine, link.peer.pid);
        self.entries.iter().any(|entry| match entry {
            Entry::Link(other) if engine(other) == engine(found) => {
                other.peer_waits_for().is_some_and(|id| other.is_unanswered(id))
            }
            _ => false,
        })
    }

    // ---- looking in ----

    #[inline]
    fn link(&self, key: Key) -> Option<&Link> {
        match self.entries.get(key) {
            Some(Entry::Link(link)) => Some(link),
            _ => None,
        }
    }

    #[inline]
    fn link_mut(&mut self, key: Key) -> Option<&mut Link> {
        match self.entries.get_mut(key) {
            Some(Entry::Link(link)) => Some(link),
            _ => None,
        }
    }

    /// What the engine has counted.
    pub fn stats(&self) -> EngineStats {
        self.stats
    }

    /// All connections, open, opening or closing.
    pub fn links(&self) -> Vec<LinkId> {
        self.entries.keys().into_iter().map(LinkId).collect()
    }

    /// What a link has counted.
    pub fn link_stats(&self, link: LinkId) -> Option<LinkStats> {
        self.link(link.0).map(|link| link.stats())
    }

    /// Who is at the other end of a link.
    pub fn peer(&self, link: LinkId) -> Option<&Peer> {
        self.link(link.0).map(|link| &link.peer)
    }

    /// Whether [`Self::hear_cancels`] would find anything. One load.
    #[inline]
    pub fn has_words(&self, link: LinkId) -> bool {
        self.link(link.0).is_some_and(Link::has_words)
    }

    /// Whether there is such a connection, open, opening or closing.
    pub fn is_open(&self, link: LinkId) -> bool {
        self.entries.get(link.0).is_some()
    }

    /// Whether the peer still waits for an answer to its request.
    #[inline]
    pub fn is_serving(&self, link: LinkId, id: u64) -> bool {
        self.link(link.0).is_some_and(|link| link.session().is_serving(id))
    }
}

impl AsFd for Engine {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

#[cold]
fn not_open() -> Error {
    Error::new(Code::Closed, "the connection is not open")
}

#[cold]
fn too_many() -> Error {
    Error::new(Code::TooManyConnections, "65,536 connections in one engine")
}
