//! Keeping a server findable: its files may be removed by cleaners of temporary directories, by
//! people, and by another server that then takes the name.
//!
//! ```text
//! a file is touched ──> check ── whole? ──> good
//!                         │ socket gone: restore it as soon as nothing more is touched
//!                         │ lock gone: leave the name to others for a moment, then lock it again
//!                         └ another process holds the lock: report that, and give the name up
//! ```

use std::path::Path;
use std::time::Duration;

use super::Engine;
use super::claim::{Claim, Listening, Standing};
use super::host::Host;
use super::listener::Listener;
use super::os::poller::Source;
use super::os::watch::Watch;
use super::slab::Key;
use crate::error::{Code, Error};
use crate::time::{Now, Time};

/// How long nothing is put back after files were touched, so as not to fight with what removes
/// them: a directory into which files come back cannot be removed.
pub(super) const QUIET: Duration = Duration::from_millis(200);
/// How long a name that has lost its lock is left to others: the files may have been removed to
/// start another server. Clients find this one meanwhile.
const GRACE: Duration = Duration::from_secs(2);
/// When a lock that another process holds is checked again, and how often: a process that only
/// checks whether it is held, holds it for microseconds.
const AGAIN: Duration = Duration::from_millis(20);
const CHECKS_MAX: u32 = 5;
/// When to try again to put back what there were no means for.
const LATER: Duration = Duration::from_secs(1);
/// How often files are checked where the kernel does not report that they were touched.
const INTERVAL: Duration = Duration::from_secs(2);

/// The files of a listener.
pub(super) struct Maintenance {
    claim: Claim,
    /// `None` where there is none to be had.
    watch: Option<Watch>,
    /// When to check, whether or not anything was touched.
    check_at: Time,
    trouble: Option<Trouble>,
}

/// Something is gone.
#[derive(Clone, Copy)]
struct Trouble {
    since: Time,
    /// How often another was found to hold the lock.
    held: u32,
}

/// What a check of the files has come to.
enum Outcome {
    /// Nothing to do, for now.
    Done,
    /// There is a new socket.
    Rebound(Listening),
    /// Clients do not find this server any more.
    Lost(Error),
}

impl Maintenance {
    pub fn of(claim: Claim) -> Self {
        let watch = Watch::over(&claim.paths());
        let mut this = Self { claim, watch, check_at: Time::NEVER, trouble: None };
        this.set_whole(Time::now());
        this
    }

    pub fn claim(&self) -> &Claim {
        &self.claim
    }

    pub fn claim_mut(&mut self) -> &mut Claim {
        &mut self.claim
    }

    /// Ends: the files are another's to keep.
    pub fn end(&mut self) {
        self.watch = None;
        self.check_at = Time::NEVER;
    }

    pub fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// Watches another file, too, if that can be.
    pub fn watch_also(&self, path: &Path) {
        if let Some(watch) = &self.watch {
            watch.renew(&[path.to_owned()]);
        }
    }

    /// Checks no later than this.
    pub fn check_by(&mut self, time: Time) {
        self.check_at = self.check_at.min(time);
    }

    /// Whether nothing was found to be gone.
    pub fn is_whole(&self) -> bool {
        self.trouble.is_none()
    }

    /// When to check at the latest.
    pub fn due(&self) -> Time {
        self.check_at
    }

    /// All is as it should be.
    fn set_whole(&mut self, now: Time) {
        self.trouble = None;
        self.check_at = if self.watch.is_some() { Time::NEVER } else { now + INTERVAL };
    }

    /// Checks the files and restores what is gone.
    fn check(&mut self, now: Time) -> Outcome {
        let touched = self.watch.as_ref().is_some_and(Watch::take);
        let standing = self.claim.standing();
        if standing == Standing::Whole {
            self.set_whole(now);
            return Outcome::Done;
        }
        let is_new = self.trouble.is_none();
        let trouble = *self.trouble.get_or_insert(Trouble { since: now, held: 0 });
        let locks_at = trouble.since + GRACE;
        if (is_new || touched) && now < locks_at {
            self.check_at = (now + QUIET).min(locks_at);
            return Outcome::Done;
        }
        let waits = standing == Standing::LockGone && now < locks_at;
        let restored = if waits { self.claim.restore_for_clients() } else { self.claim.restore() };
        let socket = match restored {
            Ok(socket) => socket,
            Err(error) => return self.not_restored(now, error),
        };
        let watches_all = self.watch.as_ref().is_some_and(|watch| watch.renew(&self.claim.paths()));
        if waits {
            self.check_at = locks_at;
        } else {
            tracing::warn!(name = self.claim.name(), "files were removed, and put back");
            self.watch = self.watch.take().filter(|_| watches_all);
            self.set_whole(now);
        }
        socket.map_or(Outcome::Done, Outcome::Rebound)
    }

    /// What is gone could not be put back.
    fn not_restored(&mut self, now: Time, error: Error) -> Outcome {
        let held = self.trouble.as_mut().map_or(0, |trouble| {
            trouble.held += u32::from(error.code() == Code::NameInUse);
            trouble.held
        });
        self.check_at = match error.code() {
            Code::NameInUse if held < CHECKS_MAX => now + AGAIN,
            Code::NoDescriptors | Code::NoSpace => now + LATER,
            _ => return Outcome::Lost(error),
        };
        Outcome::Done
    }
}

impl Engine {
    /// Begins to watch the files of a listener.
    pub(super) fn watch_files(&mut self, key: Key) {
        let Some(listener) = self.listeners.get(key) else { return };
        if let Some(watch) = listener.maintenance.watch() {
            // Without it the name is kept up all the same, only later.
            let _ = self.poller.watch(watch, Source::Files(key));
        }
        self.due = self.due.min(listener.maintenance.due());
    }

    /// The files of a listener were touched, or it is time to check them.
    #[cold]
    pub(super) fn check_files(&mut self, key: Key, now: &Now, host: &mut impl Host) {
        let listener = self.listeners.get_mut(key).filter(|listener| !listener.is_taken());
        let Some(listener) = listener else { return };
        let outcome = listener.maintenance.check(now.get());
        self.due = self.due.min(listener.maintenance.due());
        match outcome {
            Outcome::Done => self.keep_status(key, now.get()),
            Outcome::Rebound(socket) => self.rebind(key, socket, now),
            Outcome::Lost(error) => self.lose_listener(key, error, host),
        }
    }

    /// Listens at a new socket; clients that have come to the one before are let in.
    fn rebind(&mut self, key: Key, socket: Listening, now: &Now) {
        let Some(listener) = self.listeners.get_mut(key) else { return };
        let former = std::mem::replace(&mut listener.socket, socket);
        self.poller.forget(&former);
        let _ = self.poller.watch(&listener.socket, Source::Listener(key));
        let waiting = Listener::accept_all(&former);
        self.start_handshakes(key, waiting, now);
        self.keep_status(key, now.get());
    }
}
