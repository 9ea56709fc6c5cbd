//! The handshake by which a new server gets the name of one that runs, in both roles.

use super::{Handshaking, SENDING, Stage, send};
use crate::engine::listener::Listener;
use crate::engine::os::socket::HandshakeSocket;
use crate::error::{Code, Error, Result};
use crate::handshake::TakeOver;
use crate::header::{Header, Kind};
use crate::session::control;
use crate::sys::kill_point;
use crate::time::Time;

impl Handshaking {
    // ---- the new server ----

    /// A new server's first step, at the server that runs.
    pub fn take_over(socket: HandshakeSocket, request: &TakeOver, deadline: Time) -> Result<Self> {
        let this = Self::new(socket, deadline, Stage::AwaitingHandover);
        this.check_listener()?;
        match send(&this.socket, control::TAKE_OVER, &request.encode(), &[]) {
            // As for HELLO.
            Err(error) if error.code() == Code::Handshake => {}
            sent => sent?,
        }
        kill_point("asked");
        Ok(this)
    }

    /// A new server's last step: it takes the name. Returns whether it has it: the old server did
    /// not read on otherwise, and either has ended or says why.
    pub fn confirm(&mut self) -> Result<bool> {
        let header = Header::new(Kind::Control, control::READY, 0);
        let sent = self.socket.send([&header.to_bytes(&[]), &[]], &[]);
        let has_taken = sent.map_err(|cause| Error::system(SENDING, cause))?;
        self.stage = if has_taken { Stage::Done } else { Stage::AwaitingEnd };
        Ok(has_taken)
    }

    /// Whether this is a new server's handshake that the old server has ended without a word.
    pub fn has_ended_silently(&self) -> bool {
        self.has_ended && matches!(self.stage, Stage::AwaitingHandover | Stage::AwaitingEnd)
    }

    // ---- the old server ----

    /// A server's answer to one that asks for its name.
    pub(super) fn lend(&self, request: &[u8], listener: &Listener) -> Result<()> {
        let consent = listener.policy.consent(request)?;
        send(&self.socket, control::HANDOVER, &consent.encode(), &listener.lendable()?)?;
        kill_point("lent");
        Ok(())
    }

    /// Whether this is a server's handshake that has sent its name to a new one.
    pub fn is_lending(&self) -> bool {
        matches!(self.stage, Stage::Lending)
    }

    /// Ends a handshake with a new server that takes too long. It can confirm no more; what it has
    /// confirmed is still there to be read.
    pub fn withdraw(&self) {
        self.socket.stop_receiving();
        let message = "the new server did not take the name in time";
        Self::refuse(&self.socket, &Error::new(Code::Timeout, message));
    }
}
