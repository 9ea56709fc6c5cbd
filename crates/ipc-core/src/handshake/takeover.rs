//! What a new server asks for that takes a name over, and what it is answered.
//!
//! ```text
//!   new server                    old server
//!   TAKE_OVER ----------------->  admit
//!             <-----------------  HANDOVER with two descriptors, or REJECT and the end
//!   READY     ----------------->  let go
//! ```

use super::{Fields, TOKEN_LEN_MAX, VERSION_MAX, VERSION_MIN, malformed, put_bytes};
use crate::error::{Code, Error, Result};

/// A new server's opening message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeOver {
    /// The oldest version it speaks.
    pub version_min: u16,
    /// The newest version it speaks.
    pub version_max: u16,
    /// The secret of the name, where there is one.
    pub token: Vec<u8>,
}

impl TakeOver {
    /// Of a server of this build.
    pub fn new(token: Vec<u8>) -> Self {
        Self { version_min: VERSION_MIN, version_max: VERSION_MAX, token }
    }

    /// The payload of the frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(6 + self.token.len());
        out.extend(self.version_min.to_le_bytes());
        out.extend(self.version_max.to_le_bytes());
        put_bytes(&mut out, &self.token);
        out
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        let mut fields = Fields(payload);
        let read = |fields: &mut Fields<'_>| {
            Some(Self {
                version_min: fields.u16()?,
                version_max: fields.u16()?,
                token: fields.bytes(TOKEN_LEN_MAX)?.to_vec(),
            })
        };
        read(&mut fields).ok_or_else(|| malformed("TAKE_OVER", payload.len()))
    }
}

/// The old server's consent. The listening socket and the lock travel beside it, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The version both will speak.
    pub version: u16,
}

impl Handover {
    /// The payload of the frame.
    pub fn encode(self) -> [u8; 2] {
        self.version.to_le_bytes()
    }

    /// Reads a payload, and checks that it answers a server of this build.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        let version = Fields(payload).u16().ok_or_else(|| malformed("HANDOVER", payload.len()))?;
        if (VERSION_MIN..=VERSION_MAX).contains(&version) {
            return Ok(Self { version });
        }
        Err(Error::new(Code::Handshake, format!("a handover in version {version}")))
    }
}
