//! The messages of the handshake as values: encode, decode, and find agreement.
//!
//! ```text
//!   client                        server
//!   HELLO   ------------------->  negotiate
//!           <-------------------  WELCOME with descriptors, or REJECT and the end
//!   READY   ------------------->  open
//! ```
//!
//! Each is one frame with a whole checksum on the socket. Fields are little-endian; what a later
//! version appends behind the known fields is ignored.

use crate::checksum::CrcMode;
use crate::error::{Code, Error, Result};
use crate::limits::{Agreement, Geometry, Limits, RINGS};
use crate::memory::layout::NONCE_LEN;
use crate::memory::{Address, Backing};

mod policy;
mod takeover;
#[cfg(all(test, not(loom)))]
mod tests;

pub use policy::Policy;
pub use takeover::{Handover, TakeOver};

/// The oldest protocol version this build speaks.
pub const VERSION_MIN: u16 = 1;
/// The newest protocol version this build speaks.
pub const VERSION_MAX: u16 = 1;
/// The longest handshake payload that is accepted.
pub const PAYLOAD_LEN_MAX: usize = 4096;
/// The longest token.
pub const TOKEN_LEN_MAX: usize = 1024;
/// The longest reason a rejection carries.
const REASON_LEN_MAX: usize = 256;

/// Things a side can do, as bits. Unknown bits that are only offered are ignored; unknown bits that
/// are required end the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(pub u64);

impl Features {
    /// Memory passed as a descriptor.
    pub const SEALED: Self = Self(1);
    /// Memory found by its name.
    pub const NAMED: Self = Self(2);
    /// Requests with items, in either direction.
    pub const STREAMS: Self = Self(4);
    /// Messages whose payload is compressed.
    pub const COMPRESSION: Self = Self(8);
    /// PING, PONG and LEAVING.
    pub const LIVENESS: Self = Self(16);
    /// No memory that is shared.
    pub const SOCKET: Self = Self(32);

    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// How memory reaches the other side, or what is written there where none is shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// A sealed memory file, passed by descriptor. The default on Linux.
    #[default]
    Sealed = 0,
    /// A named segment: no descriptor is passed, so it works wherever there is shared memory. Any
    /// process of this user can make it shorter, which ends the connection.
    Portable = 1,
    /// No memory is shared: all is sent over the socket, which costs system calls and copies.
    Socket = 2,
}

impl Transport {
    /// All of them, the one first that servers choose first.
    pub const ALL: [Self; 3] = [Self::Sealed, Self::Portable, Self::Socket];

    /// The transport with this number, if there is one.
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| *transport as u64 == number)
    }

    /// The transport of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.name() == name)
    }

    /// Where its memory comes from.
    pub(crate) fn backing(self) -> Backing {
        match self {
            Self::Sealed => Backing::Sealed,
            Self::Portable => Backing::Named,
            Self::Socket => Backing::Private,
        }
    }

    /// The feature bit a side needs for it.
    pub const fn feature(self) -> Features {
        match self {
            Self::Sealed => Features::SEALED,
            Self::Portable => Features::NAMED,
            Self::Socket => Features::SOCKET,
        }
    }

    /// Ring capacities unless others are asked for.
    pub const fn geometry(self) -> Geometry {
        match self {
            Self::Sealed => Geometry::SPARSE,
            Self::Portable => Geometry::DENSE,
            Self::Socket => Geometry::PRIVATE,
        }
    }

    /// The most a client gets unless its server sets another limit.
    pub(crate) const fn geometry_max(self) -> Geometry {
        match self {
            Self::Sealed => Geometry::SPARSE_MAX,
            Self::Portable => Geometry::DENSE_MAX,
            Self::Socket => Geometry::PRIVATE_MAX,
        }
    }

    /// The name used in options and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Portable => "portable",
            Self::Socket => "socket",
        }
    }
}

/// Which engine sends this, as it claims: for display only.
pub type EngineId = [u8; 16];
/// Which session this is: never the same twice, so that nothing old is taken for new.
pub type SessionId = [u8; 16];

/// The client's opening word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The oldest version it speaks.
    pub version_min: u16,
    /// The newest version it speaks.
    pub version_max: u16,
    /// What it can do.
    pub offered: Features,
    /// What the server has to be able to do.
    pub required: Features,
    /// The least its checksums may cover.
    pub crc: CrcMode,
    /// Wanted ring capacities; 0 leaves one to the server.
    pub rings: [u32; RINGS],
    /// The most it wants to be held to.
    pub limits: Limits,
    /// Its engine.
    pub engine: EngineId,
    /// A shared secret, where the server asks for one.
    pub token: Vec<u8>,
}

impl Hello {
    /// The payload of the frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96 + self.token.len());
        out.extend(self.version_min.to_le_bytes());
        out.extend(self.version_max.to_le_bytes());
        out.extend([self.crc as u8, 0, 0, 0]);
        out.extend(self.offered.0.to_le_bytes());
        out.extend(self.required.0.to_le_bytes());
        put_rings(&mut out, self.rings);
        put_limits(&mut out, self.limits);
        out.extend(self.engine);
        put_bytes(&mut out, &self.token);
        out
    }

    /// Reads a payload. Versions come first so that any future HELLO can at least be refused well.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        let mut fields = Fields(payload);
        let read = |fields: &mut Fields| {
            Some(Self {
                version_min: fields.u16()?,
                version_max: fields.u16()?,
                crc: CrcMode::from_number(u8::from_le_bytes(fields.take()?))?,
                offered: {
                    let _reserved: [u8; 3] = fields.take()?;
                    Features(fields.u64()?)
                },
                required: Features(fields.u64()?),
                rings: fields.rings()?,
                limits: fields.limits()?,
                engine: fields.take()?,
                token: fields.bytes(TOKEN_LEN_MAX)?.to_vec(),
            })
        };
        read(&mut fields).ok_or_else(|| malformed("HELLO", payload.len()))
    }

    /// The version range, which even a HELLO that makes no other sense to us has in front.
    pub fn versions(payload: &[u8]) -> Option<(u16, u16)> {
        let mut fields = Fields(payload);
        Some((fields.u16()?, fields.u16()?))
    }
}

/// The server's agreement. Memory travels beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The version both will speak.
    pub version: u16,
    /// How memory reaches the client.
    pub transport: Transport,
    /// What both will use of what was offered.
    pub features: Features,
    /// Geometry, checksums, limits.
    pub agreement: Agreement,
    /// This session.
    pub session: SessionId,
    /// The server's engine.
    pub engine: EngineId,
    /// Where to find the segment, under [`Transport::Portable`].
    pub address: Option<Address>,
}

impl Welcome {
    /// The payload of the frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        out.extend(self.version.to_le_bytes());
        out.extend([self.transport as u8, self.agreement.crc as u8, 0, 0, 0, 0]);
        out.extend(self.features.0.to_le_bytes());
        put_rings(&mut out, self.agreement.geometry.rings);
        put_limits(&mut out, self.agreement.limits);
        out.extend(self.session);
        out.extend(self.engine);
        let (nonce, name) = match &self.address {
            Some(address) => (address.nonce, address.name.as_str()),
            None => ([0; NONCE_LEN], ""),
        };
        out.extend(nonce);
        put_bytes(&mut out, name.as_bytes());
        out
    }

    /// Reads a payload and checks that it makes sense by itself.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        let mut fields = Fields(payload);
        let read = |fields: &mut Fields| {
            let version = fields.u16()?;
            let [transport, crc, ..]: [u8; 6] = fields.take()?;
            let features = Features(fields.u64()?);
            let geometry = Geometry { rings: fields.rings()? };
            let limits = fields.limits()?;
            let (session, engine, nonce) = (fields.take()?, fields.take()?, fields.take()?);
            let name = String::from_utf8(fields.bytes(PAYLOAD_LEN_MAX)?.to_vec()).ok()?;
            let transport = Transport::from_number(transport.into())?;
            let address = (transport == Transport::Portable).then_some(Address { name, nonce });
            let crc = CrcMode::from_number(crc)?;
            let streams = features.contains(Features::STREAMS);
            let compression = features.contains(Features::COMPRESSION);
            let liveness = features.contains(Features::LIVENESS);
            let agreement = Agreement { geometry, crc, limits, streams, compression, liveness };
            geometry.is_valid().then_some(Self {
                version,
                transport,
                features,
                agreement,
                session,
                engine,
                address,
            })
        };
        read(&mut fields).ok_or_else(|| malformed("WELCOME", payload.len()))
    }

    /// Whether it is an answer to `hello`.
    pub fn check(&self, hello: &Hello) -> Result<()> {
        let agreement = &self.agreement;
        let fair = (hello.version_min..=hello.version_max).contains(&self.version)
            && hello.offered.contains(self.features)
            && self.features.contains(self.transport.feature())
            && self.features.contains(hello.required)
            && agreement.crc >= hello.crc
            && agreement.limits == agreement.limits.stricter(hello.limits);
        if fair {
            return Ok(());
        }
        Err(Error::new(Code::Handshake, "the server agreed to what was not offered"))
    }
}

/// The server's refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Why, as a code the client's error will have.
    pub code: Code,
    /// The server's version range.
    pub versions: (u16, u16),
    /// Why, as a sentence.
    pub reason: String,
}

/// The codes a rejection can carry, by their number on the wire minus one.
const REJECT_CODES: [Code; 8] = [
    Code::Version,
    Code::Feature,
    Code::Token,
    Code::TooManyConnections,
    Code::NoSpace,
    Code::NoDescriptors,
    Code::Handshake,
    Code::NameInUse,
];

impl Reject {
    /// The refusal for `error`: a failure of the system is sent as such, because both are on the
    /// same machine; what does not concern the client is not sent.
    pub fn of(error: &Error) -> Self {
        let code = error.code();
        let has_number = REJECT_CODES.contains(&code);
        let reason = match code {
            _ if has_number => error.to_string(),
            Code::System | Code::Access => format!("it failed in {error}"),
            _ => "the server failed".into(),
        };
        let code = if has_number { code } else { Code::Handshake };
        Self { code, versions: (VERSION_MIN, VERSION_MAX), reason }
    }

    /// The payload of the frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let position = REJECT_CODES.iter().position(|code| *code == self.code);
        let number = position.and_then(|position| u16::try_from(position + 1).ok()).unwrap_or(7);
        out.extend(number.to_le_bytes());
        out.extend(self.versions.0.to_le_bytes());
        out.extend(self.versions.1.to_le_bytes());
        let mut end = self.reason.len().min(REASON_LEN_MAX);
        while !self.reason.is_char_boundary(end) {
            end -= 1;
        }
        put_bytes(&mut out, &self.reason.as_bytes()[..end]);
        out
    }

    /// Reads a payload, which becomes the client's error.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        let mut fields = Fields(payload);
        let read = |fields: &mut Fields| {
            let number = usize::from(fields.u16()?);
            let code = REJECT_CODES.get(number.wrapping_sub(1)).copied().unwrap_or(Code::Handshake);
            let versions = (fields.u16()?, fields.u16()?);
            let reason = String::from_utf8_lossy(fields.bytes(REASON_LEN_MAX)?).into_owned();
            Some(Self { code, versions, reason })
        };
        read(&mut fields).ok_or_else(|| malformed("REJECT", payload.len()))
    }

    /// The error of a client that was refused. The server's text is shown without anything that
    /// could forge a line of a log.
    pub fn into_error(self) -> Error {
        let reason: String = self.reason.chars().filter(|c| !c.is_control()).collect();
        Error::new(self.code, format!("the server refused: {reason}"))
    }
}

fn malformed(what: &str, len: usize) -> Error {
    Error::new(Code::Handshake, format!("a {what} of {len} bytes cannot be decoded"))
}

fn put_rings(out: &mut Vec<u8>, rings: [u32; RINGS]) {
    out.extend(rings.iter().flat_map(|ring| ring.to_le_bytes()));
}

fn put_limits(out: &mut Vec<u8>, limits: Limits) {
    out.extend(limits.pending_max.to_le_bytes());
    out.extend(limits.message_len_max.to_le_bytes());
    out.extend(limits.names_max.to_le_bytes());
}

/// Callers check their lengths against limits far below what two bytes can say.
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u16::try_from(bytes.len()).expect("handshake texts are short");
    out.extend(len.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// What is left of a payload to read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn rings(&mut self) -> Option<[u32; RINGS]> {
        let mut rings = [0; RINGS];
        for ring in &mut rings {
            *ring = self.u32()?;
        }
        Some(rings)
    }

    fn limits(&mut self) -> Option<Limits> {
        let pending_max = self.u32()?;
        let message_len_max = self.u64()?;
        let names_max = self.u16()?;
        // No side is held to more than this build can keep, and with none of something there
        // would be nothing to talk about.
        let limits = Limits { message_len_max, pending_max, names_max }.possible();
        let possible =
            pending_max <= Limits::DEFAULT.pending_max && pending_max > 0 && names_max > 0;
        possible.then_some(limits)
    }

    fn bytes(&mut self, max: usize) -> Option<&'a [u8]> {
        let len = usize::from(self.u16()?);
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        (len <= max).then_some(bytes)
    }
}
