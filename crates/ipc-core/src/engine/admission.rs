//! Connections on their way to being one: accepting clients and going on with handshakes.

use std::time::Duration;

use rustix::event::epoll::EventFlags;

use super::greeting::{self, Greeting, Progress};
use super::host::{Event, Host, LinkId, ListenerId};
use super::link::Link;
use super::options::Flow;
use super::poller::Source;
use super::slab::Key;
use super::{Engine, Entry, too_many};
use crate::error::{Code, Error, Result};
use crate::time::{Now, Time};

/// How often a client whose server's queue is full tries again.
const KNOCK_INTERVAL: Duration = Duration::from_millis(2);

impl Engine {
    pub(super) fn greet(
        &mut self,
        greeting: Greeting,
        listener: Option<Key>,
        flow: Flow,
        now: Time,
    ) -> Result<Key> {
        let due = if greeting.is_knocking() { now + KNOCK_INTERVAL } else { greeting.deadline };
        let entry = Entry::Greeting { greeting: Box::new(greeting), listener, flow };
        let key = self.entries.insert(entry).map_err(|_| too_many())?;
        let Some(Entry::Greeting { greeting, .. }) = self.entries.get(key) else {
            return Err(too_many());
        };
        // A socket that is not connected yet only says, again and again, that nobody is there.
        if !greeting.is_knocking()
            && let Err(error) =
                self.poller.watch(greeting.socket(), Source::Socket(key), EventFlags::IN)
        {
            self.entries.remove(key);
            return Err(error);
        }
        self.due = self.due.min(due);
        Ok(key)
    }

    pub(super) fn drop_greeting(&mut self, key: Key) {
        if let Some(Entry::Greeting { greeting, listener, .. }) = self.entries.remove(key) {
            self.poller.forget(greeting.socket());
            if let Some(listener) = listener.and_then(|key| self.listeners.get_mut(key)) {
                listener.forget(key);
            }
        }
    }

    /// Goes on with a handshake. Returns whether a link has come of it.
    pub(super) fn proceed(&mut self, key: Key, now: &Now, host: &mut impl Host) -> bool {
        let Some(Entry::Greeting { greeting, listener, .. }) = self.entries.get_mut(key) else {
            return false;
        };
        let listener = *listener;
        let policy = listener.and_then(|key| self.listeners.get(key));
        let was_silent = greeting.is_silent();
        match greeting.proceed(policy.map(|listener| &listener.policy), self.id) {
            Ok(Progress::Waiting) => {
                if was_silent
                    && !greeting.is_silent()
                    && let Some(listener) = policy
                {
                    greeting.deadline = now.get() + listener.options.ready_timeout;
                    self.due = self.due.min(greeting.deadline);
                }
                false
            }
            Ok(Progress::Agreed(agreed)) => {
                self.open(key, agreed, host);
                true
            }
            Err(error) => {
                self.fail_greeting(key, error, host);
                false
            }
        }
    }

    fn open(&mut self, key: Key, agreed: greeting::Agreed, host: &mut impl Host) {
        let link = LinkId(key);
        let Some(Entry::Greeting { flow, listener, .. }) = self.entries.get(key) else { return };
        let (flow, listener) = (*flow, *listener);
        let bell_watched = match agreed.bell.watched() {
            Some(bell) => {
                self.poller.watch(bell, Source::Bell(key), EventFlags::IN | EventFlags::ET)
            }
            None => Ok(()),
        };
        if let Err(error) = bell_watched {
            return self.fail_greeting(key, error, host);
        }
        let peer = agreed.peer.clone();
        // The entry keeps its key: the host has known the connection by it since it asked for one.
        self.entries.update(key, |entry| match entry {
            Entry::Greeting { greeting, .. } => {
                let socket = greeting.into_socket();
                Entry::Link(Box::new(Link::new(link, agreed, socket, flow, listener)))
            }
            link => link,
        });
        self.stats.links += 1;
        if let Some(through) = listener.and_then(|key| self.listeners.get_mut(key)) {
            through.forget(key);
            through.links += 1;
            let workload = through.workload.clone();
            if let Some(link) = self.link_mut(key) {
                link.share(workload);
            }
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

    fn fail_greeting(&mut self, key: Key, error: Error, host: &mut impl Host) {
        let Some(Entry::Greeting { listener, .. }) = self.entries.get(key) else { return };
        let is_client = listener.is_none();
        self.stats.handshakes_failed += 1;
        tracing::debug!(code = error.code().as_str(), "handshake failed");
        self.drop_greeting(key);
        if is_client {
            host.event(Event::Closed { link: LinkId(key), error: Some(error) });
        }
    }

    /// Takes in waiting clients, a bounded number at a time.
    pub(super) fn accept(&mut self, key: Key, now: &Now) {
        let Some(listener) = self.listeners.get_mut(key) else { return };
        let accepted = listener.accept(now.get());
        let (timeout, flow) = (listener.options.hello_timeout, listener.flow);
        if let Some(resume) = listener.paused_until() {
            // Watching a socket nothing can be accepted from would only burn the processor.
            let _ =
                self.poller.rewatch(&listener.socket, Source::Listener(key), EventFlags::empty());
            self.due = self.due.min(resume);
        }
        for socket in accepted {
            let greeting = Greeting::accept(socket, now.get() + timeout);
            let greeted =
                greeting.and_then(|greeting| self.greet(greeting, Some(key), flow, now.get()));
            let Some(listener) = self.listeners.get_mut(key) else { return };
            match greeted {
                Ok(greeting) => {
                    if let Some(oldest) = listener.admit(greeting) {
                        self.stats.handshakes_failed += 1;
                        self.drop_greeting(oldest);
                    }
                }
                Err(error) => {
                    self.stats.handshakes_failed += 1;
                    tracing::debug!(code = error.code().as_str(), "a client was turned away");
                }
            }
        }
    }

    pub(super) fn expire_greeting(&mut self, key: Key, now: &Now, host: &mut impl Host) -> Time {
        let Some(Entry::Greeting { greeting, .. }) = self.entries.get_mut(key) else {
            return Time::NEVER;
        };
        if greeting.deadline <= now.get() {
            let message = "the handshake did not end in time";
            self.fail_greeting(key, Error::new(Code::Timeout, message), host);
            return Time::NEVER;
        }
        if !greeting.is_knocking() {
            return greeting.deadline;
        }
        let knocked = greeting.knock();
        if knocked.is_ok() && greeting.is_knocking() {
            return now.get() + KNOCK_INTERVAL;
        }
        let watched = knocked.and_then(|()| {
            self.poller.watch(greeting.socket(), Source::Socket(key), EventFlags::IN)
        });
        match watched {
            Ok(()) => greeting.deadline,
            Err(error) => {
                self.fail_greeting(key, error, host);
                Time::NEVER
            }
        }
    }
}
