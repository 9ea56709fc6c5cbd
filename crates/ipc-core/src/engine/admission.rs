//! Connections on their way to being one: accepting clients and going on with handshakes.

use std::time::Duration;

use super::connecting::{self, Handshaking, Progress};
use super::host::{Event, Host, LinkId, ListenerId, Peer};
use super::link::Link;
use super::options::Bounds;
use super::os::bell::Bell;
use super::os::credentials;
use super::os::poller::Source;
use super::os::socket::HandshakeSocket;
use super::os::stream::Stream;
use super::slab::Key;
use super::{Engine, Entry, too_many};
use crate::error::{Code, Error, Result};
use crate::time::{Now, Time};

/// How often a client whose server's queue is full tries again.
const CONNECT_INTERVAL: Duration = Duration::from_millis(2);

impl Engine {
    pub(super) fn start_handshake(
        &mut self,
        connecting: Handshaking,
        listener: Option<Key>,
        bounds: Bounds,
        now: Time,
    ) -> Result<Key> {
        let entry =
            Entry::Handshaking { connecting: Box::new(connecting), listener, bounds, dial: None };
        let key = match self.entries.insert(entry) {
            Ok(key) => key,
            Err(refused) => {
                if let (Entry::Handshaking { connecting, .. }, Some(_)) = (refused, listener) {
                    Handshaking::refuse(connecting.socket(), &too_many());
                }
                return Err(too_many());
            }
        };
        let awaited = self.await_handshake(key, now);
        if let (Err(error), Some(Entry::Handshaking { connecting, .. })) =
            (&awaited, self.entries.get(key))
        {
            if listener.is_some() {
                Handshaking::refuse(connecting.socket(), error);
            }
            self.entries.remove(key);
        }
        awaited.map(|()| key)
    }

    /// Waits for what comes next of a handshake.
    pub(super) fn await_handshake(&mut self, key: Key, now: Time) -> Result<()> {
        let Some(Entry::Handshaking { connecting, .. }) = self.entries.get(key) else {
            return Ok(());
        };
        // A socket that is not connected yet would only report, again and again, that it has no
        // peer.
        if connecting.is_connecting() {
            self.due = self.due.min(now + CONNECT_INTERVAL);
            return Ok(());
        }
        self.due = self.due.min(connecting.deadline);
        self.poller.watch(connecting.socket(), Source::Socket(key))
    }

    /// Gives up a connection that is being made.
    pub(super) fn drop_handshake(&mut self, key: Key) {
        if let Some(Entry::Handshaking { connecting, listener, .. }) = self.entries.remove(key) {
            self.poller.forget(connecting.socket());
            if let Some(listener) = listener.and_then(|key| self.listeners.get_mut(key)) {
                listener.forget(key, connecting.is_welcomed());
            }
        }
        self.watch_no_longer();
    }

    /// Goes on with a handshake. Returns whether a link has come of it.
    pub(super) fn proceed(&mut self, key: Key, now: &Now, host: &mut impl Host) -> bool {
        let Some(Entry::Handshaking { connecting, listener, .. }) = self.entries.get_mut(key)
        else {
            return false;
        };
        let listener = *listener;
        let through = listener.and_then(|key| self.listeners.get(key));
        let was_silent = connecting.is_silent();
        let progress = connecting.proceed(through, self.id);
        if was_silent && !connecting.is_silent() {
            self.has_spoken(key, listener, now);
        }
        match progress {
            Ok(Progress::Waiting) => false,
            Ok(Progress::Agreed(agreed)) => {
                self.open(key, agreed, host);
                self.finish_admission(listener, host);
                true
            }
            Ok(Progress::Lent) => {
                if let Some(listener) = listener.and_then(|key| self.listeners.get_mut(key)) {
                    listener.lend(key);
                }
                false
            }
            Ok(Progress::LetGo) => {
                self.let_go(key, host);
                false
            }
            // No server sends what a new one asks a server for.
            Ok(Progress::Offered(_)) => false,
            Err(error) => {
                self.fail_handshake(key, error, now.get(), host);
                false
            }
        }
    }

    /// A client has sent HELLO. One that was sent WELCOME counts as a connection from now on.
    fn has_spoken(&mut self, key: Key, listener: Option<Key>, now: &Now) {
        let Some(listener) = listener.and_then(|key| self.listeners.get_mut(key)) else { return };
        let Some(Entry::Handshaking { connecting, .. }) = self.entries.get_mut(key) else { return };
        listener.hello_received(key, connecting.is_welcomed());
        connecting.deadline = now.get() + listener.options.ready_timeout;
        self.due = self.due.min(connecting.deadline);
    }

    fn open(&mut self, key: Key, mut agreed: connecting::Agreed, host: &mut impl Host) {
        let link = LinkId(key);
        let Some(Entry::Handshaking { bounds, listener, .. }) = self.entries.get(key) else {
            return;
        };
        let (bounds, listener) = (*bounds, *listener);
        let watching = self.poller.watching(Source::Socket(key));
        agreed.peer.is_self = self.is_self(key, &agreed.peer, listener.is_some());
        let peer = agreed.peer.clone();
        // The entry keeps its key: the host has known the connection by it since it asked for one.
        self.entries.update(key, |entry| match entry {
            Entry::Handshaking { connecting, .. } => {
                let (socket, behind) = connecting.into_socket();
                let stream = agreed.mirror().map(|mirror| Stream::new(mirror, watching));
                let bell = Bell::new(socket, stream);
                let mut link = Link::new(link, agreed, bell, bounds, listener);
                link.begin(&behind);
                Entry::Link(Box::new(link))
            }
            link => link,
        });
        self.watch_no_longer();
        self.stats.links += 1;
        if let Some(through) = listener.and_then(|key| self.listeners.get_mut(key)) {
            through.forget(key, true);
            through.links += 1;
            let workload = through.workload.clone();
            if let Some(link) = self.link_mut(key) {
                link.share(workload);
            }
            self.show_opened(key);
        }
        tracing::debug!(pid = peer.pid, transport = peer.transport.name(), "connected");
        match listener {
            Some(listener) => {
                let listener = ListenerId(listener);
                host.event(Event::Accepted { listener, link, peer: &peer });
            }
            None => host.event(Event::Connected { link, peer: &peer }),
        }
        self.warm(key);
    }

    /// Whether the peer of a session is this engine: the other end of it is here too, and the
    /// kernel reports that it is of this process. What a peer claims does not count, and neither
    /// does a session's name alone: a client of ours may use it as a server of ours.
    fn is_self(&self, key: Key, peer: &Peer, is_server: bool) -> bool {
        let Some(own) = credentials::own_pid() else { return false };
        if u32::try_from(peer.pid) != Ok(own) {
            return false;
        }
        self.entries.iter().any(|(other, entry)| {
            let (session, other_is_server) = match entry {
                Entry::Link(link) => (link.peer.session, link.listener.is_some()),
                Entry::Handshaking { connecting, .. } => match connecting.offered() {
                    Some(offered) => (offered.session, true),
                    None => return false,
                },
                Entry::TakingOver(_) | Entry::Dialing(_) => return false,
            };
            other != key && other_is_server != is_server && session == peer.session
        })
    }

    fn fail_handshake(&mut self, key: Key, error: Error, now: Time, host: &mut impl Host) {
        let Some(Entry::Handshaking { connecting, listener, dial, .. }) = self.entries.get(key)
        else {
            return;
        };
        let (listener, is_dialed) = (*listener, dial.is_some());
        if is_dialed {
            self.poller.forget(connecting.socket());
        }
        self.count_refused(listener);
        tracing::debug!(code = error.code().as_str(), "handshake failed");
        let failed = if is_dialed {
            self.redial(key, error, now)
        } else {
            self.drop_handshake(key);
            Err(error)
        };
        match (listener, failed) {
            (None, Err(error)) => host.event(Event::not_connected(LinkId(key), Some(error))),
            (None, Ok(())) => {}
            (through, _) => self.finish_admission(through, host),
        }
    }

    /// A handshake has come to nothing.
    fn count_refused(&mut self, listener: Option<Key>) {
        self.stats.handshakes_failed += 1;
        if let Some(listener) = listener.and_then(|key| self.listeners.get_mut(key)) {
            listener.refused += 1;
            if let Some(status) = &mut listener.status {
                status.show_server(listener.links, listener.refused, Time::coarse());
            }
        }
    }

    /// Takes in waiting clients, a bounded number at a time.
    pub(super) fn accept(&mut self, key: Key, now: &Now, host: &mut impl Host) {
        let listener = self.listeners.get_mut(key).filter(|listener| !listener.is_taken());
        let Some(listener) = listener else { return };
        let accepted = match listener.accept(now.get()) {
            Ok(accepted) => accepted,
            Err(error) => return self.lose_listener(key, error, host),
        };
        if let Some(resume) = listener.paused_until() {
            // Watching a socket nothing can be accepted from would only burn the processor.
            self.poller.pause(&listener.socket, Source::Listener(key));
            self.due = self.due.min(resume);
        }
        self.start_handshakes(key, accepted, now);
    }

    /// Begins handshakes with clients that were accepted. One that cannot be served is refused.
    pub(super) fn start_handshakes(&mut self, key: Key, accepted: Vec<HandshakeSocket>, now: &Now) {
        for socket in accepted {
            let Some(listener) = self.listeners.get(key) else { return };
            let (timeout, bounds) = (listener.options.hello_timeout, listener.bounds);
            let connecting = Handshaking::accept(socket, now.get() + timeout);
            let handshake_started = connecting.and_then(|connecting| {
                self.start_handshake(connecting, Some(key), bounds, now.get())
            });
            let Some(listener) = self.listeners.get_mut(key) else { return };
            match handshake_started {
                Ok(connecting) => {
                    if let Some(oldest) = listener.admit(connecting) {
                        self.count_refused(Some(key));
                        self.drop_handshake(oldest);
                    }
                }
                Err(error) => {
                    self.count_refused(Some(key));
                    tracing::debug!(code = error.code().as_str(), "a client was turned away");
                }
            }
        }
    }

    pub(super) fn expire_handshake(&mut self, key: Key, now: &Now, host: &mut impl Host) -> Time {
        let Some(Entry::Handshaking { connecting, .. }) = self.entries.get_mut(key) else {
            return Time::NEVER;
        };
        let is_over = connecting.deadline <= now.get();
        if is_over && connecting.is_lending() {
            return self.withdraw(key, now, host);
        }
        // Also when its time is over: why there is no server says more than that.
        let tried = connecting.is_connecting().then(|| connecting.try_connect());
        let is_connecting = connecting.is_connecting();
        let outcome = match tried {
            Some(Err(error)) => Err(error),
            _ if is_over => Err(Error::new(Code::Timeout, "the handshake did not end in time")),
            Some(Ok(())) if !is_connecting => {
                self.poller.watch(connecting.socket(), Source::Socket(key))
            }
            _ => Ok(()),
        };
        match outcome {
            Err(error) => {
                self.fail_handshake(key, error, now.get(), host);
                Time::NEVER
            }
            Ok(()) if is_connecting => now.get() + CONNECT_INTERVAL,
            Ok(()) => connecting.deadline,
        }
    }

    /// Clients do not find a server any more, or cannot be let in.
    #[cold]
    pub(super) fn lose_listener(&mut self, key: Key, error: Error, host: &mut impl Host) {
        tracing::warn!(%error, "a server has lost its name");
        let listener = ListenerId(key);
        self.close_listener(listener);
        host.event(Event::ListenerLost { listener, error });
    }

    /// A client of this listener is in, or will not be. Reports that a name is another server's, or
    /// nobody's, once that was the last of those that came here before.
    pub(super) fn finish_admission(&mut self, through: Option<Key>, host: &mut impl Host) {
        let Some(through) = through else { return };
        let listener = ListenerId(through);
        match self.listeners.get(through) {
            None => self.finish_retiring(listener, host),
            Some(found) if found.is_finished() => {
                self.close_listener(listener);
                tracing::debug!("a new server has taken the name over");
                host.event(Event::TakenOver { listener });
            }
            Some(_) => {}
        }
    }
}
