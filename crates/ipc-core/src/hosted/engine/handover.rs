//! No name is handed over: a socket that listens cannot be given to another process.

use std::convert::Infallible;

use super::host::{Host, LinkId};
use super::options::{ListenOptions, Options};
use super::slab::Key;
use super::{Engine, Entry};
use crate::error::{Code, Error, Result};
use crate::time::{Now, Time};

/// A server on its way to a name that another may have, which none is.
pub(super) struct TakingOver(Infallible);

impl Engine {
    /// Always an error: a name cannot be taken over by this build of the engine.
    pub fn take_over(&mut self, name: &str, _: &Options, _: &ListenOptions) -> Result<LinkId> {
        let message = format!(
            "the name \"{name}\" cannot be taken over: this build of the engine hands no sockets \
             over, so that the old server has to close it first"
        );
        Err(Error::new(Code::Feature, message))
    }

    /// Returns when the next thing is due.
    pub(super) fn pursue(&mut self, key: Key, _: &Now, _: &mut impl Host) -> Time {
        match self.entries.get(key) {
            Some(Entry::TakingOver(taking)) => match taking.0 {},
            _ => Time::NEVER,
        }
    }

    pub(super) fn abandon(&mut self, key: Key) {
        self.entries.remove(key);
    }

    /// A new server has had time enough to take a name.
    pub(super) fn withdraw(&mut self, key: Key, _: &Now, _: &mut impl Host) -> Time {
        self.drop_handshake(key);
        Time::NEVER
    }

    /// A new server has a name.
    pub(super) fn let_go(&mut self, key: Key, _: &mut impl Host) {
        self.drop_handshake(key);
    }
}
