//! The doorbell of a connection: it is rung by sending what the peer would be woken for.

use super::socket::OwnedSocket;
use super::stream::Stream;
use crate::error::{Corrupt, Result};

/// What has arrived on the socket of an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Received {
    /// Something, or nothing.
    Some,
    /// The end: the peer closed, or its process is gone.
    End,
}

/// The doorbell of one connection, at this end.
pub(in crate::engine) struct Bell {
    socket: OwnedSocket,
    /// Of every connection here.
    stream: Option<Box<Stream>>,
    rings: u64,
}

impl Bell {
    pub fn new(socket: OwnedSocket, stream: Option<Stream>) -> Self {
        Self { socket, stream: stream.map(Box::new), rings: 0 }
    }

    pub fn socket(&self) -> &OwnedSocket {
        &self.socket
    }

    /// Sends the peer what there is for it.
    #[cold]
    pub fn ring(&mut self) {
        if let Some(stream) = &mut self.stream {
            self.rings += u64::from(stream.flush(&self.socket));
        }
    }

    /// Takes what has come behind the handshake.
    pub fn begin(&mut self, bytes: &[u8]) -> Result<(), Corrupt> {
        self.stream.as_mut().map_or(Ok(()), |stream| stream.begin(bytes))
    }

    /// Takes what has come, by way of `buffer`.
    pub fn receive(&mut self, buffer: &mut Vec<u8>) -> Result<Received> {
        match &mut self.stream {
            None => Ok(Received::Some),
            Some(stream) => stream.receive(&self.socket, buffer),
        }
    }

    /// Whether what is shared with the peer is sent to it.
    #[inline]
    pub fn is_stream(&self) -> bool {
        true
    }

    /// Whether something was rung for that could not be sent yet.
    pub fn has_unsent(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.waits())
    }

    /// How often something was sent.
    pub fn rings(&self) -> u64 {
        self.rings
    }
}
