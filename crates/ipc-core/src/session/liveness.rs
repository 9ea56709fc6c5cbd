//! What two sessions say of themselves and not of a request: PING and PONG, and LEAVING.
//!
//! One PING of a side is on its way at a time, and one PONG waits to be written, so that neither
//! grows with how often they are asked for.

use super::{ControlMessage, Session, Step, control};
use crate::error::{Code, Error, Result};

#[derive(Debug, Default)]
pub(super) struct Liveness {
    /// Both sides know these messages.
    pub agreed: bool,
    /// The number of this side's last PING.
    pinged: u64,
    /// It has no PONG yet.
    is_awaited: bool,
    /// Another PING follows then.
    again: bool,
    /// The number of the peer's last PING, until its PONG is written.
    asked: Option<u64>,
    /// This side has sent LEAVING.
    leaves: bool,
    /// So has the peer.
    peer_leaves: bool,
}

impl Session {
    /// Sends a PING; while one is on its way, another follows it. Returns the number of the PONG
    /// that answers it, and whether it is sent now.
    pub fn ping(&mut self) -> Result<(u64, bool)> {
        if !self.liveness.agreed {
            return Err(Error::new(Code::Feature, "the peer does not know PING"));
        }
        if self.liveness.is_awaited {
            self.liveness.again = true;
            return Ok((self.liveness.pinged.wrapping_add(1), false));
        }
        self.send_ping();
        Ok((self.liveness.pinged, true))
    }

    fn send_ping(&mut self) {
        self.liveness.pinged = self.liveness.pinged.wrapping_add(1);
        self.liveness.is_awaited = true;
        self.controls.push_back(ControlMessage::Ping(self.liveness.pinged));
    }

    /// Sends LEAVING, once. Returns whether the peer knows what that means.
    pub fn leave(&mut self) -> bool {
        let Liveness { agreed, leaves, .. } = &mut self.liveness;
        if *agreed && !std::mem::replace(leaves, true) {
            self.controls.push_back(ControlMessage::Leaving);
        }
        self.liveness.agreed
    }

    /// Whether the peer has sent LEAVING.
    pub fn peer_leaves(&self) -> bool {
        self.liveness.peer_leaves
    }

    /// The number of a [`ControlMessage::Pong`], which is written now.
    pub fn take_pong(&mut self) -> Option<u64> {
        self.liveness.asked.take()
    }

    /// One of these messages has come. `None`: it is none of them.
    pub(super) fn receive_liveness(&mut self, code: u16, id: u64) -> Option<Step> {
        if !self.liveness.agreed {
            return None;
        }
        match code {
            // The newest stands for those before it, which have no answer yet.
            control::PING => {
                if self.liveness.asked.replace(id).is_none() {
                    self.controls.push_back(ControlMessage::Pong);
                }
                Some(Step::Ping)
            }
            control::PONG => Some(self.ponged(id)),
            control::LEAVING => {
                let is_news = !std::mem::replace(&mut self.liveness.peer_leaves, true);
                Some(if is_news { Step::Leaving } else { Step::Done })
            }
            _ => None,
        }
    }

    /// A PONG that answers nothing is ignored.
    fn ponged(&mut self, id: u64) -> Step {
        let Liveness { pinged, is_awaited, again, .. } = &mut self.liveness;
        if id != *pinged || !std::mem::take(is_awaited) {
            return Step::Done;
        }
        let again = std::mem::take(again);
        if again {
            self.send_ping();
        }
        Step::Pong { number: id, again }
    }
}
