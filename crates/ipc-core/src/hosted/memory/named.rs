//! There are no named segments; randomness is the host's.

use std::convert::Infallible;

use super::sealed::unshared;
use super::{Address, Object, Segment};
use crate::error::Result;
use crate::hosted::imports;

/// The name of a segment, which none has.
pub(super) struct Name(Infallible);

pub(super) fn create(_: Object) -> Result<(Segment, Address)> {
    Err(unshared())
}

pub(super) fn attach(_: &Address, _: Object) -> Result<Segment> {
    Err(unshared())
}

/// Bytes of the host's randomness.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    imports::random(&mut bytes);
    Ok(bytes)
}
