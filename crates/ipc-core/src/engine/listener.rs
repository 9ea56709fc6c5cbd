//! A server's name and socket, and its unfinished handshakes.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::directory::Claim;
use super::greeting::Greeting;
use super::options::{Flow, ListenOptions};
use super::slab::Key;
use super::workload::Workload;
use crate::error::{Code, Error};
use crate::handshake::Policy;
use crate::sys;
use crate::time::Time;

/// Clients taken in at once; the kernel holds the others until the next drive.
const ACCEPTS_MAX: usize = 64;
/// How long not to accept when there are no descriptors or no memory left.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Listener {
    pub socket: OwnedFd,
    pub policy: Policy,
    pub options: ListenOptions,
    pub flow: Flow,
    /// What all of them have this side work on, where that is limited.
    pub workload: Option<Arc<Workload>>,
    /// Open connections that came through here.
    pub links: usize,
    /// Greetings under way, the oldest first.
    unfinished: VecDeque<Key>,
    paused_until: Option<Time>,
    /// Closed to make room for one more descriptor when there is none, so that a client can be
    /// told so instead of being left waiting.
    reserve: Option<OwnedFd>,
    _claim: Claim,
}

impl Listener {
    pub fn new(
        claim: Claim,
        socket: OwnedFd,
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
            unfinished: VecDeque::new(),
            paused_until: None,
            reserve: spare_descriptor(),
            _claim: claim,
        }
    }

    /// Takes in the clients that wait, as many as fit.
    pub fn accept(&mut self, now: Time) -> Vec<OwnedFd> {
        let mut accepted = Vec::new();
        while accepted.len() < ACCEPTS_MAX {
            match self.accept_one() {
                Ok(socket) if self.links >= self.options.connections_max => {
                    let max = self.options.connections_max;
                    let message = format!("the server has its {max} connections");
                    Greeting::refuse(&socket, &Error::new(Code::TooManyConnections, message));
                }
                Ok(socket) => accepted.push(socket),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => break,
                Err(cause) => {
                    if matches!(cause, Errno::MFILE | Errno::NFILE) {
                        self.turn_one_away();
                    }
                    // The client stays where it is, so trying again at once would not end.
                    self.paused_until = Some(now + PAUSE);
                    break;
                }
            }
        }
        accepted
    }

    fn accept_one(&self) -> rustix::io::Result<OwnedFd> {
        sys::fault()?;
        rustix::net::accept_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
    }

    fn turn_one_away(&mut self) {
        tracing::warn!("no descriptors left to accept a client with");
        if self.reserve.take().is_some()
            && let Ok(socket) = self.accept_one()
        {
            let message = "the server has no descriptors left";
            Greeting::refuse(&socket, &Error::new(Code::NoDescriptors, message));
        }
        self.reserve = spare_descriptor();
    }

    /// A greeting has begun. Returns the one that has to go for it.
    pub fn admit(&mut self, greeting: Key) -> Option<Key> {
        self.unfinished.push_back(greeting);
        let crowded = self.unfinished.len() > self.options.unfinished_max;
        crowded.then(|| self.unfinished.pop_front()).flatten()
    }

    /// A greeting has ended, one way or the other.
    pub fn forget(&mut self, greeting: Key) {
        self.unfinished.retain(|key| *key != greeting);
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

fn spare_descriptor() -> Option<OwnedFd> {
    rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}
