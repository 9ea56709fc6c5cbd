//! The socket of a connection: whatever crosses, crosses here.

use super::bell::Received;
use super::poller::Watching;
use super::socket::OwnedSocket;
use crate::error::{Corrupt, Result};
use crate::hosted::imports::Sending;
use crate::mirror::Mirror;

/// Bytes sent at once before other connections have their turn.
const TURN_LEN: usize = 1 << 20;

/// Has the host send what a side writes into its segment, and writes there what the peer sends.
pub(in crate::engine) struct Stream {
    mirror: Mirror,
    watching: Watching,
    /// The host took no more, and what is left goes when it does.
    waits: bool,
    /// The socket is of no use any more.
    has_failed: bool,
}

impl Stream {
    pub fn new(mirror: Mirror, watching: Watching) -> Self {
        Self { mirror, watching, waits: false, has_failed: false }
    }

    /// Whether there is something left to be sent when the host takes more.
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// What has come with the end of the handshake.
    pub fn begin(&mut self, bytes: &[u8]) -> Result<(), Corrupt> {
        self.mirror.take(bytes)
    }

    /// Sends what there is, as far as the host takes it. Returns whether it took anything.
    pub fn flush(&mut self, socket: &OwnedSocket) -> bool {
        let mut sent = 0;
        let waits = loop {
            if !self.mirror.gather() || self.has_failed {
                break false;
            }
            if sent >= TURN_LEN {
                break true;
            }
            match socket.send(self.mirror.unsent()) {
                Sending::Taken(len) => {
                    self.mirror.sent(len);
                    sent += len;
                }
                Sending::Later => break true,
                Sending::Gone => {
                    // Behind what the peer has sent before.
                    socket.end();
                    self.has_failed = true;
                }
            }
        };
        if waits != self.waits {
            self.waits = waits;
            self.watching.set_writing(socket, waits);
        }
        sent > 0
    }

    /// Takes what has come, and sends what could not be sent before. `buffer` is of use during this
    /// call only.
    pub fn receive(&mut self, socket: &OwnedSocket, buffer: &mut Vec<u8>) -> Result<Received> {
        buffer.clear();
        if socket.receive(buffer) {
            self.waits = false;
            return Ok(Received::End);
        }
        self.mirror.take(buffer)?;
        if self.waits {
            self.flush(socket);
        }
        Ok(Received::Some)
    }
}
