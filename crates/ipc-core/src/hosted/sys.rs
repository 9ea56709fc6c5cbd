//! Stands in for the module of system calls: what the host has instead, and no limits that are
//! known here.

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use crate::hosted::imports;

/// There are no descriptors.
#[derive(Debug)]
pub(crate) struct OwnedFd(Infallible);

/// As above.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BorrowedFd<'a>(Infallible, PhantomData<&'a OwnedFd>);

impl OwnedFd {
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }
}

/// Why something has failed, by the names that systems have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(&'static str);

impl Errno {
    pub const ACCESS: Self = Self("it is not permitted");
    pub const AGAIN: Self = Self("nothing has come yet");
    pub const CONNABORTED: Self = Self("the client has gone");
    pub const DQUOT: Self = Self("there is no room left for this user");
    pub const FBIG: Self = Self("a file is too long");
    pub const INTR: Self = Self("it was interrupted");
    pub const IO: Self = Self("the host could not do it");
    pub const MFILE: Self = Self("the process has no descriptors left");
    pub const NFILE: Self = Self("the system has no descriptors left");
    pub const NOMEM: Self = Self("there is no memory left");
    pub const NOSPC: Self = Self("there is no room left");
    pub const NOSYS: Self = Self("the host does not have it");
    pub const PERM: Self = Self("a policy does not permit it");
    pub const TOOMANYREFS: Self = Self("too many descriptors are on their way");
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl From<Errno> for std::io::Error {
    fn from(cause: Errno) -> Self {
        Self::other(cause.0)
    }
}

/// No limit of a process explains what the host could not do.
pub(crate) fn limit_behind(_: Errno) -> Option<String> {
    None
}

#[inline(always)]
pub(crate) fn kill_point(_: &'static str) {}

/// There is one clock. To ask the host for it takes about as long as to send a short message, so
/// the coarse one is what it read last.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ClockId {
    Monotonic,
    MonotonicCoarse,
}

thread_local! {
    static LAST_NANOS: Cell<i64> = const { Cell::new(0) };
}

/// What a clock reads.
pub(crate) struct Timespec {
    pub tv_sec: i64,
    pub tv_nsec: i64,
}

pub(crate) fn clock_gettime(clock: ClockId) -> Timespec {
    if matches!(clock, ClockId::Monotonic) {
        let millis = imports::now().max(0.0);
        #[expect(clippy::cast_possible_truncation, reason = "nanoseconds fit for three centuries")]
        LAST_NANOS.set((millis * 1e6) as i64);
    }
    let nanos = LAST_NANOS.get();
    Timespec { tv_sec: nanos / 1_000_000_000, tv_nsec: nanos % 1_000_000_000 }
}
