//! The first bytes of a published file: what it is, how long, in which format, and since when.
//!
//! They are written before the file gets its name and never change. A reader takes one copy,
//! checks it, and believes nothing that its file's length does not bear out.

use crate::error::{Code, Error, Result};
use crate::header::Codec;

/// Bytes of the head.
pub(crate) const HEAD_LEN: usize = 128;
/// Where to write for readers to be woken.
pub(crate) const BELL: u64 = 120;
/// The word that says by which generation a file was replaced; 0: by none.
pub(crate) const SUPERSEDED: usize = 128;
/// Words of a kind's own begin here, each on a pair of cache lines of its own.
pub(crate) const OWN_WORDS: usize = 256;
/// Where the description begins, and the data, if there is none.
pub(super) const DESCRIPTION: usize = 4096;
/// Bytes a description may have.
pub(crate) const DESCRIPTION_LEN_MAX: usize = 64 * 1024;
/// Bytes the data of one file may have.
pub(crate) const DATA_LEN_MAX: usize = 1 << 30;

const MAGIC: [u8; 8] = *b"ringpost";
const VERSION: u32 = 1;
/// Bytes that the checksum covers, before the description.
const COVERED: usize = 76;

/// What kind of object a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A state frame.
    Frame = 1,
    /// A topic.
    Topic = 2,
    /// A map.
    Map = 3,
    /// What a server is doing.
    Status = 4,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Frame, Self::Topic, Self::Map, Self::Status];

    /// How its files' names end.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Topic => "topic",
            Self::Map => "map",
            Self::Status => "status",
        }
    }

    /// What people call it.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Frame => "state frame",
            Self::Topic => "topic",
            Self::Map => "map",
            Self::Status => "server",
        }
    }

    /// Of how much of a new file of this length the room is taken at once, so that a file system
    /// that is full is an error then. Of a status it is the first of many rows.
    pub const fn reserved(self, len: usize) -> usize {
        match self {
            Self::Status => 2 * DESCRIPTION,
            _ => len,
        }
    }
}

/// In which format what is published is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// The codec of each value.
    pub codec: Codec,
    /// Of a layout: the hash of its description. 0: there is none.
    pub hash: u64,
    /// What members a layout has, and where, as text.
    pub description: Box<str>,
}

impl Format {
    /// A codec without a layout.
    pub fn of(codec: Codec) -> Self {
        Self { codec, hash: 0, description: "".into() }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let len = self.description.len();
        if len <= DESCRIPTION_LEN_MAX {
            return Ok(());
        }
        let message =
            format!("a layout's description has {len} bytes, at most {DESCRIPTION_LEN_MAX}");
        Err(Error::new(Code::InvalidArgument, message))
    }
}

/// What a writer decides before its file is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub kind: Kind,
    /// What the kind says it is: bytes of a value, bytes of a ring, entries.
    pub capacity: u64,
    /// The same for a second size, if it has one.
    pub second: u64,
    /// Bytes of the data.
    pub data_len: usize,
    pub format: Format,
}

/// A head that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub generation: u64,
    /// Of the process that wrote it, for people.
    pub writer: u32,
    pub shape: Shape,
}

impl Head {
    /// Where the data begins.
    pub fn data(&self) -> usize {
        data_start(self.shape.format.description.len())
    }

    /// Bytes of the whole file.
    pub fn file_len(&self) -> usize {
        self.data() + self.shape.data_len
    }

    /// The head and the description behind it.
    pub fn encode(&self) -> ([u8; HEAD_LEN], &[u8]) {
        let description = self.shape.format.description.as_bytes();
        let mut head = [0; HEAD_LEN];
        let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(12, &(self.shape.kind as u32).to_le_bytes());
        put(16, &self.generation.to_le_bytes());
        put(24, &(self.file_len() as u64).to_le_bytes());
        put(32, &(self.data() as u64).to_le_bytes());
        put(40, &self.shape.capacity.to_le_bytes());
        put(48, &self.shape.second.to_le_bytes());
        put(56, &self.shape.format.hash.to_le_bytes());
        let description_len = u32::try_from(description.len()).expect("checked when it was made");
        put(64, &description_len.to_le_bytes());
        put(68, &u32::from(self.shape.format.codec as u8).to_le_bytes());
        put(72, &self.writer.to_le_bytes());
        let crc = checksum(&head, description);
        head[COVERED..COVERED + 4].copy_from_slice(&crc.to_le_bytes());
        (head, description)
    }

    /// Where the description of a file lies whose first bytes these are, if it is one of this kind
    /// and length.
    pub fn check(head: &[u8; HEAD_LEN], kind: Kind, file_len: u64) -> Result<(usize, usize)> {
        let is_one = head[..8] == MAGIC && u32_at(head, 12) == kind as u32;
        if !is_one {
            return Err(corrupt(format!("it does not begin like a {}", kind.noun())));
        }
        let version = u32_at(head, 8);
        if version != VERSION {
            let message = format!("its format has version {version}, this is version {VERSION}");
            return Err(Error::new(Code::Version, message));
        }
        let description_len = u32_at(head, 64) as usize;
        let data = data_start(description_len.min(DESCRIPTION_LEN_MAX));
        let is_consistent = description_len <= DESCRIPTION_LEN_MAX
            && u64_at(head, 24) == file_len
            && u64_at(head, 32) == data as u64
            && file_len >= data as u64
            && file_len - data as u64 <= DATA_LEN_MAX as u64;
        if !is_consistent {
            let claimed = u64_at(head, 24);
            let message =
                format!("it has {file_len} bytes and claims {claimed}, or its parts overlap");
            return Err(corrupt(message));
        }
        Ok((DESCRIPTION, description_len))
    }

    /// Takes what was checked apart. The kind itself checks whether its sizes make up the data.
    pub fn decode(head: &[u8; HEAD_LEN], kind: Kind, description: &[u8]) -> Result<Self> {
        if checksum(head, description) != u32_at(head, COVERED) {
            return Err(corrupt("the checksum of its head is another".into()));
        }
        let description =
            str::from_utf8(description).map_err(|_| corrupt("its layout is no text".into()))?;
        let codec = u8::try_from(u32_at(head, 68)).ok().and_then(Codec::from_number);
        let codec = codec.ok_or_else(|| corrupt("it has no codec there is".into()))?;
        let data = data_start(description.len());
        let shape = Shape {
            kind,
            capacity: u64_at(head, 40),
            second: u64_at(head, 48),
            data_len: usize::try_from(u64_at(head, 24)).unwrap_or(0).saturating_sub(data),
            format: Format { codec, hash: u64_at(head, 56), description: description.into() },
        };
        Ok(Self { generation: u64_at(head, 16), writer: u32_at(head, 72), shape })
    }
}

/// The data begins at the first page behind the description.
fn data_start(description_len: usize) -> usize {
    (DESCRIPTION + description_len).next_multiple_of(DESCRIPTION)
}

fn checksum(head: &[u8; HEAD_LEN], description: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&head[..COVERED]), description)
}

#[cold]
pub(crate) fn corrupt(reason: String) -> Error {
    Error::new(Code::Corrupt, reason)
}

fn u32_at(bytes: &[u8; HEAD_LEN], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8; HEAD_LEN], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(all(test, not(loom)))]
mod tests;
