//! What the host has said of its sockets, by their numbers, as a kernel keeps it by descriptors.
//! There is one engine in a thread.

use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use super::poller::Source;
use super::socket::Attempt;
use crate::hosted::imports::{self, Number, Sending};
use crate::sys::Errno;

thread_local! {
    static SOCKETS: RefCell<Sockets> = RefCell::default();
}

#[derive(Default)]
struct Sockets {
    known: BTreeMap<Number, Socket>,
    /// The last one that this side has begun to connect is the n-th.
    begun: Number,
    /// Those of which there is something to report, or was.
    ready: Vec<Number>,
}

/// One of them.
pub(in crate::engine) struct Socket {
    /// What came of connecting it; `None`: it is not known yet.
    pub attempt: Option<Result<Attempt, Errno>>,
    /// What has come, of which so much was read.
    came: Vec<u8>,
    read: usize,
    /// Nothing more will come.
    pub has_ended: bool,
    /// Clients that wait here.
    pub clients: VecDeque<Number>,
    /// What is reported, while it is watched.
    source: Option<Source>,
    /// Whether it is to be reported that it takes bytes.
    awaits_room: bool,
    takes: bool,
    /// It is in the queue.
    is_queued: bool,
}

impl Socket {
    fn new(attempt: Option<Result<Attempt, Errno>>) -> Self {
        Self {
            attempt,
            came: Vec::new(),
            read: 0,
            has_ended: false,
            clients: VecDeque::new(),
            source: None,
            awaits_room: false,
            takes: true,
            is_queued: false,
        }
    }

    /// What is to be reported of it, if anything is.
    fn report(&self) -> Option<Source> {
        let is_ready = self.has_unread()
            || self.has_ended
            || !self.clients.is_empty()
            || self.awaits_room && self.takes;
        self.source.filter(|_| is_ready)
    }

    pub fn has_unread(&self) -> bool {
        self.read < self.came.len()
    }

    /// Copies what has come, as far as there is room. Returns how much that is.
    pub fn read(&mut self, bytes: &mut [u8]) -> usize {
        let unread = &self.came[self.read..];
        let len = unread.len().min(bytes.len());
        bytes[..len].copy_from_slice(&unread[..len]);
        self.read += len;
        if !self.has_unread() {
            self.came.clear();
            self.read = 0;
        }
        len
    }

    /// Moves all that has come into an empty buffer.
    pub fn read_all(&mut self, buffer: &mut Vec<u8>) {
        self.came.drain(..std::mem::take(&mut self.read));
        std::mem::swap(buffer, &mut self.came);
    }
}

/// Runs `work` with a socket, unless it is closed, and sees to it that what comes of that is
/// reported.
pub(in crate::engine) fn with<T>(number: Number, work: impl FnOnce(&mut Socket) -> T) -> Option<T> {
    SOCKETS.with_borrow_mut(|Sockets { known, ready, .. }| {
        let socket = known.get_mut(&number)?;
        let done = work(socket);
        if !socket.is_queued && socket.report().is_some() {
            socket.is_queued = true;
            ready.push(number);
        }
        Some(done)
    })
}

/// Begins to connect a new one.
pub(in crate::engine) fn connect(address: &str) -> Number {
    let number = SOCKETS.with_borrow_mut(|Sockets { known, begun, .. }| {
        loop {
            *begun = begun.wrapping_add(1);
            let number = begun.wrapping_mul(2) | 1;
            if let Entry::Vacant(free) = known.entry(number) {
                free.insert(Socket::new(None));
                return number;
            }
        }
    });
    imports::connect(number, address);
    number
}

/// Takes in one that the host has: it listens, or a client has connected.
pub(in crate::engine) fn adopt(number: Number) {
    SOCKETS.with_borrow_mut(|Sockets { known, .. }| {
        known.insert(number, Socket::new(Some(Ok(Attempt::Connected))));
    });
}

/// Has the host send bytes.
pub(in crate::engine) fn send(number: Number, bytes: &[u8]) -> Sending {
    let sent = imports::send(number, bytes);
    with(number, |socket| socket.takes = sent != Sending::Later);
    sent
}

pub(in crate::engine) fn close(number: Number) {
    let was_known = SOCKETS.with_borrow_mut(|Sockets { known, .. }| known.remove(&number));
    let Some(socket) = was_known else { return };
    imports::close(number);
    socket.clients.into_iter().for_each(close);
}

/// What is reported of a socket from now on; `None`: nothing.
pub(in crate::engine) fn watch(number: Number, source: Option<Source>) {
    with(number, |socket| socket.source = source);
}

/// Whether it is to be reported that a socket takes bytes.
pub(in crate::engine) fn await_room(number: Number, awaits_room: bool) {
    with(number, |socket| socket.awaits_room = awaits_room);
}

/// A socket takes bytes again.
pub(in crate::engine) fn drained(number: Number) {
    with(number, |socket| socket.takes = true);
}

/// Bytes have come.
pub(in crate::engine) fn received(number: Number, bytes: &[u8]) {
    with(number, |socket| {
        if !socket.has_ended {
            socket.came.extend_from_slice(bytes);
        }
    });
}

/// Whether there is anything to report.
pub(in crate::engine) fn has_reports() -> bool {
    SOCKETS.with_borrow(|Sockets { known, ready, .. }| {
        ready.iter().any(|number| known.get(number).is_some_and(|it| it.report().is_some()))
    })
}

/// Reports what there is; what stays as it is, is reported again.
pub(in crate::engine) fn report(reports: &mut Vec<Source>) {
    SOCKETS.with_borrow_mut(|Sockets { known, ready, .. }| {
        ready.retain(|number| {
            let Some(socket) = known.get_mut(number) else { return false };
            let report = socket.report();
            socket.is_queued = report.is_some();
            reports.extend(report);
            socket.is_queued
        });
    });
}
