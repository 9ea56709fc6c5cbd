//! What can wake the engine: something that the host has said of a socket, or that it is time.

use super::socket::Numbered;
use super::sockets;
use crate::engine::slab::Key;
use crate::error::Result;
use crate::time::Time;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Source {
    /// A client waits at a listener.
    Listener(Key),
    /// The socket of a connection has something to read, or takes again what was to be sent.
    Socket(Key),
}

pub(in crate::engine) struct Poller {
    /// When the host is to drive the engine: no later than anything is due.
    wakes_at: Time,
}

impl Poller {
    #[expect(clippy::unnecessary_wraps, reason = "where it has to be opened, it can fail")]
    pub fn new() -> Result<Self> {
        Ok(Self { wakes_at: Time::NEVER })
    }

    /// From now on it is reported what the host says of a socket.
    #[expect(clippy::unnecessary_wraps, reason = "as above")]
    pub fn watch(&self, socket: &impl Numbered, source: Source) -> Result<()> {
        self.resume(socket, source);
        Ok(())
    }

    /// A watched socket is not reported until [`Self::resume`].
    pub fn pause(&self, socket: &impl Numbered, _: Source) {
        self.forget(socket);
    }

    pub fn resume(&self, socket: &impl Numbered, source: Source) {
        if let Some(number) = socket.number() {
            sockets::watch(number, Some(source));
        }
    }

    /// What decides how a watched socket is watched.
    pub fn watching(&self, _: Source) -> Watching {
        Watching
    }

    pub fn forget(&self, socket: &impl Numbered) {
        if let Some(number) = socket.number() {
            sockets::watch(number, None);
        }
    }

    /// Whether there is something to take.
    pub fn has_events(&self) -> bool {
        sockets::has_reports()
    }

    /// Takes what there is to report. Returns whether there may be more.
    pub fn take(&mut self, ready: &mut Vec<Source>) -> bool {
        self.wakes_at = Time::NEVER;
        sockets::report(ready);
        false
    }

    /// Makes sure to be driven at `due` at the latest.
    pub fn wake_by(&mut self, due: Time) {
        self.wakes_at = self.wakes_at.min(due);
    }

    /// When the host is to drive the engine.
    pub fn wakes_at(&self) -> Time {
        self.wakes_at
    }
}

/// How one watched socket is watched.
pub(in crate::engine) struct Watching;

impl Watching {
    /// Whether it is to be reported, too, when there is room to write.
    pub fn set_writing(&self, socket: &impl Numbered, writing: bool) {
        if let Some(number) = socket.number() {
            sockets::await_room(number, writing);
        }
    }
}
