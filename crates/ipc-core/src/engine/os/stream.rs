//! The socket of a connection without shared memory: whatever crosses, crosses here.

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendFlags};

use super::bell::Received;
use super::poller::Watching;
use crate::error::{Corrupt, Error, Result};
use crate::mirror::Mirror;
use crate::sys::{self, kill_point};

/// Bytes sent and received at once before other connections have their turn.
const TURN_LEN: usize = 1 << 20;
const RECEIVED_MAX: usize = 64 << 10;

/// Sends what a side writes into its segment, and writes there what the peer sends.
pub(in crate::engine) struct Stream {
    mirror: Mirror,
    watching: Watching,
    /// The socket took no more, and what is left goes when it does.
    waits: bool,
    /// The socket is of no use any more, and why.
    failed: Option<Errno>,
}

impl Stream {
    pub fn new(mirror: Mirror, watching: Watching) -> Self {
        Self { mirror, watching, waits: false, failed: None }
    }

    /// Whether there is something left to be sent when the socket takes more.
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// What has come with the end of the handshake.
    pub fn begin(&mut self, bytes: &[u8]) -> Result<(), Corrupt> {
        self.mirror.take(bytes)
    }

    /// Sends what there is, as far as the socket takes it. Returns whether it took anything.
    pub fn flush(&mut self, socket: &OwnedFd) -> bool {
        let mut sent = 0;
        let waits = loop {
            if !self.mirror.gather() || self.failed.is_some() {
                break false;
            }
            if sent >= TURN_LEN {
                break true;
            }
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let unsent = self.mirror.unsent();
            kill_point("before the bell");
            match sys::fault().and_then(|()| rustix::net::send(socket, unsent, flags)) {
                Ok(len) => {
                    self.mirror.sent(len);
                    sent += len;
                    kill_point("bell");
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break true,
                Err(cause) => {
                    // The end comes out of the socket, behind what the peer has sent before.
                    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
                    self.failed = Some(cause);
                }
            }
        };
        if waits != self.waits {
            self.waits = waits;
            self.watching.set_writing(socket, waits);
        }
        sent > 0
    }

    /// Takes what has come, as much as may be taken at once, and sends what could not be sent
    /// before. `buffer` is of use during this call only.
    pub fn receive(&mut self, socket: &OwnedFd, buffer: &mut Vec<u8>) -> Result<Received> {
        if buffer.is_empty() {
            buffer.resize(RECEIVED_MAX, 0);
        }
        let received = sys::fault().and_then(|()| {
            rustix::net::recvmsg(
                socket,
                &mut [IoSliceMut::new(buffer)],
                &mut RecvAncillaryBuffer::default(),
                RecvFlags::DONTWAIT,
            )
        });
        match received {
            Ok(received) if received.flags.contains(ReturnFlags::CTRUNC) => {
                return Err(Corrupt::Descriptors.into());
            }
            Ok(received) if received.bytes == 0 => return self.end(),
            Ok(received) => self.mirror.take(&buffer[..received.bytes])?,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(Errno::CONNRESET) => return self.end(),
            Err(cause) => return Err(Error::system("receiving from the peer", cause)),
        }
        if self.waits {
            self.flush(socket);
        }
        Ok(Received::Some)
    }

    /// The end has come, of the peer or of the socket.
    fn end(&mut self) -> Result<Received> {
        self.waits = false;
        match self.failed {
            None | Some(Errno::PIPE | Errno::CONNRESET) => Ok(Received::End),
            Some(cause) => Err(Error::system("sending to the peer", cause)),
        }
    }
}
