//! A new server that asks for a name is told that it is not handed over.

use super::Handshaking;
use crate::engine::listener::Listener;
use crate::error::{Code, Error, Result};

impl Handshaking {
    pub(super) fn lend(&self, _: &[u8], _: &Listener) -> Result<()> {
        let message = "this server cannot hand its name over: it has to close it first";
        Err(Error::new(Code::Feature, message))
    }

    /// Whether this is a server's handshake that has sent its name to a new one.
    pub fn is_lending(&self) -> bool {
        false
    }
}
