//! Where to meet, as the host has found it.

use super::claim::{Claim, Listening};
use super::options::Options;
use super::os::socket::{Address, Handed, OwnedSocket};
use crate::error::{Code, Error, Result};
use crate::limits::check_server_name;

/// The environment variable that names another directory to meet in.
pub const DIRECTORY_VARIABLE: &str = "RINGPOST_DIR";

/// The addresses at which a server may listen.
pub(crate) struct Places(Vec<Address>);

impl Places {
    #[expect(clippy::unnecessary_wraps, reason = "where they have to be found, that can fail")]
    pub fn of(options: &Options) -> Result<Self> {
        Ok(Self(options.addresses.clone()))
    }

    /// Serves `name` at a socket of the host's.
    pub(super) fn listen(
        &self,
        name: &str,
        handed: Option<Handed<'_>>,
    ) -> Result<(Claim, Listening)> {
        check_server_name(name)?;
        let none = || Error::new(Code::InvalidArgument, "a socket to listen at is the host's");
        Ok((Claim, OwnedSocket::listening(handed.ok_or_else(none)?)))
    }

    /// The places where a server of that name may be.
    pub(super) fn doors(&self, name: &str) -> Result<(Vec<Door>, Vec<String>)> {
        check_server_name(name)?;
        let doors = self.0.iter().map(|address| Door { address: address.clone() });
        Ok((doors.collect(), Vec::new()))
    }

    /// Their names, for people.
    pub fn shown(&self) -> String {
        self.0.join(" or ")
    }
}

/// A server's socket, as a client searches for it.
pub(super) struct Door {
    pub address: Address,
}

impl Door {
    /// What it is called, for people.
    pub fn shown(&self, _: &str) -> String {
        self.address.clone()
    }
}
