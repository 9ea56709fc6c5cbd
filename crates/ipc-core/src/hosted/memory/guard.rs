//! Nothing that is mapped here can be made shorter by others.

use std::convert::Infallible;

pub(super) struct Guard(Infallible);

impl Guard {
    pub fn is_lost(&self) -> bool {
        match self.0 {}
    }
}

/// None was ever lost.
#[inline]
pub(crate) fn losses() -> u64 {
    0
}
