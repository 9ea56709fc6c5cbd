//! What functions return.

use ipc_core::Code;

/// What a function returns. Numbers never change, and others may come.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is done.
    Ok = 0,
    /// There is nothing to return now. No error.
    Nothing = 1,
    /// The caller's buffer is too short. The length it takes is known: call again.
    BufferTooSmall = 2,
    /// Another thread is in a call with the same handle or loop.
    Busy = 3,
    /// This side closed the connection, or it was never open.
    Closed = 10,
    /// The peer went away before the answer came: it closed, was killed, or broke the protocol.
    PeerLost = 11,
    /// The deadline passed before the answer came.
    Timeout = 12,
    /// The caller cancelled.
    Cancelled = 13,
    /// The peer has no handler of that name.
    UnknownMethod = 14,
    /// The peer's handler failed. Its own code is in the error.
    Handler = 15,
    /// A payload that cannot be encoded or decoded, or that a validator refused.
    InvalidPayload = 16,
    /// Longer than it may be.
    TooLarge = 17,
    /// No room in the lane.
    Full = 18,
    /// More requests in flight than were agreed.
    TooManyPending = 19,
    /// More distinct names of methods and events than were agreed.
    TooManyNames = 20,
    /// More connections than the server accepts.
    TooManyConnections = 21,
    /// An argument is NULL, or of the wrong shape or range.
    InvalidArgument = 22,
    /// A name that is empty, too long or has characters a file name should not have.
    InvalidName = 23,
    /// The name has a writer, publisher or server that lives.
    NameInUse = 24,
    /// No server has that name.
    NoServer = 25,
    /// The other side, or the directory to meet in, belongs to another user.
    ForeignUser = 26,
    /// The directory to meet in is a link, not a directory, or open to others.
    UnsafeDirectory = 27,
    /// The system does not permit it.
    Access = 28,
    /// The two sides share no protocol version.
    Version = 29,
    /// One side requires a feature the other does not have.
    Feature = 30,
    /// The token is missing or wrong.
    Token = 31,
    /// The handshake was malformed, cut short, or took too long.
    Handshake = 32,
    /// What was written into shared memory cannot be.
    Corrupt = 33,
    /// The layouts of a writer and a reader differ.
    Layout = 34,
    /// No room for the shared memory.
    NoSpace = 35,
    /// No file descriptors left.
    NoDescriptors = 36,
    /// A lossless subscriber has held its publisher up for too long, and was cut off.
    Lagged = 37,
    /// A synchronous request that could never be answered.
    WouldDeadlock = 38,
    /// A system call failed in a way that has no status of its own.
    System = 39,
    /// A fault of this library.
    Internal = 40,
}

impl From<Code> for Status {
    fn from(code: Code) -> Self {
        match code {
            Code::Closed => Self::Closed,
            Code::PeerLost => Self::PeerLost,
            Code::Timeout => Self::Timeout,
            Code::Cancelled => Self::Cancelled,
            Code::UnknownMethod => Self::UnknownMethod,
            Code::Handler => Self::Handler,
            Code::InvalidPayload => Self::InvalidPayload,
            Code::TooLarge => Self::TooLarge,
            Code::Full => Self::Full,
            Code::TooManyPending => Self::TooManyPending,
            Code::TooManyNames => Self::TooManyNames,
            Code::TooManyConnections => Self::TooManyConnections,
            Code::InvalidArgument => Self::InvalidArgument,
            Code::InvalidName => Self::InvalidName,
            Code::NameInUse => Self::NameInUse,
            Code::NoServer => Self::NoServer,
            Code::ForeignUser => Self::ForeignUser,
            Code::UnsafeDirectory => Self::UnsafeDirectory,
            Code::Access => Self::Access,
            Code::Version => Self::Version,
            Code::Feature => Self::Feature,
            Code::Token => Self::Token,
            Code::Handshake => Self::Handshake,
            Code::Corrupt => Self::Corrupt,
            Code::Layout => Self::Layout,
            Code::NoSpace => Self::NoSpace,
            Code::NoDescriptors => Self::NoDescriptors,
            Code::Lagged => Self::Lagged,
            Code::WouldDeadlock => Self::WouldDeadlock,
            Code::System => Self::System,
            _ => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_status_of_its_own() {
        let mut all: Vec<_> = Code::ALL.iter().map(|code| Status::from(*code) as i32).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), Code::ALL.len());
    }
}
