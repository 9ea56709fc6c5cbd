//! The process and user at the other end of a socket, which a host does not know. Who may connect
//! is decided by where the host listens: in a directory of this user's alone, or at a name that is
//! kept secret. So a peer counts as one of the same user, with a number that no process has.

use crate::hosted::imports;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Credentials {
    /// 0: it is not known.
    pub pid: i32,
    /// The user of this process.
    pub uid: u32,
}

/// The user of this process, and 0 where the system has no such numbers.
pub(crate) fn own_uid() -> u32 {
    imports::user()
}

/// This process has no number that could be compared with those of peers.
pub(in crate::engine) fn own_pid() -> Option<u32> {
    None
}

/// What is known of any peer.
pub(super) fn of_peer() -> Credentials {
    Credentials { pid: 0, uid: own_uid() }
}
