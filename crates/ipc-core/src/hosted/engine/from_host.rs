//! What a host says, and asks for.

use super::Engine;
use super::host::{Host, ListenerId};
use super::os::socket::Attempt;
use super::os::sockets;
use crate::error::Error;
use crate::hosted::imports::Number;
use crate::sys::Errno;
use crate::time::Time;

/// Why a socket could not be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotConnected {
    /// No server listens there.
    NoServer,
    /// This user may not connect there.
    NotPermitted,
    /// A server listens, and its queue is full.
    QueueFull,
    /// The process has no descriptors left.
    NoDescriptors,
    /// The host could not do it.
    Failed,
}

impl Engine {
    /// A socket that the engine has begun to connect is connected.
    pub fn connected(&mut self, socket: Number) {
        self.attempted(socket, Ok(Attempt::Connected));
    }

    /// It could not be connected.
    pub fn connect_failed(&mut self, socket: Number, why: NotConnected) {
        let attempt = match why {
            NotConnected::NoServer => Ok(Attempt::NoServer),
            NotConnected::NotPermitted => Ok(Attempt::Barred),
            NotConnected::QueueFull => Ok(Attempt::QueueFull),
            NotConnected::NoDescriptors => Err(Errno::MFILE),
            NotConnected::Failed => Err(Errno::IO),
        };
        self.attempted(socket, attempt);
    }

    fn attempted(&mut self, number: Number, attempt: Result<Attempt, Errno>) {
        sockets::with(number, |socket| _ = socket.attempt.get_or_insert(attempt));
        // What is being connected looks whether it is, each time that something is due.
        self.due = Time::default();
        self.poller.wake_by(self.due);
    }

    /// A client has connected at a socket that listens; its own is the engine's from now on.
    pub fn accepted(&mut self, listening: Number, socket: Number) {
        sockets::adopt(socket);
        let waits = sockets::with(listening, |listener| listener.clients.push_back(socket));
        if waits.is_none() {
            sockets::close(socket);
        }
    }

    /// Clients do not find a server any more: the host could not keep its name.
    pub fn name_lost(&mut self, listener: ListenerId, error: Error, host: &mut impl Host) {
        self.lose_listener(listener.0, error, host);
    }

    /// Bytes have come over a socket.
    pub fn received(&mut self, socket: Number, bytes: &[u8]) {
        sockets::received(socket, bytes);
    }

    /// The end of a socket has come, or an error of it.
    pub fn ended(&mut self, socket: Number) {
        sockets::with(socket, |socket| socket.has_ended = true);
    }

    /// A socket that took no more bytes takes some again.
    pub fn drained(&mut self, socket: Number) {
        sockets::drained(socket);
    }

    /// Whether the host has said something that [`Engine::drive`] has to deal with.
    pub fn has_events(&self) -> bool {
        self.poller.has_events() || self.wakes_at() == Time::default()
    }

    /// When [`Engine::drive`] wants to be called at the latest, as of the last [`Engine::arm`].
    pub fn wakes_at(&self) -> Time {
        self.poller.wakes_at()
    }
}
