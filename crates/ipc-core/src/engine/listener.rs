//! A server's name and socket, and its unfinished handshakes.

use std::collections::VecDeque;
#[cfg(not(target_family = "wasm"))]
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use super::claim::{Claim, Listening};
use super::connecting::Handshaking;
use super::maintenance::Maintenance;
use super::options::{Bounds, ListenOptions};
use super::os::socket::{self, HandshakeSocket};
use super::slab::Key;
use super::status::Status;
use super::workload::Workload;
use crate::error::{Code, Error, Result};
use crate::handshake::Policy;
#[cfg(not(target_family = "wasm"))]
use crate::sys::BorrowedFd;
use crate::sys::{Errno, OwnedFd};
use crate::time::Time;

/// Clients taken in at once; the kernel holds the others until the next drive.
const ACCEPTS_MAX: usize = 64;
/// Clients turned away at once: as many as the kernel holds.
const REFUSALS_MAX: usize = 4096;
/// How long not to accept when there is no memory left, or not even a descriptor to turn a client
/// away with.
const PAUSE: Duration = Duration::from_millis(20);

/// How far a listener has been handed over to a new server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lending {
    Nobody,
    /// The new server of this handshake was sent the name, and has not taken it yet.
    To(Key),
    /// It has taken it.
    Over,
}

pub(super) struct Listener {
    /// The name, and the files it consists of. First, so that it goes before the socket: as long as
    /// that is open, no other file can be taken for it.
    pub maintenance: Maintenance,
    /// Where others see what it does; `None`: it could not be had.
    pub status: Option<Status>,
    pub socket: Listening,
    pub policy: Policy,
    pub options: ListenOptions,
    pub bounds: Bounds,
    /// What all of them have this side work on, where that is limited.
    pub workload: Option<Arc<Workload>>,
    /// Open connections that came through here.
    pub links: usize,
    /// Handshakes that came to nothing.
    pub refused: u64,
    lending: Lending,
    /// Clients that were sent WELCOME and are not ready yet.
    welcomed: usize,
    /// Clients that have not sent HELLO, the oldest first.
    awaiting_hello: VecDeque<Key>,
    paused_until: Option<Time>,
    /// Closed to make room for one more descriptor when there is none, so that a client can be
    /// refused with that reason instead of being left waiting.
    reserve: Option<OwnedFd>,
}

impl Listener {
    pub fn new(
        claim: Claim,
        socket: Listening,
        policy: Policy,
        options: ListenOptions,
        bounds: Bounds,
    ) -> Self {
        Self {
            maintenance: Maintenance::of(claim),
            socket,
            policy,
            options,
            bounds,
            workload: options.serving_max.map(|max| Arc::new(Workload::new(max))),
            links: 0,
            refused: 0,
            status: None,
            lending: Lending::Nobody,
            welcomed: 0,
            awaiting_hello: VecDeque::new(),
            paused_until: None,
            reserve: socket::spare_descriptor(),
        }
    }

    /// What a new server needs to take the name over, unless another is doing so: the socket and
    /// the lock.
    #[cfg(not(target_family = "wasm"))]
    pub fn lendable(&self) -> Result<[BorrowedFd<'_>; 2]> {
        let claim = self.maintenance.claim();
        if claim.is_inherited() {
            let message = "the socket belongs to the supervisor of this server: let that start it \
                           anew, and clients wait meanwhile";
            return Err(Error::new(Code::Feature, message));
        }
        if self.lending != Lending::Nobody {
            return Err(Error::new(Code::NameInUse, "another server is taking the name over"));
        }
        Ok([self.socket.as_fd(), claim.lock()])
    }

    /// It was sent to the new server of this handshake, which has not taken it yet.
    pub fn lend(&mut self, to: Key) {
        self.lending = Lending::To(to);
        self.maintenance.claim_mut().set_lent(true);
    }

    /// A handshake is over. If it was with a new server, that has not taken the name.
    fn take_back(&mut self, from: Key) {
        if self.lending == Lending::To(from) {
            self.lending = Lending::Nobody;
            self.maintenance.claim_mut().set_lent(false);
        }
    }

    /// The new server has the name.
    pub fn let_go(&mut self) {
        self.lending = Lending::Over;
        if let Some(status) = &mut self.status {
            status.leave();
        }
        self.maintenance.end();
    }

    /// Whether another server has the name. What was reported of the socket and the files, before
    /// the engine ceased to watch them, is that server's to look after.
    pub fn is_taken(&self) -> bool {
        self.lending == Lending::Over
    }

    /// Whether another server has the name, and all that came here have an open connection or none.
    pub fn is_finished(&self) -> bool {
        self.lending == Lending::Over && self.welcomed == 0 && self.awaiting_hello.is_empty()
    }

    /// Accepts nothing before this time.
    pub fn pause(&mut self, until: Time) {
        self.paused_until = Some(until);
    }

    /// Whether there is room for one more beside the connections there are, and those that were
    /// agreed to.
    pub fn check_room(&self) -> Result<()> {
        let connections_max = self.options.connections_max;
        if self.links + self.welcomed < connections_max {
            return Ok(());
        }
        let message = format!("the server has its {connections_max} connections");
        Err(Error::new(Code::TooManyConnections, message))
    }

    /// Takes in the clients that wait, as many as fit. An error means that none ever will be.
    pub fn accept(&mut self, now: Time) -> Result<Vec<HandshakeSocket>> {
        let mut accepted = Vec::new();
        while accepted.len() < ACCEPTS_MAX {
            match socket::accept(&self.socket) {
                // Also of one that has its connections: it may be a new server.
                Ok(socket) => accepted.push(socket),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => break,
                Err(Errno::MFILE | Errno::NFILE) if self.turn_all_away() => break,
                // A sandbox that does not permit it.
                Err(cause @ (Errno::NOSYS | Errno::PERM | Errno::ACCESS)) => {
                    return Err(Error::system("accepting clients (accept4)", cause));
                }
                Err(_) => {
                    // The client stays where it is, so trying again at once would not end.
                    self.paused_until = Some(now + PAUSE);
                    break;
                }
            }
        }
        Ok(accepted)
    }

    /// The clients that wait at a socket this listener had before.
    pub fn accept_all(former: &Listening) -> Vec<HandshakeSocket> {
        std::iter::from_fn(|| socket::accept(former).ok()).collect()
    }

    /// Refuses all waiting clients because there are no descriptors for them. Returns whether that
    /// was possible: then none waits any more, and the next one is refused in its turn.
    #[cold]
    fn turn_all_away(&mut self) -> bool {
        tracing::warn!("no descriptors left to accept clients with");
        let message = "the server has no descriptors left";
        for _ in 0..REFUSALS_MAX {
            if self.reserve.take().is_none() {
                break;
            }
            let accepted = socket::accept(&self.socket);
            if let Ok(socket) = &accepted {
                Handshaking::refuse(socket, &Error::new(Code::NoDescriptors, message));
            }
            // Whatever it was is closed before the reserve takes its place again.
            let is_over = !matches!(accepted, Ok(_) | Err(Errno::INTR | Errno::CONNABORTED));
            let is_last = matches!(accepted, Err(Errno::AGAIN));
            drop(accepted);
            self.reserve = socket::spare_descriptor();
            if is_over {
                return is_last && self.reserve.is_some();
            }
        }
        self.reserve.is_some()
    }

    /// A connecting has begun. Returns the one that has to go for it.
    pub fn admit(&mut self, connecting: Key) -> Option<Key> {
        self.awaiting_hello.push_back(connecting);
        let is_full = self.awaiting_hello.len() > self.options.unfinished_max;
        is_full.then(|| self.awaiting_hello.pop_front()).flatten()
    }

    /// A client has sent HELLO, and was sent WELCOME or not.
    pub fn hello_received(&mut self, connecting: Key, is_welcomed: bool) {
        self.awaiting_hello.retain(|key| *key != connecting);
        self.welcomed += usize::from(is_welcomed);
    }

    /// A connecting has ended, one way or the other.
    pub fn forget(&mut self, connecting: Key, was_welcomed: bool) {
        self.take_back(connecting);
        if was_welcomed {
            self.welcomed -= 1;
        } else {
            self.awaiting_hello.retain(|key| *key != connecting);
        }
    }

    /// When to accept again, while not accepting.
    pub fn paused_until(&self) -> Option<Time> {
        self.paused_until
    }

    /// Ends a pause that is over. Returns whether one was.
    pub fn resume(&mut self, now: Time) -> bool {
        let over = self.paused_until.is_some_and(|until| until <= now);
        if over {
            self.paused_until = None;
            if self.reserve.is_none() {
                self.reserve = socket::spare_descriptor();
            }
        }
        over
    }
}
