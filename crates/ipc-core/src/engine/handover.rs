//! Handing a server's name over to a new process, so that no client is refused in between.
//!
//! ```text
//!   new server                          old server: goes on serving
//!   TAKE_OVER ----------------------->  same user, same token?
//!             <-----------------------  HANDOVER, the listening socket and the lock
//!   checks both
//!   READY     ----------------------->  accepts no more, and leaves the files alone
//!   serves                              its connections stay
//! ```
//!
//! Both hold one open socket and one open lock, which the kernel keeps as long as either lives. The
//! new server has the name once READY is in the queue of the old one. An old server that is tired
//! of waiting ends that queue first: then READY either lies in it, or can be sent no more.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::claim::Claim;
use super::connecting::{self, Handshaking, Progress};
use super::directory::{Directory, Places};
use super::host::{Event, Host, LinkId, ListenerId};
use super::listener::Listener;
use super::opening;
use super::options::{ListenOptions, Options};
use super::os::poller::Source;
use super::os::socket::{self, Attempt, HandshakeSocket};
use super::slab::Key;
use super::{Engine, Entry, too_many};
use crate::error::{Code, Error, Result};
use crate::handshake::{Policy, TakeOver};
use crate::limits::{CONNECT_TIMEOUT_DEFAULT, check_server_name};
use crate::sys::kill_point;
use crate::time::{Now, Time};

/// When to ask again where nothing could be decided.
const INTERVAL: Duration = Duration::from_millis(2);
/// The same where a process holds the lock and listens nowhere: it is about to do either.
const HELD_INTERVAL: Duration = Duration::from_millis(50);
/// How often a server may end the handshake without a reason: one that dies does it once, one that
/// knows nothing of handovers each time.
const ENDINGS_MAX: u32 = 3;

/// A server on its way to a name that another may have.
pub(super) struct TakingOver {
    name: String,
    places: Places,
    options: Options,
    listen: ListenOptions,
    policy: Policy,
    /// Given up then.
    deadline: Time,
    /// The server that is being asked.
    asked: Option<Box<Asked>>,
    /// When to ask, unless one is being asked.
    ask_at: Time,
    /// Handshakes that ended without a reason.
    endings: u32,
    /// What listens as soon as the old server cannot go back any more.
    adopted: Option<Key>,
}

struct Asked {
    handshaking: Handshaking,
    directory: Directory,
}

/// What was found where a server of the name may be.
enum Found {
    Server(Box<Asked>),
    /// One whose queue is full.
    Busy,
    Nobody,
}

impl TakingOver {
    /// When there is something to do, whatever comes.
    fn due(&self) -> Time {
        if self.asked.is_some() { self.deadline } else { self.ask_at.min(self.deadline) }
    }

    fn ask(&self) -> Result<Found> {
        let (doors, _) = self.places.doors(&self.name)?;
        let socket =
            HandshakeSocket::new().map_err(|cause| Error::system("creating a socket", cause))?;
        for door in doors {
            let attempt = socket.connect(&door.address).map_err(|cause| {
                Error::system(format_args!("connecting to \"{}\"", self.name), cause)
            })?;
            match attempt {
                Attempt::Connected => {
                    let request = TakeOver::new(self.options.token.clone().unwrap_or_default());
                    let handshaking = Handshaking::take_over(socket, &request, self.deadline)?;
                    let asked = Asked { handshaking, directory: door.directory };
                    return Ok(Found::Server(Box::new(asked)));
                }
                Attempt::QueueFull => return Ok(Found::Busy),
                Attempt::NoServer => {}
                Attempt::Barred => return Err(connecting::barred_by(&door, &self.name)),
            }
        }
        Ok(Found::Nobody)
    }
}

impl Engine {
    /// Serves `name` in place of the server that does now, which hands over its socket and with it
    /// the clients that wait there, and keeps its connections; or anew, if there is none. The
    /// outcome is [`Event::Listening`] or [`Event::Closed`], of the link that is returned; what is
    /// known at once to be impossible is an error here.
    pub fn take_over(
        &mut self,
        name: &str,
        options: &Options,
        listen: &ListenOptions,
    ) -> Result<LinkId> {
        options.check()?;
        listen.check()?;
        check_server_name(name)?;
        let now = Time::now();
        let taking = TakingOver {
            name: name.into(),
            places: Places::of(options)?,
            options: options.clone(),
            listen: *listen,
            policy: opening::policy(options, listen, false)?,
            deadline: now + CONNECT_TIMEOUT_DEFAULT,
            asked: None,
            ask_at: now,
            endings: 0,
            adopted: None,
        };
        let entry = Entry::TakingOver(Box::new(taking));
        let key = self.entries.insert(entry).map_err(|_| too_many())?;
        self.due = self.due.min(now);
        // The host may have fallen asleep before.
        self.poller.wake_by(self.due);
        Ok(LinkId(key))
    }

    /// Goes on with a takeover: something has come, or is due. Returns when the next thing is due.
    pub(super) fn pursue(&mut self, key: Key, now: &Now, host: &mut impl Host) -> Time {
        let link = LinkId(key);
        match self.pursue_once(key, now) {
            Ok(None) => match self.entries.get(key) {
                Some(Entry::TakingOver(taking)) => taking.due(),
                _ => Time::NEVER,
            },
            Ok(Some(listening)) => {
                self.entries.remove(key);
                tracing::debug!("listening");
                host.event(Event::Listening { link, listener: ListenerId(listening) });
                Time::NEVER
            }
            Err(error) => {
                self.stats.handshakes_failed += 1;
                self.abandon(key);
                host.event(Event::not_connected(link, Some(error)));
                Time::NEVER
            }
        }
    }

    /// Gives a takeover up: the old server goes on, if there is one.
    pub(super) fn abandon(&mut self, key: Key) {
        let Some(Entry::TakingOver(taking)) = self.entries.remove(key) else { return };
        if let Some(adopted) = taking.adopted {
            self.close_listener(ListenerId(adopted));
        }
        if let Some(asked) = taking.asked {
            self.poller.forget(asked.handshaking.socket());
        }
    }

    /// Returns what listens, once it does.
    fn pursue_once(&mut self, key: Key, now: &Now) -> Result<Option<Key>> {
        let Some(Entry::TakingOver(taking)) = self.entries.get_mut(key) else { return Ok(None) };
        if taking.deadline <= now.get() {
            let message = format!("the name \"{}\" was not handed over in time", taking.name);
            return Err(Error::new(Code::Timeout, message));
        }
        let Some(asked) = &mut taking.asked else { return self.ask(key, now) };
        match asked.handshaking.proceed(None, self.id) {
            Ok(Progress::Waiting) => Ok(None),
            Ok(Progress::Offered(descriptors)) => self.adopt(key, descriptors, now),
            Ok(_) => Err(Error::new(Code::Handshake, "the server answered another question")),
            Err(error) => self.ended(key, error, now),
        }
    }

    /// Asks the server that runs, or listens where none does.
    fn ask(&mut self, key: Key, now: &Now) -> Result<Option<Key>> {
        let Some(Entry::TakingOver(taking)) = self.entries.get_mut(key) else { return Ok(None) };
        if now.get() < taking.ask_at {
            return Ok(None);
        }
        match taking.ask()? {
            Found::Server(asked) => {
                self.poller.watch(asked.handshaking.socket(), Source::Socket(key))?;
                taking.asked = Some(asked);
                return Ok(None);
            }
            Found::Busy => {
                taking.ask_at = now.get() + INTERVAL;
                return Ok(None);
            }
            Found::Nobody => {}
        }
        let (name, options, listen) = (taking.name.clone(), taking.options.clone(), taking.listen);
        match self.listen(&name, &options, &listen) {
            Ok(ListenerId(listening)) => {
                self.accept_later(listening, now);
                Ok(Some(listening))
            }
            Err(error) if error.code() == Code::NameInUse => {
                if let Some(Entry::TakingOver(taking)) = self.entries.get_mut(key) {
                    taking.ask_at = now.get() + HELD_INTERVAL;
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The old server has sent its name: checks that, and takes it.
    fn adopt(&mut self, key: Key, sent: Vec<OwnedFd>, now: &Now) -> Result<Option<Key>> {
        let Some(Entry::TakingOver(taking)) = self.entries.get_mut(key) else { return Ok(None) };
        let Some(asked) = &mut taking.asked else { return Ok(None) };
        let [socket, lock]: [OwnedFd; 2] = sent
            .try_into()
            .map_err(|_| connecting::beside("other descriptors than a socket and a lock"))?;
        let claim = Claim::adopt(asked.directory.clone(), &taking.name, &socket, lock)?;
        let policy = taking.policy.clone();
        let listener = Listener::new(claim, socket, policy, taking.listen, taking.options.bounds);
        // All that can fail comes before the last word.
        let adopted = self.listeners.insert(listener).map_err(|_| too_many())?;
        taking.adopted = Some(adopted);
        if let Some(listener) = self.listeners.get(adopted) {
            self.poller.watch(&listener.socket, Source::Listener(adopted))?;
            self.poller.pause(&listener.socket, Source::Listener(adopted));
        }
        kill_point("adopted");
        if !asked.handshaking.confirm()? {
            return Ok(None);
        }
        kill_point("taken");
        Ok(Some(self.serve_adopted(adopted, now)))
    }

    /// The server that is being asked has ended the handshake, or refused.
    fn ended(&mut self, key: Key, error: Error, now: &Now) -> Result<Option<Key>> {
        let Some(Entry::TakingOver(taking)) = self.entries.get_mut(key) else { return Ok(None) };
        let is_silent =
            taking.asked.as_ref().is_some_and(|asked| asked.handshaking.has_ended_silently());
        if let Some(adopted) = taking.adopted {
            // Unless it has gone back, it has died, and what it has sent is all that is left.
            return match is_silent {
                true => Ok(Some(self.serve_adopted(adopted, now))),
                false => Err(error),
            };
        }
        taking.endings += u32::from(is_silent);
        let again = match is_silent {
            true => taking.endings < ENDINGS_MAX,
            // Another has been faster, and hands over in its turn.
            false => error.code() == Code::NameInUse,
        };
        if !again {
            return Err(error);
        }
        taking.asked = None;
        taking.ask_at = now.get() + INTERVAL;
        Ok(None)
    }

    /// What was adopted serves.
    fn serve_adopted(&mut self, adopted: Key, now: &Now) -> Key {
        if let Some(listener) = self.listeners.get_mut(adopted) {
            listener.maintenance.claim_mut().set_lent(false);
            // Again, because it is what makes clients see this process at the other end.
            let _ = socket::listen(&listener.socket);
        }
        self.publish_status(adopted);
        self.watch_files(adopted);
        self.accept_later(adopted, now);
        adopted
    }

    /// Accepts from the next drive on: until then the host has got to know what listens.
    fn accept_later(&mut self, listening: Key, now: &Now) {
        if let Some(listener) = self.listeners.get_mut(listening) {
            self.poller.pause(&listener.socket, Source::Listener(listening));
            listener.pause(now.get());
            self.due = self.due.min(now.get());
        }
    }

    // ---- the old server ----

    /// A new server has had time enough to take the name. Returns when the next thing is due.
    pub(super) fn withdraw(&mut self, key: Key, now: &Now, host: &mut impl Host) -> Time {
        if let Some(Entry::Handshaking { connecting, .. }) = self.entries.get(key) {
            connecting.withdraw();
        }
        // Reads that it has been taken all the same, or the end.
        self.proceed(key, now, host);
        Time::NEVER
    }

    /// The new server of this handshake has the name.
    pub(super) fn let_go(&mut self, key: Key, host: &mut impl Host) {
        let Some(Entry::Handshaking { listener: Some(through), .. }) = self.entries.get(key) else {
            return;
        };
        let through = *through;
        if let Some(listener) = self.listeners.get_mut(through) {
            self.poller.forget(&listener.socket);
            if let Some(watch) = listener.maintenance.watch() {
                self.poller.forget(watch);
            }
            listener.let_go();
        }
        self.drop_handshake(key);
        self.finish_admission(Some(through), host);
    }
}
