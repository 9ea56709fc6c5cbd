//! The sessions of a client, one after the other: which one there is, and what comes after it.
//!
//! ```text
//!   Connecting --- connected ---> Open <--- connected --- Reconnecting
//!       |                          | ---- lost, or left ----> |
//!       |                          | closed, here or there    | given up, or refused for good
//!       +--------- failed -------> Closed <-------------------+
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::{Code, Dialing, Engine, Error, Lane, LinkId, Options, Peer, Result, Time};

use super::away::Away;
use crate::api::{ClientConfig, WhileAway};

/// Changes that are kept for a program that does not ask for them.
const CHANGES_MAX: usize = 64;

/// How a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientState {
    /// It has had no session yet.
    Connecting,
    /// There is a session, and what is sent goes there.
    Open,
    /// Its session was lost, and another is awaited.
    Reconnecting,
    /// There will be none any more.
    Closed,
}

/// A session of a client that was lost, or that has taken the place of one that was.
///
/// ```
/// use ringpost::tokio::ClientChange;
///
/// fn describe(change: &ClientChange) -> String {
///     match change {
///         ClientChange::Disconnected { reason: Some(error), .. } => format!("lost: {error}"),
///         ClientChange::Disconnected { reason: None, .. } => "the server has closed".into(),
///         ClientChange::Reconnected { peer, away } => {
///             format!("process {} is there after {away:?}", peer.pid)
///         }
///         _ => "something else".into(),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientChange {
    /// The session was lost, and the client is reconnecting.
    Disconnected {
        /// Why, unless the server is about to leave.
        reason: Option<Error>,
        /// Bytes of messages that the server has not read, by lane, those that waited for room and
        /// the headers included. What was read may not have been handled. Under
        /// [`Transport::Socket`](crate::Transport::Socket) what a server had read and not said so
        /// is counted as well: less than a quarter of each lane. None are counted of a server that
        /// is about to leave, which may still read them.
        undelivered: [u64; Lane::ALL.len()],
    },
    /// There is a session again, and what waited for it was sent.
    Reconnected {
        /// Who is at the other end now.
        peer: Peer,
        /// How long there was none.
        away: Duration,
    },
}

/// What a client has counted of its sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Requests, streams and one-way messages that wait for a session.
    pub waiting: usize,
    /// Sessions after the first.
    pub reconnects: u64,
    /// One-way messages that were dropped while there was no session, by lane.
    pub dropped: [u64; Lane::ALL.len()],
}

/// A client, as the engine's lock protects it.
pub(super) struct Sessions {
    name: Box<str>,
    config: ClientConfig,
    state: ClientState,
    /// What is sent goes there, if there is one.
    session: Option<LinkId>,
    /// The connection whose end is that of the session: this, or one that is being made.
    current: Option<LinkId>,
    /// A server that refuses the first session is asked again, where that may pass.
    insists: bool,
    /// There is to be no further session.
    is_draining: bool,
    /// The server it had last is about to leave, or has left.
    is_left: bool,
    /// How often that was so.
    leaves: u64,
    /// Whom it has, or had last.
    peer: Option<Arc<Peer>>,
    /// Since when there is no session.
    lost_at: Time,
    reconnects: u64,
    pub away: Away,
    changes: VecDeque<ClientChange>,
    /// Why it is closed, unless it was done gracefully.
    reason: Option<Error>,
    /// It is closed because no session came about.
    was_refused: bool,
}

impl Sessions {
    pub fn new(name: &str, config: &ClientConfig, insists: bool) -> Self {
        Self {
            name: name.into(),
            config: config.clone(),
            state: ClientState::Connecting,
            session: None,
            current: None,
            insists,
            is_draining: false,
            is_left: false,
            leaves: 0,
            peer: None,
            lost_at: Time::NEVER,
            reconnects: 0,
            away: Away::new(&config.options),
            changes: VecDeque::new(),
            reason: None,
            was_refused: false,
        }
    }

    // ---- getting a session ----

    /// Begins to connect, for the first time or again.
    pub fn dial(&mut self, engine: &mut Engine) -> Result<LinkId> {
        let ClientConfig { wait_for_server, connect_timeout, give_up_after, .. } = self.config;
        let options: &Options = &self.config.options;
        let timeout = match self.state {
            ClientState::Connecting => wait_for_server,
            _ => Some(give_up_after),
        };
        let link = match timeout {
            Some(timeout) => {
                let insists = self.insists || self.state != ClientState::Connecting;
                let dialing = Dialing { timeout, attempt_timeout: connect_timeout, insists };
                engine.dial(&self.name, options, dialing)
            }
            None => engine.connect(&self.name, options, connect_timeout),
        }?;
        self.current = Some(link);
        Ok(link)
    }

    /// There is a session.
    pub fn opened(&mut self, link: LinkId, peer: &Peer, now: Time) {
        match self.state {
            ClientState::Connecting => {}
            ClientState::Reconnecting => {
                self.reconnects += 1;
                let away = now.saturating_since(self.lost_at);
                self.changed(ClientChange::Reconnected { peer: peer.clone(), away });
            }
            ClientState::Open | ClientState::Closed => return,
        }
        self.peer = Some(Arc::new(peer.clone()));
        self.session = Some(link);
        self.is_left = false;
        self.state = ClientState::Open;
    }

    /// The server of a connection is about to leave: what is in flight has its outcome there, and
    /// all else goes to the next.
    pub fn server_leaves(&mut self, link: LinkId, now: Time) {
        if self.session != Some(link) {
            return;
        }
        self.is_left = true;
        self.leaves += 1;
        if self.has_another() {
            self.move_on(None, [0; Lane::ALL.len()], now);
        }
    }

    /// A connection is over, or has not come about.
    pub fn ended(
        &mut self,
        link: LinkId,
        error: Option<Error>,
        undelivered: [u64; Lane::ALL.len()],
        now: Time,
    ) {
        if self.current != Some(link) {
            return;
        }
        // A server that goes says so first: one that does not has closed this connection only.
        if self.session.is_some() && self.has_another() && error.is_some() {
            self.move_on(error, undelivered, now);
        } else {
            self.close(error);
        }
    }

    /// Nothing more is sent over the session, and another is to be made.
    fn move_on(&mut self, reason: Option<Error>, undelivered: [u64; Lane::ALL.len()], now: Time) {
        (self.session, self.current) = (None, None);
        self.lost_at = now;
        self.state = ClientState::Reconnecting;
        self.changed(ClientChange::Disconnected { reason, undelivered });
    }

    /// Whether the loss of a session is not its end.
    pub fn has_another(&self) -> bool {
        let had_one = matches!(self.state, ClientState::Open | ClientState::Reconnecting);
        had_one && self.config.reconnect && !self.is_draining
    }

    /// There is to be no session after the one there is, which is returned.
    pub fn drain(&mut self) -> Option<LinkId> {
        self.is_draining = true;
        self.session
    }

    /// There will be no session any more. What waits for one is the caller's to end.
    pub fn close(&mut self, reason: Option<Error>) {
        if self.state != ClientState::Closed {
            self.was_refused = self.state != ClientState::Open;
            (self.state, self.reason) = (ClientState::Closed, reason);
        }
        self.session = None;
        self.is_left = false;
    }

    // ---- what is known of it ----

    pub fn state(&self) -> ClientState {
        self.state
    }

    #[inline]
    pub fn session(&self) -> Option<LinkId> {
        self.session
    }

    /// The session, for what cannot wait for another.
    pub fn present(&self) -> Result<LinkId> {
        self.session.ok_or_else(|| match self.state {
            ClientState::Closed => self.end(),
            _ => away(),
        })
    }

    /// The session, or the connection that is to become one.
    pub fn current(&self) -> Option<LinkId> {
        self.current
    }

    /// Whether the server it had last is about to leave, and how often servers were.
    pub fn leaving(&self) -> (bool, u64) {
        (self.is_left, self.leaves)
    }

    pub fn peer(&self) -> Option<&Arc<Peer>> {
        self.peer.as_ref()
    }

    pub fn next_change(&mut self) -> Option<ClientChange> {
        self.changes.pop_front()
    }

    /// Why it is closed.
    pub fn reason(&self) -> Option<Error> {
        self.reason.as_ref().map(|error| Error::new(error.code(), error.to_string()))
    }

    pub fn stats(&self) -> ClientStats {
        let Self { reconnects, away, .. } = self;
        ClientStats { waiting: away.len(), reconnects: *reconnects, dropped: away.dropped }
    }

    /// Whether what is sent now may wait for a session.
    pub fn check_waits(&self) -> Result<()> {
        if self.state == ClientState::Closed {
            return Err(self.end());
        }
        match self.config.while_away {
            WhileAway::Wait => Ok(()),
            WhileAway::Fail => Err(away()),
        }
    }

    /// Why it is closed, if no session came about.
    pub fn refusal(&self) -> Option<Error> {
        self.reason().filter(|_| self.was_refused)
    }

    /// What is sent to a client that is closed ends with this.
    pub fn end(&self) -> Error {
        self.refusal().unwrap_or_else(|| Error::new(Code::Closed, "the client is closed"))
    }

    fn changed(&mut self, change: ClientChange) {
        if self.changes.len() == CHANGES_MAX {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }
}

fn away() -> Error {
    Error::new(Code::NoServer, "the server is away, and the client reconnects")
}
