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
//! A link is *hot* while this side polls its rings, so that its peer need not ring. Before the host
//! sleeps it calls [`Engine::arm`], which arms all links and polls each once more. The host decides
//! how long to spin before it sleeps; [`WaitPolicy`] has the rules.
//!
//! This is the one place, with the APIs above it, that makes system calls and reads the clock.

mod admission;
#[cfg(not(target_family = "wasm"))]
mod attending;
mod backlog;
mod carrier;
#[cfg_attr(target_family = "wasm", path = "../hosted/engine/claim.rs")]
pub(crate) mod claim;
mod connecting;
mod dialing;
#[cfg_attr(target_family = "wasm", path = "../hosted/engine/directory.rs")]
pub(crate) mod directory;
mod drive;
#[cfg(target_family = "wasm")]
#[path = "../hosted/engine/from_host.rs"]
mod from_host;
#[cfg_attr(target_family = "wasm", path = "../hosted/engine/handover.rs")]
mod handover;
mod host;
#[cfg(all(test, not(target_family = "wasm"), not(loom)))]
#[path = "../hosted/engine/os/mod.rs"]
#[allow(dead_code, reason = "tests use some of what an engine does")]
mod hosted_os;
mod inspecting;
#[cfg_attr(target_family = "wasm", path = "../hosted/engine/leftovers.rs")]
pub(crate) mod leftovers;
mod link;
mod listener;
mod liveness;
#[cfg_attr(target_family = "wasm", path = "../hosted/engine/maintenance.rs")]
mod maintenance;
mod names;
mod opening;
mod options;
#[cfg_attr(target_family = "wasm", path = "../hosted/engine/os/mod.rs")]
pub(crate) mod os;
mod read_budget;
#[cfg(not(target_family = "wasm"))]
mod real_time;
mod reservations;
mod slab;
#[cfg_attr(target_family = "wasm", path = "../hosted/engine/status.rs")]
pub(crate) mod status;
mod wait_policy;
mod workload;

use std::collections::VecDeque;
#[cfg(not(target_family = "wasm"))]
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::error::{Code, Error, Result};
use crate::handshake::EngineId;
use crate::header::Kind;
use crate::limits::Lane;
use crate::memory::{self, named};
use crate::session::Draft;
use crate::time::Time;

pub use dialing::Dialing;
pub use directory::DIRECTORY_VARIABLE;
#[cfg(target_family = "wasm")]
pub use from_host::NotConnected;
pub use host::{ALIKE_LEN_MAX, Body, BufferId, Event, Host, LinkId, ListenerId, Peer, Readiness};
#[cfg(not(target_family = "wasm"))]
pub use link::Taken;
pub use link::{Deferred, LinkStats, Refusal, Reservation, Run, Sent, Totals};
pub use options::{Bounds, ListenOptions, Options, Overflow};
#[cfg(not(target_family = "wasm"))]
pub use os::bell::Waker;
#[cfg(not(target_family = "wasm"))]
pub use os::stop_signal::StopSignal;
use read_budget::ReadBudget;
use wait_policy::Contention;
pub use wait_policy::WaitPolicy;

use connecting::Handshaking;
use dialing::Dial;
use handover::TakingOver;
use link::Link;
use listener::Listener;
use names::Names;
use os::poller::{Poller, Source};
#[cfg(not(target_family = "wasm"))]
use os::watch::Arrivals;
use slab::{Key, Slab};

/// How long a closing link may go on writing what waits.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What an engine has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineStats {
    /// Open connections.
    pub links: usize,
    /// Handshakes that came to nothing.
    pub handshakes_failed: u64,
    /// Frames found although no bell had rung for them. Anything but 0 is a bug.
    pub lost_wakeups: u64,
    /// Segments of dead processes that were removed.
    pub segments_reclaimed: usize,
    /// Names of dead servers whose files were removed.
    pub servers_reclaimed: usize,
}

/// A thing with a control socket.
enum Entry {
    Handshaking {
        connecting: Box<Handshaking>,
        listener: Option<Key>,
        bounds: Bounds,
        /// What goes on if this comes to nothing.
        dial: Option<Box<Dial>>,
    },
    /// Between two attempts to connect.
    Dialing(Box<Dial>),
    TakingOver(Box<TakingOver>),
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
    /// Links that are not read because their server has enough to work on, in the order of their
    /// turns.
    throttled: VecDeque<Key>,
    /// Links with messages their peers have not been shown.
    unflushed: Vec<Key>,
    /// Where the next round over the hot links starts, so that none is always last.
    hot_start: usize,
    /// No link, connecting or listener has anything due before this, nor has the host. Never too
    /// late.
    due: Time,
    /// When the host asked to be driven.
    alarm: Time,
    backstop: Backstop,
    contention: Contention,
    read_budget: ReadBudget,
    stats: EngineStats,
    pulse: status::Pulse,
    /// Mappings this process had lost when that was checked last.
    losses: u64,
    /// When leftovers of dead servers were last searched for everywhere.
    cleared_at: Option<Time>,
    /// Reports servers that come, while one is awaited.
    #[cfg(not(target_family = "wasm"))]
    arrivals: Option<Arrivals>,
    /// Reused from drive to drive.
    ready: Vec<Source>,
    /// What comes over sockets is received here.
    received: Vec<u8>,
}

/// The polls that only exist to count lost wake-ups.
struct Backstop {
    due: Time,
    stage: usize,
    /// Links fell asleep since the last of them.
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
            throttled: VecDeque::new(),
            unflushed: Vec::new(),
            hot_start: 0,
            due: Time::NEVER,
            alarm: Time::NEVER,
            backstop: Backstop { due: Time::NEVER, stage: 0, fresh: false },
            contention: Contention::default(),
            read_budget: ReadBudget::default(),
            stats: EngineStats::default(),
            pulse: status::Pulse::default(),
            losses: memory::losses(),
            cleared_at: None,
            #[cfg(not(target_family = "wasm"))]
            arrivals: None,
            ready: Vec::new(),
            received: Vec::new(),
        })
    }

    /// Which engine this is: peers see it as [`Peer::engine`].
    pub fn id(&self) -> EngineId {
        self.id
    }

    /// This side's code for a method or event name, the same on all connections. It is good for as
    /// long as [`Self::names_epoch`] stays what it is.
    pub fn code(&mut self, name: &str) -> Result<u32> {
        self.names.code(name)
    }

    /// How often all names were given up, because there were too many. The upper half of a code is
    /// its epoch.
    pub fn names_epoch(&self) -> u16 {
        self.names.epoch()
    }

    // ---- sending ----

    /// Sends a message. The peer sees it after the next [`Self::flush`]; a request's outcome comes
    /// as a message or as [`Event::Ended`].
    #[inline]
    pub fn send(&mut self, link: LinkId, draft: &Draft, payload: &[u8]) -> Result<Sent> {
        self.send_by(link, draft, |found, names| found.send(draft, payload, names))
    }

    /// The same for a long payload, which is not copied before there is room for it: while that is
    /// awaited the engine keeps it.
    pub fn send_deferred(
        &mut self,
        link: LinkId,
        draft: &Draft,
        payload: Box<dyn Deferred>,
    ) -> Result<Sent> {
        self.send_by(link, draft, |found, names| found.send_deferred(draft, payload, names))
    }

    /// Begins a run of one-way messages, or of items of a stream, that differ in nothing but their
    /// payload, if they need nothing but to be written, or to wait for that. The peer sees them
    /// after the next [`Self::flush`].
    #[inline]
    pub fn run(&mut self, link: LinkId, draft: &Draft) -> Option<Run<'_>> {
        let Some(Entry::Link(found)) = self.entries.get_mut(link.0) else { return None };
        if !std::mem::replace(&mut found.unflushed, true) {
            self.unflushed.push(link.0);
        }
        found.run(draft)
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
        if draft.kind.is_answer() {
            found.count_work();
        }
        if !std::mem::replace(&mut found.unflushed, true) {
            self.unflushed.push(link.0);
        }
        if draft.kind == Kind::Request || matches!(sent, Ok(Sent::Queued)) {
            self.due = self.due.min(found.due());
        }
        // An answer will come, the next request may be read, something waits for room, or the link
        // is broken: it has to be polled.
        if !found.attention.is_hot()
            && (draft.kind != Kind::OneWay || !matches!(sent, Ok(Sent::Written)))
        {
            self.warm(link.0);
        }
        if !self.throttled.is_empty() {
            self.relieve();
        }
        sent
    }

    /// Reads on those that wait until their server has less to work on, as far as there is room.
    #[cold]
    fn relieve(&mut self) {
        while let Some(&key) = self.throttled.front() {
            if let Some(found) = self.link_mut(key) {
                if !found.take_turn() {
                    break;
                }
                self.warm(key);
            }
            self.throttled.pop_front();
        }
    }

    /// Shows the peers what was sent to them, and wakes those that sleep.
    #[inline]
    pub fn flush(&mut self) {
        while let Some(key) = self.unflushed.pop() {
            if let Some(Entry::Link(link)) = self.entries.get_mut(key) {
                link.unflushed = false;
                link.commit();
                self.pulse.touch(key, link);
                if !link.attention.is_hot() {
                    self.look_later(key);
                }
            }
        }
    }

    /// What may still be sent of the items of a request, of this kind: an item may while this is
    /// not 0, and [`Event::Granted`] says when it has grown. `None`: the request has ended.
    #[inline]
    pub fn credit(&mut self, link: LinkId, kind: Kind, id: u64) -> Option<u64> {
        self.link_mut(link.0)?.credit(kind, id)
    }

    /// Bytes that wait in private memory for room in a lane.
    #[inline]
    pub fn queued(&self, link: LinkId, lane: Lane) -> usize {
        self.link(link.0).map_or(0, |found| found.queued(lane))
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

    /// Asks for [`Event::Drained`] once nothing waits for room in this lane. Returns whether
    /// anything does.
    pub fn want_drain(&mut self, link: LinkId, lane: Lane) -> bool {
        self.link_mut(link.0).is_some_and(|found| found.want_drain(lane))
    }

    /// The same for all lanes.
    pub fn want_drain_all(&mut self, link: LinkId) -> bool {
        Lane::ALL.iter().fold(false, |any, lane| self.want_drain(link, *lane) | any)
    }

    /// Closes a connection: requests in flight end now, what waits for room is still written, and
    /// then comes [`Event::Closed`].
    pub fn close(&mut self, link: LinkId, host: &mut impl Host) {
        self.close_as(link, false, host);
    }

    fn close_as(&mut self, link: LinkId, leaves: bool, host: &mut impl Host) {
        match self.entries.get_mut(link.0) {
            Some(Entry::Link(found)) => {
                let deadline = Time::now() + CLOSE_TIMEOUT;
                found.close(deadline, leaves, host);
                self.due = self.due.min(deadline);
                self.warm(link.0);
            }
            Some(Entry::Handshaking { .. } | Entry::Dialing(_)) => {
                self.drop_handshake(link.0);
                host.event(Event::not_connected(link, None));
            }
            Some(Entry::TakingOver(_)) => {
                self.abandon(link.0);
                host.event(Event::not_connected(link, None));
            }
            None => {}
        }
    }

    /// Ends a connection that the host cannot go on with, like one whose peer broke the protocol:
    /// nothing more is read or written, and [`Event::Closed`] has the reason.
    pub fn break_off(&mut self, link: LinkId, error: Error) {
        if let Some(found) = self.link_mut(link.0) {
            found.break_off(error);
            self.warm(link.0);
        }
    }

    // ---- waiting synchronously ----

    /// Publishes on a link that this side does nothing before its request `id` is answered; `None`:
    /// it does again.
    pub fn wait_synchronously(&mut self, link: LinkId, id: Option<u64>) {
        if let Some(found) = self.link_mut(link.0) {
            found.wait_synchronously(id.unwrap_or(0));
        }
    }

    /// Whether this side, which waits synchronously on a link, and the engine at its other end wait
    /// for each other, be it over this connection or over another between the two. Asked between
    /// two drives: the answer may have come before the peer began to wait, so drive once more
    /// before acting on it.
    pub fn is_deadlocked(&self, link: LinkId) -> bool {
        let Some(found) = self.link(link.0) else { return false };
        // The process as well: which engine it is, a peer claims; its process, the kernel reports.
        let engine = |link: &Link| (link.peer.engine, link.peer.pid);
        self.entries.iter().any(|(_, entry)| match entry {
            Entry::Link(other) if engine(other) == engine(found) => {
                other.peer_waits_for().is_some_and(|id| other.is_unanswered(id))
            }
            _ => false,
        })
    }

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
}

#[cfg(not(target_family = "wasm"))]
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
