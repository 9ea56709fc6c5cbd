//! Connecting to a server that may not be there yet: what may pass with time is tried again, until
//! there is a connection or the time is over.
//!
//! While no server is there, its directories are watched, so that one that comes is found at once
//! and waiting costs nothing. Where they cannot be watched, where there is a socket at which nobody
//! listens yet, and for whatever else may pass, there are pauses between attempts, which grow, and
//! differ between clients that begin to wait together.

#[cfg_attr(target_family = "wasm", path = "../hosted/engine/watching.rs")]
mod watching;

#[cfg(not(target_family = "wasm"))]
use std::ffi::OsString;
use std::time::Duration;

use super::directory::Places;
use super::host::{Event, Host, LinkId};
use super::options::Options;
use super::slab::Key;
use super::{Engine, Entry, too_many};
use crate::error::{Code, Error, Result};
use crate::time::{Now, Time};

/// The pause after the first attempt, which doubles with each further one.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// Doublings after which pauses do not grow, so that none is longer than about a second.
const DOUBLINGS_MAX: u32 = 10;
/// Attempts after something has appeared in a watched directory, before the next thing there is
/// awaited: a server's file is there a moment before the server listens.
const ATTEMPTS_WATCHED: u32 = 8;

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub struct Dialing {
    /// In all.
    pub timeout: Duration,
    /// For each attempt, once a server has let it in.
    pub attempt_timeout: Duration,
    /// Whether a server that is there and refuses is asked again, where that may pass.
    pub insists: bool,
}

/// A connection that is wanted until it is there.
pub(super) struct Dial {
    name: Box<str>,
    options: Options,
    attempt_timeout: Duration,
    insists: bool,
    started: Time,
    gives_up_at: Time,
    /// Attempts since there was a reason to hope.
    attempts: u32,
    /// When the next is due.
    next_at: Time,
    /// Files whose appearance is such a reason.
    #[cfg(not(target_family = "wasm"))]
    awaited: Vec<OsString>,
    /// Why the last came to nothing.
    reason: Option<Error>,
}

impl Dial {
    pub fn due(&self) -> Time {
        self.next_at.min(self.gives_up_at)
    }

    /// When an attempt that begins now is over.
    fn deadline(&self, now: Time) -> Time {
        self.gives_up_at.min(now + self.attempt_timeout)
    }

    /// An attempt has failed. An error is one that ends it.
    fn failed(&mut self, error: Error, comes_seen: bool, now: Time) -> Result<()> {
        let code = error.code();
        // A server that dies while it lets this one in is as good as none.
        let is_absent = matches!(code, Code::NoServer | Code::Handshake);
        if !may_pass(code) || !self.insists && !is_absent {
            return Err(error);
        }
        let awaits_arrival = code == Code::NoServer && comes_seen;
        self.next_at = match self.attempts {
            attempts if awaits_arrival && attempts >= ATTEMPTS_WATCHED => Time::NEVER,
            attempts => now + pause(attempts, now),
        };
        self.attempts = self.attempts.saturating_add(1);
        self.reason = Some(error);
        Ok(())
    }

    /// Why it is over, once its time is.
    #[cold]
    fn given_up(self, now: Time) -> Error {
        let waited = now.saturating_since(self.started).as_millis();
        match self.reason {
            Some(error) => Error::new(error.code(), format!("{error}; tried for {waited} ms")),
            None => Error::new(Code::Timeout, format!("no connection within {waited} ms")),
        }
    }
}

/// Whether the same attempt may succeed later.
fn may_pass(code: Code) -> bool {
    !matches!(
        code,
        Code::Version
            | Code::Feature
            | Code::Token
            | Code::ForeignUser
            | Code::InvalidName
            | Code::InvalidArgument
    )
}

/// Half to all of a pause that doubles with each attempt: which part of it, the clock decides, so
/// that those that wait for the same server do not all come in one moment.
fn pause(attempts: u32, now: Time) -> Duration {
    let longest = PAUSE_MIN * (1 << attempts.min(DOUBLINGS_MAX));
    let thousandths = u32::try_from(now.as_nanos() / 64 % 500).unwrap_or(0);
    longest / 1000 * (500 + thousandths)
}

impl Engine {
    /// Connects to the server of that name as soon as there is one. The outcome is
    /// [`Event::Connected`], or [`Event::Closed`] when its time is over or it is refused for a
    /// reason that time does not change; such a reason that is known at once is an error here.
    pub fn dial(&mut self, name: &str, options: &Options, dialing: Dialing) -> Result<LinkId> {
        options.check()?;
        let now = Time::now();
        let dial = Dial {
            name: name.into(),
            options: options.clone(),
            attempt_timeout: dialing.attempt_timeout,
            insists: dialing.insists,
            started: now,
            gives_up_at: now + dialing.timeout,
            attempts: 0,
            next_at: now,
            #[cfg(not(target_family = "wasm"))]
            awaited: Vec::new(),
            reason: None,
        };
        let entry = Entry::Dialing(Box::new(dial));
        let key = self.entries.insert(entry).map_err(|_| too_many())?;
        self.attempt(key, now)?;
        Ok(LinkId(key))
    }

    /// Tries to connect. An error is one that ends it.
    fn attempt(&mut self, key: Key, now: Time) -> Result<()> {
        let Some(Entry::Dialing(dial)) = self.entries.get(key) else { return Ok(()) };
        let (name, options, deadline) =
            (dial.name.clone(), dial.options.clone(), dial.deadline(now));
        let bounds = options.bounds;
        let begun = Places::of(&options)
            .and_then(|places| self.begin(&name, &options, &places, now, deadline));
        let begun = begun.and_then(|connecting| {
            self.entries.update(key, |entry| match entry {
                Entry::Dialing(dial) => {
                    let (connecting, dial) = (Box::new(connecting), Some(dial));
                    Entry::Handshaking { connecting, listener: None, bounds, dial }
                }
                other => other,
            });
            self.await_handshake(key, now)
        });
        match begun {
            Ok(()) => Ok(()),
            Err(error) => self.redial(key, error, now),
        }
    }

    /// An attempt has failed, and its socket is closed. An error is one that ends it, and there is
    /// no such entry any more.
    pub(super) fn redial(&mut self, key: Key, error: Error, now: Time) -> Result<()> {
        self.entries.update(key, |entry| match entry {
            Entry::Handshaking { dial: Some(dial), .. } => Entry::Dialing(dial),
            other => other,
        });
        let comes_seen = error.code() == Code::NoServer && self.watch_for(key);
        let Some(Entry::Dialing(dial)) = self.entries.get_mut(key) else { return Ok(()) };
        match dial.failed(error, comes_seen, now) {
            Ok(()) => self.due = self.due.min(dial.due()),
            Err(error) => {
                self.entries.remove(key);
                self.watch_no_longer();
                return Err(error);
            }
        }
        Ok(())
    }

    /// It is time for the next attempt, or to give up. Returns when something is due again.
    pub(super) fn expire_dial(&mut self, key: Key, now: &Now, host: &mut impl Host) -> Time {
        let Some(Entry::Dialing(dial)) = self.entries.get(key) else { return Time::NEVER };
        if dial.due() > now.get() {
            return dial.due();
        }
        let attempt = if dial.gives_up_at <= now.get() {
            match self.entries.remove(key) {
                Some(Entry::Dialing(dial)) => Err(dial.given_up(now.get())),
                _ => Ok(()),
            }
        } else {
            self.attempt(key, now.get())
        };
        match (attempt, self.entries.get(key)) {
            (Err(error), _) => {
                self.watch_no_longer();
                host.event(Event::not_connected(LinkId(key), Some(error)));
                Time::NEVER
            }
            (Ok(()), Some(Entry::Dialing(dial))) => dial.due(),
            // When its handshake is due has been noted.
            (Ok(()), _) => Time::NEVER,
        }
    }
}
