//! There is no memory that two processes could share: no handshake agrees to any.

use super::{Object, Segment};
use crate::error::{Code, Error, Result};
use crate::sys::OwnedFd;

pub(super) fn create(_: Object) -> Result<(Segment, OwnedFd)> {
    Err(unshared())
}

pub(super) fn attach(_: &OwnedFd, _: Object) -> Result<Segment> {
    Err(unshared())
}

#[cold]
pub(crate) fn unshared() -> Error {
    let message = "this build of the engine shares no memory: its transport is \"socket\"";
    Error::new(Code::Feature, message)
}
