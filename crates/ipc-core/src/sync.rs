//! One place chooses the atomics: the hardware's in production, loom's in the models.
//!
//! Only the *algorithms* over shared words go through here. The mapped backing
//! ([`crate::memory`]) always uses the hardware's, because a loom atomic cannot lie in a mapping.

#[cfg(all(test, not(loom)))]
pub(crate) use std::sync::atomic::AtomicU64;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{Ordering, fence};

#[cfg(all(test, loom))]
pub(crate) use loom::sync::atomic::AtomicU64;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{Ordering, fence};

/// How a position or count is stored after the bytes it announces or gives back.
pub(crate) const PUBLISH: Ordering = Ordering::Release;
/// How it is loaded before they are touched. Mapping and models share the two, so that what the
/// models show holds for the mapping.
pub(crate) const OBSERVE: Ordering = Ordering::Acquire;
