//! Everything that can go wrong, with a stable code a program can branch on.

use std::borrow::Cow;
use std::fmt;

use crate::sys::{self, Errno};

/// The result of whatever can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What kind of failure an [`Error`] is. The text of a code never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable text of the code, the same in Rust and in TypeScript.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// This side closed the connection, or it was never open.
    Closed = "ERR_CLOSED",
    /// The peer went away before the answer came: it closed, was killed, or broke the protocol.
    PeerLost = "ERR_PEER_LOST",
    /// The deadline passed before the answer came.
    Timeout = "ERR_TIMEOUT",
    /// The caller cancelled.
    Cancelled = "ERR_CANCELLED",
    /// The peer has no handler of that name.
    UnknownMethod = "ERR_UNKNOWN_METHOD",
    /// The peer's handler failed and named no code of its own.
    Handler = "ERR_HANDLER",
    /// A payload that cannot be encoded or decoded, or that a validator refused.
    InvalidPayload = "ERR_INVALID_PAYLOAD",
    /// A message longer than the agreed maximum.
    TooLarge = "ERR_TOO_LARGE",
    /// No room in the lane, and its policy or its backlog's limit does not allow to wait.
    Full = "ERR_FULL",
    /// More requests in flight than were agreed.
    TooManyPending = "ERR_TOO_MANY_PENDING",
    /// More distinct method and event names than were agreed.
    TooManyNames = "ERR_TOO_MANY_NAMES",
    /// More connections than the server accepts.
    TooManyConnections = "ERR_TOO_MANY_CONNECTIONS",
    /// An argument of the wrong shape or range.
    InvalidArgument = "ERR_INVALID_ARGUMENT",
    /// A server name that is empty, too long or has characters a file name should not have.
    InvalidName = "ERR_INVALID_NAME",
    /// A living server holds that name.
    NameInUse = "ERR_NAME_IN_USE",
    /// No server has that name.
    NoServer = "ERR_NO_SERVER",
    /// The other side, or the directory to meet in, belongs to another user.
    ForeignUser = "ERR_FOREIGN_USER",
    /// The directory to meet in is a link, not a directory, or open to others.
    UnsafeDirectory = "ERR_UNSAFE_DIRECTORY",
    /// The system does not permit it: modes of files, a sandbox, or a policy.
    Access = "ERR_ACCESS",
    /// The two sides share no protocol version.
    Version = "ERR_VERSION",
    /// One side requires a feature the other does not have.
    Feature = "ERR_FEATURE",
    /// The token is missing or wrong.
    Token = "ERR_TOKEN",
    /// The handshake was malformed, cut short, or took too long.
    Handshake = "ERR_HANDSHAKE",
    /// The peer wrote something that breaks the protocol into a ring.
    Corrupt = "ERR_CORRUPT",
    /// The layouts of a writer and a reader differ, and neither is the other with members appended;
    /// or what should describe a layout does not.
    Layout = "ERR_LAYOUT",
    /// No room for the shared memory.
    NoSpace = "ERR_NO_SPACE",
    /// No file descriptors left.
    NoDescriptors = "ERR_NO_DESCRIPTORS",
    /// A subscriber that must miss nothing has held its publisher up for too long, and was cut off.
    Lagged = "ERR_LAGGED",
    /// A synchronous request that could never be answered.
    WouldDeadlock = "ERR_WOULD_DEADLOCK",
    /// A system call failed in a way that has no code of its own.
    System = "ERR_SYSTEM",
    /// A fault of this library.
    Internal = "ERR_INTERNAL",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure: its code, a sentence with the numbers in it, and what caused it.
///
/// ```
/// use ipc_core::{Code, Error};
///
/// let error = Error::new(Code::NoServer, "no server is named \"demo\"");
/// assert_eq!(error.code().as_str(), "ERR_NO_SERVER");
/// assert_eq!(error.to_string(), "no server is named \"demo\"");
/// ```
// One pointer wide: results of hot calls stay in registers.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
pub struct Error(#[source] Box<Inner>);

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this library's own.
    #[cold]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { code, message: message.into(), cause: None }))
    }

    /// An error with what caused it.
    #[cold]
    pub(crate) fn caused(
        code: Code,
        message: impl Into<Cow<'static, str>>,
        cause: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(Inner { code, message: message.into(), cause: Some(Box::new(cause)) }))
    }

    /// A failed system call: `doing` says what was being done. A limit it has failed at is named
    /// with its value.
    #[cold]
    pub fn system(doing: impl fmt::Display, cause: Errno) -> Self {
        let code = match cause {
            // The last is about descriptors that are on their way in sockets.
            Errno::MFILE | Errno::NFILE | Errno::TOOMANYREFS => Code::NoDescriptors,
            Errno::NOSPC | Errno::NOMEM | Errno::DQUOT | Errno::FBIG => Code::NoSpace,
            Errno::ACCESS | Errno::PERM => Code::Access,
            _ => Code::System,
        };
        let limit = sys::limit_behind(cause).map(|limit| format!("; {limit}"));
        let message = format!("{doing}: {cause}{}", limit.unwrap_or_default());
        Self::caused(code, message, std::io::Error::from(cause))
    }

    /// The same for what the standard library was asked to do.
    #[cfg(not(target_family = "wasm"))]
    #[cold]
    pub fn from_io(doing: impl fmt::Display, cause: &std::io::Error) -> Self {
        match cause.raw_os_error() {
            Some(errno) => Self::system(doing, Errno::from_raw_os_error(errno)),
            None => Self::new(Code::System, format!("{doing}: {cause}")),
        }
    }

    /// The outcome of a message that a full lane has dropped.
    #[cold]
    pub fn dropped() -> Self {
        Self::new(Code::Full, "the lane is full and has dropped the message")
    }

    /// The stable code to branch on; [`Code::Handler`] when the peer's handler has a code of its
    /// own.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What caused it, if that is of this type.
    pub(crate) fn cause_as<T: std::error::Error + 'static>(&self) -> Option<&T> {
        self.0.cause.as_ref()?.downcast_ref()
    }
}

impl From<Corrupt> for Error {
    #[cold]
    fn from(corrupt: Corrupt) -> Self {
        Self::new(Code::Corrupt, format!("the peer broke the protocol: {corrupt}"))
    }
}

/// What was wrong with the bytes a peer wrote: both numbers, what was found and what was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the numbers are")]
#[non_exhaustive]
pub enum Corrupt {
    #[error("positions write {write} and read {read} in a ring of {capacity} bytes")]
    Positions { write: u64, read: u64, capacity: u64 },
    #[error("a frame starts with {found:#010x}, not with the magic")]
    Magic { found: u32 },
    #[error("header version {found}, 1 was agreed")]
    HeaderVersion { found: u8 },
    #[error("frame kind {found} is not known")]
    Kind { found: u8 },
    #[error("a frame of {len} bytes where at most {available} are possible")]
    Length { len: usize, available: usize },
    #[error("checksum {found:#010x}, {expected:#010x} computed")]
    Checksum { found: u32, expected: u32 },
    #[error("an option block of {len} bytes in a frame of {available}")]
    OptionBlock { len: usize, available: usize },
    #[error("option {kind:#04x} is malformed or must be understood and is not")]
    Option { kind: u8 },
    #[error("control code {code} in a frame of {len} bytes on lane {lane}")]
    Control { code: u16, len: usize, lane: u8 },
    #[error("name code {code}, which was not defined before")]
    UndefinedName { code: u16 },
    #[error("name code {code} defined with {len} bytes, against what was agreed")]
    Name { code: u16, len: usize },
    #[error("request slot {slot} of {pending_max} agreed")]
    Slot { slot: u32, pending_max: u32 },
    #[error("a message of {total} bytes, at most {max} were agreed")]
    MessageLength { total: u64, max: u64 },
    #[error("fragment at {received} of {total} bytes with {len} more, id {id}")]
    Fragment { id: u64, received: u64, total: u64, len: usize },
    #[error("a frame of kind {kind} on the control ring or out of its lane")]
    Misplaced { kind: u8 },
    #[error("an item of request {id:#x}, which has none")]
    NoStream { id: u64 },
    #[error("an item of {len} bytes of request {id:#x}, which nothing was granted for")]
    Credit { id: u64, len: usize },
    #[error("{granted} bytes granted to the items of request {id:#x}, more than can be")]
    Grant { id: u64, granted: u64 },
    #[error("a window of {window} bytes")]
    Window { window: u32 },
    #[error("{packed} compressed bytes do not unpack to {len}")]
    Compressed { packed: usize, len: u32 },
    #[error("a frame after the closing marker of lane {lane}")]
    AfterClose { lane: u8 },
    #[error("a record {what} with flags {flags:#04x} and {len} bytes")]
    Record { what: u8, flags: u8, len: u32 },
    #[error("descriptors on a socket where none belong")]
    Descriptors,
    #[error("a record with number {found} where {expected} is the least")]
    Sequence { found: u64, expected: u64 },
    #[error("the shared memory is gone: it was made shorter, or there are no pages for it")]
    Truncated,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_start_with_err() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(texts.iter().all(|text| text.starts_with("ERR_")));
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
    }

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }
}
