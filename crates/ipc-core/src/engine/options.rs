//! What a server and a client can choose.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::checksum::CrcMode;
use crate::error::{Code, Error, Result};
use crate::handshake::{Features, TOKEN_LEN_MAX, Transport};
use crate::limits::{Geometry, Lane, Limits, RINGS};
use crate::memory::sealed;

/// What both a server and a client can choose. Its `Debug` says that there is a token, and not
/// which.
#[derive(Clone)]
pub struct Options {
    /// The directory to meet in; `None`: the one [`DIRECTORY_VARIABLE`](crate::DIRECTORY_VARIABLE)
    /// names, or else the first of those that all processes of this user know:
    /// `/run/user/<uid>/ringpost`, `/tmp/ringpost-<uid>`, `/var/tmp/ringpost-<uid>`.
    pub directory: Option<PathBuf>,
    /// Where servers may listen, as the host says it: these are tried, in this order.
    #[cfg(target_family = "wasm")]
    pub addresses: Vec<String>,
    /// Whether the environment of this process may name the directory. Not where threads have
    /// environments of their own.
    pub environment: bool,
    /// Forces a transport; `None`: the best both sides have. A server then offers
    /// [`Transport::Portable`] only where it can have no sealed memory, and [`Transport::Socket`]
    /// to clients that ask for it.
    pub transport: Option<Transport>,
    /// The least checksums in rings may cover.
    pub crc: CrcMode,
    /// Capacities wished for, of each lane by [`Lane`] and of the control ring behind them; 0: the
    /// transport's own. A client's wishes come before the server's, up to what
    /// [`ListenOptions::rings_max`] of the server.
    pub rings: [u32; RINGS],
    /// The most this side agrees to.
    pub limits: Limits,
    /// A shared secret.
    pub token: Option<Vec<u8>>,
    /// Whether the peer may send compressed what it wants to; the memory it takes to unpack that
    /// comes from the allocator.
    pub compression: bool,
    /// How to deal with a peer that does not read.
    pub bounds: Bounds,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            directory: None,
            #[cfg(target_family = "wasm")]
            addresses: Vec::new(),
            environment: true,
            transport: None,
            crc: CrcMode::default(),
            rings: [0; RINGS],
            limits: Limits::DEFAULT,
            token: None,
            compression: true,
            bounds: Bounds::DEFAULT,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { directory, environment, transport, crc, rings, limits, .. } = self;
        f.debug_struct("Options")
            .field("directory", directory)
            .field("environment", environment)
            .field("transport", transport)
            .field("crc", crc)
            .field("rings", rings)
            .field("limits", limits)
            .field("token", &self.token.as_ref().map(|_| "(hidden)"))
            .field("compression", &self.compression)
            .field("bounds", &self.bounds)
            .finish()
    }
}

impl Options {
    /// What a client offers: it takes what its server has.
    pub(super) fn client_features(&self) -> Features {
        #[cfg(target_family = "wasm")]
        let all = Features::SOCKET;
        #[cfg(not(target_family = "wasm"))]
        let all = Features(Features::SEALED.0 | Features::NAMED.0);
        self.features(self.transport.map_or(all, Transport::feature))
    }

    /// What a server offers.
    #[cfg(target_family = "wasm")]
    #[expect(clippy::unnecessary_wraps, reason = "memory that is to be shared may not be had")]
    pub(super) fn server_features(&self) -> Result<Features> {
        Ok(self.features(Features::SOCKET))
    }

    /// What a server offers: memory that others can make shorter only where it is asked for, or
    /// where nothing else can be had.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn server_features(&self) -> Result<Features> {
        let shared = match (self.transport, sealed::check()) {
            (Some(Transport::Sealed), Err(error)) => return Err(error),
            (Some(transport), _) => return Ok(self.features(transport.feature())),
            (None, Ok(())) => Transport::Sealed,
            (None, Err(error)) => {
                tracing::warn!(%error, "there is no sealed memory here, named segments are used");
                Transport::Portable
            }
        };
        Ok(self.features(Features(shared.feature().0 | Features::SOCKET.0)))
    }

    fn features(&self, transports: Features) -> Features {
        let compression = if self.compression { Features::COMPRESSION.0 } else { 0 };
        Features(transports.0 | Features::STREAMS.0 | Features::LIVENESS.0 | compression)
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::new(Code::InvalidArgument, message));
        #[cfg(target_family = "wasm")]
        if self.transport.is_some_and(|transport| transport != Transport::Socket) {
            return Err(sealed::unshared());
        }
        if !Geometry::SPARSE.with(self.rings).is_valid() {
            let rings = self.rings;
            return wrong(format!("ring capacities {rings:?}: powers of two from 4096 up to 2^26"));
        }
        if self.limits.pending_max == 0 || self.limits.pending_max > Limits::DEFAULT.pending_max {
            let (found, max) = (self.limits.pending_max, Limits::DEFAULT.pending_max);
            return wrong(format!("{found} pending requests, 1 to {max} are possible"));
        }
        if self.limits.names_max == 0 {
            return wrong("a connection without names".into());
        }
        if let Some(token) = &self.token
            && (token.is_empty() || token.len() > TOKEN_LEN_MAX)
        {
            return wrong(format!("a token of {} bytes, 1 to {TOKEN_LEN_MAX} are", token.len()));
        }
        Ok(())
    }
}

/// What only a server can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// Connections at the same time, those included that are about to be.
    pub connections_max: usize,
    /// The most a client gets of the ring capacities it wishes for, of each lane by [`Lane`] and of
    /// the control ring behind them; 0: 4 MiB, and 64 KiB of the control ring. Where all memory is
    /// there from the start it is less: 256 KiB and 16 KiB under [`Transport::Portable`], 512 KiB
    /// and 16 KiB in WebAssembly. What the [`Options::rings`] of the server ask for is always
    /// given.
    pub rings_max: [u32; RINGS],
    /// How long a client may take to say who it is.
    pub hello_timeout: Duration,
    /// How long a client that has sent HELLO may take to answer.
    pub ready_timeout: Duration,
    /// Clients that have not sent HELLO; beyond that the oldest is disconnected.
    pub unfinished_max: usize,
    /// Requests of all clients being worked on, above which none is read: what is more waits in the
    /// rings, and each client has its turn. Streams do not count. `None`: no limit but each link's.
    pub serving_max: Option<u32>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl ListenOptions {
    /// Where everyone starts.
    pub const DEFAULT: Self = Self {
        connections_max: 4096,
        rings_max: [0; RINGS],
        hello_timeout: Duration::from_millis(250),
        ready_timeout: Duration::from_secs(5),
        unfinished_max: 1024,
        serving_max: None,
    };

    pub(super) fn check(&self) -> Result<()> {
        if Geometry::SPARSE_MAX.with(self.rings_max).is_valid() {
            return Ok(());
        }
        let rings = self.rings_max;
        let message =
            format!("ring capacities of at most {rings:?}: powers of two from 4096 to 2^26");
        Err(Error::new(Code::InvalidArgument, message))
    }
}

/// What a full lane means for a request or a one-way message that comes next. Answers and items are
/// always taken: how many there can be was agreed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// It waits in private memory, as long as there is no more than the backlog's limit; beyond
    /// that it is refused. A one-way message that has waited so long is dropped; a request has its
    /// own time.
    Wait(Duration),
    /// It is refused at once.
    Fail,
    /// It is dropped, if it is a one-way message, and refused otherwise.
    DropNewest,
    /// It waits, and the one-way messages that have waited longest are dropped for it: as much
    /// waits at most as the ring holds.
    DropOldest,
}

/// How a link deals with what its peer does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What each lane does when it is full, by [`Lane`].
    pub overflow: [Overflow; Lane::ALL.len()],
    /// Bytes that may wait for the peer in private memory, of all that is sent to it. Above it
    /// requests and one-way messages are refused, but for a sixteenth of it that each lane has for
    /// itself, and no more requests of the peer are taken. When answers and items have made it four
    /// times as much, and the peer reads nothing for a second, the connection ends.
    pub backlog_max: usize,
    /// Requests of the peer being worked on above which no others are taken. Streams do not count.
    pub serving_max: u32,
    /// Bytes of items that go with requests of the peer and may wait for the application to read
    /// them, of all its streams. Above it no more of its messages are read.
    pub unread_max: u64,
    /// How long what was sent may lie unread before the peer counts as unresponsive;
    /// [`Duration::MAX`]: for ever.
    pub unresponsive_after: Duration,
}

impl Bounds {
    /// Of `backlog_max`, each lane has this part for itself, so that none waits for another.
    pub const LANE_SHARE: usize = 16;

    /// What a connection has by default.
    pub const DEFAULT: Self = Self {
        overflow: [
            Overflow::Wait(Duration::MAX),
            Overflow::Wait(Duration::MAX),
            Overflow::Wait(Duration::MAX),
            Overflow::DropNewest,
        ],
        backlog_max: 32 << 20,
        serving_max: 4096,
        unread_max: 64 << 20,
        unresponsive_after: Duration::from_secs(3),
    };
}
