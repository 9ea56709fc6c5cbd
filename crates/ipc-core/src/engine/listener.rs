//! A server's name and socket, and its unfinished handshakes.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::claim::{Claim, Listening};
use super::greeting::Greeting;
use super::options::{Flow, ListenOptions};
use super::slab::Key;
use super::upkeep::Upkeep;
use super::workload::Workload;
use crate::error::{Code, Error};
use crate::handshake::Policy;
use crate::sys;
use crate::time::Time;

/// Clients taken in at once; the kernel holds the others until the next drive.
const ACCEPTS_MAX: usize = 64;
/// Clients turned away at once: as many as the kernel holds.
const REFUSALS_MAX: usize = 4096;
/// How long not to accept when there is no memory left, or not even a descriptor to turn a client away
/// with.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Listener {
    pub socket: Listening,
    pub policy: Policy,
    pub options: ListenOptions,
    pub flow: Flow,
    /// What all of them have this side work on, where that is limited.
    pub workload: Option<Arc<Workload>>,
    /// Open connections that came through here.
    pub links: usize,
    /// The name, and the files it consists of.
    pub upkeep: Upkeep,
    /// Clients that were told WELCOME and are not ready yet.
    welcomed: usize,
    /// Clients that have not said who they are, the oldest first.
    silent: VecDeque<Key>,
    paused_until: Option<Time>,
    /// Closed to make room for one more descriptor when there is none, so that a client can be
    /// told so instead of being left waiting.
    reserve: Option<OwnedFd>,
}

impl Listener {
    pub fn new(
        claim: Claim,
        socket: Listening,
        policy: Policy,
        options: ListenOptions,
        flow: Flow,
    ) -> Self {
        Self {
            socket,
            policy,
            options,
            flow,
            workload: options.serving_max.map(|max| Arc::new(Workload::new(max))),
            links: 0,
            upkeep: Upkeep::of(claim),
            welcomed: 0,
            silent: VecDeque::new(),
            paused_until: None,
            reserve: spare_descriptor(),
        }
    }

    /// Connections there are, and those that were agreed to.
    pub fn connections(&self) -> usize {
        self.links + self.welcomed
    }

    /// Takes in the clients that wait, as many as fit.
    pub fn accept(&mut self, now: Time) -> Vec<OwnedFd> {
        let mut accepted = Vec::new();
        while accepted.len() < ACCEPTS_MAX {
            match accept_from(&self.socket) {
                Ok(socket) if self.connections() >= self.options.connections_max => {
                    let max = self.options.connections_max;
                    let message = format!("the server has its {max} connections");
                    Greeting::refuse(&socket, &Error::new(Code::TooManyConnections, message));
                }
                Ok(socket) => accepted.push(socket),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => break,
                Err(Errno::MFILE | Errno::NFILE) if self.turn_all_away() => break,
                Err(_) => {
                    // The client stays where it is, so trying again at once would not end.
                    self.paused_until = Some(now + PAUSE);
                    break;
                }
            }
        }
        accepted
    }

    /// The clients that wait at a socket this listener had before.
    pub fn accept_all(former: &Listening) -> Vec<OwnedFd> {
        std::iter::from_fn(|| accept_from(former).ok()).collect()
    }

    /// Tells all that wait that there are no descriptors for them. Returns whether that was possible:
    /// then nothing waits any more, and the next one that comes is told in its turn.
    #[cold]
    fn turn_all_away(&mut self) -> bool {
        tracing::warn!("no descriptors left to accept clients with");
        let message = "the server has no descriptors left";
        for _ in 0..REFUSALS_MAX {
            if self.reserve.take().is_none() {
                break;
            }
            let accepted = accept_from(&self.socket);
            if let Ok(socket) = &accepted {
                Greeting::refuse(socket, &Error::new(Code::NoDescriptors, message));
            }
            // Whatever it was is closed before the reserve takes its place again.
            let is_over = !matches!(accepted, Ok(_) | Err(Errno::INTR | Errno::CONNABORTED));
            let is_last = matches!(accepted, Err(Errno::AGAIN));
            drop(accepted);
            self.reserve = spare_descriptor();
            if is_over {
                return is_last && self.reserve.is_some();
            }
        }
        self.reserve.is_some()
    }

    /// A greeting has begun. Returns the one that has to go for it.
    pub fn admit(&mut self, greeting: Key) -> Option<Key> {
        self.silent.push_back(greeting);
        let crowded = self.silent.len() > self.options.unfinished_max;
        crowded.then(|| self.silent.pop_front()).flatten()
    }

    /// A client has said who it is, and was told WELCOME or not.
    pub fn hear(&mut self, greeting: Key, is_welcomed: bool) {
        self.silent.retain(|key| *key != greeting);
        self.welcomed += usize::from(is_welcomed);
    }

    /// A greeting has ended, one way or the other.
    pub fn forget(&mut self, greeting: Key, was_welcomed: bool) {
        if was_welcomed {
            self.welcomed -= 1;
        } else {
            self.silent.retain(|key| *key != greeting);
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
                self.reserve = spare_descriptor();
            }
        }
        over
    }
}

fn accept_from(socket: &Listening) -> rustix::io::Result<OwnedFd> {
    sys::fault()?;
    rustix::net::accept_with(socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
}

fn spare_descriptor() -> Option<OwnedFd> {
    sys::fault().ok()?;
    rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}
