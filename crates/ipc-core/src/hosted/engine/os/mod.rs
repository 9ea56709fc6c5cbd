//! What the engine asks of an operating system, where its host is asked instead.
//!
//! A [`Poller`](poller::Poller) is a queue of sockets of which the host has said something, and the
//! next time. A [`HandshakeSocket`](socket::HandshakeSocket) is connected later than it is asked
//! to be, a [`Stream`](stream::Stream) has the host send what there is for a peer, and
//! [`credentials`] are what a host knows of one: nothing.

pub(super) mod bell;
pub(crate) mod credentials;
pub(super) mod poller;
pub(super) mod socket;
pub(super) mod sockets;
pub(super) mod stream;
#[cfg(all(test, not(loom)))]
mod tests;
