//! The canonical 24 bytes in front of every frame, identical in a ring and on a socket.
//!
//! ```text
//!  0        4   5   6     8               16      20      24
//!  +--------+---+---+-----+---------------+-------+-------+
//!  | R P S T| v | f |type | id            | length| crc32c|   little-endian
//!  +--------+---+---+-----+---------------+-------+-------+
//! ```
//!
//! The three 64-bit words of a header are read and written as words: a peer's header is copied out
//! of shared memory once and every check reads that copy.

#![expect(clippy::cast_possible_truncation, reason = "fields are cut out of words")]

use crate::checksum::{self, CrcMode};
use crate::error::Corrupt;

/// Bytes in a header.
pub const HEADER_LEN: usize = 24;
/// The first four bytes of a header.
pub const MAGIC: [u8; 4] = *b"RPST";
/// The one header version this build writes and reads.
pub const HEADER_VERSION: u8 = 1;
/// Frames start on multiples of this many bytes.
pub const FRAME_ALIGN: usize = 8;

const _: () = assert!(HEADER_LEN == 3 * size_of::<u64>(), "a header is three whole words");
const _: () = assert!(HEADER_LEN.is_multiple_of(FRAME_ALIGN), "payloads start aligned");

const MAGIC_WORD: u64 = u32::from_le_bytes(MAGIC) as u64;
const KIND_MASK: u8 = 0x0f;
const MORE: u8 = 0x10;
const CODEC_SHIFT: u32 = 5;
const OPTIONS: u8 = 0x80;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What a frame is, in the low four bits of its flags.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $name = $number,)* }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The kind with this number, if there is one.
            #[inline]
            pub const fn from_number(number: u8) -> Option<Self> {
                Some(match number {
                    $($number => Self::$name,)*
                    _ => return None,
                })
            }
        }
    };
}

kinds! {
    /// Asks for exactly one outcome.
    Request = 1,
    /// The answer to the request of the same id.
    Reply = 2,
    /// The failure of the request of the same id; the payload is an encoded remote error.
    Error = 3,
    /// A message without an answer.
    OneWay = 4,
    /// A control message between the two sessions, never seen by an application.
    Control = 5,
    /// One of the items that go with the request of the same id.
    RequestItem = 6,
    /// One of the items that come before the reply to the request of the same id.
    ReplyItem = 7,
}

impl Kind {
    /// Whether it goes to a method or event, whose name has to be defined first. Such messages are
    /// refused where too much waits; others are always taken.
    #[inline]
    pub const fn has_name(self) -> bool {
        matches!(self, Self::Request | Self::OneWay)
    }

    /// Whether it is the last that is sent about a request.
    #[inline]
    pub const fn is_answer(self) -> bool {
        matches!(self, Self::Reply | Self::Error)
    }

    /// Whether it is one of the items of a request, and takes credit.
    #[inline]
    pub const fn is_item(self) -> bool {
        matches!(self, Self::RequestItem | Self::ReplyItem)
    }
}

/// How a payload is encoded, in two bits of the flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// Bytes as they are.
    #[default]
    Bytes = 0,
    /// Plain MessagePack.
    MessagePack = 1,
    /// JSON in UTF-8.
    Json = 2,
    /// Something both ends agreed on outside of this protocol.
    Custom = 3,
}

impl Codec {
    /// The codec with this number, if there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0..=3 => Some(Self::from_bits(number)),
            _ => None,
        }
    }

    /// The codec whose number is the low two bits of `bits`.
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Bytes,
            1 => Self::MessagePack,
            2 => Self::Json,
            _ => Self::Custom,
        }
    }
}

/// A header but for its checksum. It is kept as the words it is made of, so that it lives in
/// registers from a message's first mention to its place in the ring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header {
    first: u64,
    /// Correlation id.
    pub id: u64,
    /// Bytes after the header in this frame: option block and payload.
    pub len: u32,
}

const FLAGS_SHIFT: u32 = 40;
const CODE_SHIFT: u32 = 48;

impl Header {
    /// A header of a frame without options that is the only one of its message.
    #[inline]
    pub const fn new(kind: Kind, code: u16, id: u64) -> Self {
        let first = MAGIC_WORD
            | (HEADER_VERSION as u64) << 32
            | (kind as u64) << FLAGS_SHIFT
            | (code as u64) << CODE_SHIFT;
        Self { first, id, len: 0 }
    }

    /// The same with a payload encoded this way.
    #[inline]
    #[must_use]
    pub const fn with_codec(self, codec: Codec) -> Self {
        let cleared = self.first & !(3 << (FLAGS_SHIFT + CODEC_SHIFT));
        Self { first: cleared | (codec as u64) << (FLAGS_SHIFT + CODEC_SHIFT), ..self }
    }

    /// The same with or without more frames of its message behind it.
    #[inline]
    #[must_use]
    pub const fn with_more(self, more: bool) -> Self {
        self.with_flag(MORE, more)
    }

    /// The same with or without an option block.
    #[inline]
    #[must_use]
    pub const fn with_options(self, options: bool) -> Self {
        self.with_flag(OPTIONS, options)
    }

    /// The same with this many bytes behind it; a frame is far shorter than its ring.
    #[inline]
    #[must_use]
    pub fn with_len(self, len: usize) -> Self {
        Self { len: u32::try_from(len).expect("a frame is shorter than its ring"), ..self }
    }

    /// What the frame is.
    #[inline]
    pub fn kind(&self) -> Kind {
        Kind::from_number(self.flags() & KIND_MASK).expect("checked when it was made")
    }

    /// More frames of the same message follow in this lane.
    #[inline]
    pub const fn more(&self) -> bool {
        self.flags() & MORE != 0
    }

    /// How the payload is encoded.
    #[inline]
    pub const fn codec(&self) -> Codec {
        Codec::from_bits(self.flags() >> CODEC_SHIFT)
    }

    /// An option block precedes the payload.
    #[inline]
    pub const fn options(&self) -> bool {
        self.flags() & OPTIONS != 0
    }

    /// Whether two headers differ in nothing but their ids and the length of what follows them.
    #[inline]
    pub const fn is_like(&self, other: &Self) -> bool {
        self.first == other.first
    }

    /// Method, event or control code.
    #[inline]
    pub const fn code(&self) -> u16 {
        (self.first >> CODE_SHIFT) as u16
    }

    /// The header as words with the checksum `mode` asks for, over `parts` where it covers them.
    #[inline]
    pub fn sealed(self, mode: CrcMode, parts: &[&[u8]]) -> [u64; 3] {
        let words = [self.first, self.id, self.len as u64];
        let crc = match mode {
            CrcMode::Off => 0,
            CrcMode::Header => checksum::of_header(words),
            CrcMode::Full => checksum::of_frame(words, parts),
        };
        [words[0], words[1], words[2] | u64::from(crc) << 32]
    }

    /// The same over a payload that lies elsewhere: `append` goes on with a running checksum over
    /// all of it.
    pub fn sealed_over(self, mode: CrcMode, append: impl FnOnce(u32) -> u32) -> [u64; 3] {
        let sealed = self.sealed(mode.min(CrcMode::Header), &[]);
        if mode != CrcMode::Full {
            return sealed;
        }
        let (len, running) = (sealed[2] & u64::from(u32::MAX), (sealed[2] >> 32) as u32);
        [sealed[0], sealed[1], len | u64::from(append(running)) << 32]
    }

    /// Checks and decodes three words; returns the header and the checksum it carries.
    ///
    /// The length is *not* checked here: only the caller knows what is available.
    #[inline]
    pub fn from_words(words: [u64; 3]) -> Result<(Self, u32), Corrupt> {
        let [first, id, last] = words;
        if low32(first) != low32(MAGIC_WORD) {
            return Err(Corrupt::Magic { found: low32(first) });
        }
        let header = Self { first, id, len: low32(last) };
        let version = (first >> 32) as u8;
        if version != HEADER_VERSION {
            return Err(Corrupt::HeaderVersion { found: version });
        }
        let kind = header.flags() & KIND_MASK;
        if Kind::from_number(kind).is_none() {
            return Err(Corrupt::Kind { found: kind });
        }
        Ok((header, low32(last >> 32)))
    }

    /// Decodes three words that are like this header in all but the id and the length. Returns the
    /// checksum they carry as well. The length is *not* checked here either.
    #[inline]
    pub fn alike(&self, words: [u64; 3]) -> Option<(Self, u32)> {
        let [first, id, last] = words;
        let header = Self { first, id, len: low32(last) };
        header.is_like(self).then_some((header, low32(last >> 32)))
    }

    /// The 24 bytes of a whole frame on a socket, where the checksum always covers everything.
    pub fn to_bytes(self, payload: &[u8]) -> [u8; HEADER_LEN] {
        words_to_bytes(self.sealed(CrcMode::Full, &[payload]))
    }

    #[inline]
    const fn flags(&self) -> u8 {
        (self.first >> FLAGS_SHIFT) as u8
    }

    #[inline]
    const fn with_flag(self, flag: u8, on: bool) -> Self {
        let bit = (flag as u64) << FLAGS_SHIFT;
        Self { first: if on { self.first | bit } else { self.first & !bit }, ..self }
    }
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Header")
            .field("kind", &self.kind())
            .field("more", &self.more())
            .field("codec", &self.codec())
            .field("options", &self.options())
            .field("code", &self.code())
            .field("id", &self.id)
            .field("len", &self.len)
            .finish()
    }
}

/// Bytes a frame of `len` bytes after its header takes in a ring.
#[inline]
pub const fn frame_len(len: usize) -> usize {
    (HEADER_LEN + len).next_multiple_of(FRAME_ALIGN)
}

/// Three words as the 24 bytes they stand for.
#[inline]
pub fn words_to_bytes(words: [u64; 3]) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// The id and the bytes of the payload of a frame that was checked and has no options.
#[inline]
pub fn id_and_len(header: &[u8; HEADER_LEN]) -> (u64, usize) {
    let [_, id, last] = bytes_to_words(header);
    (id, low32(last) as usize)
}

/// Takes the first off frames that were checked and have no options: its id and its payload.
#[inline]
pub fn take_frame<'a>(frames: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let (header, behind) = frames.split_first_chunk()?;
    let (id, len) = id_and_len(header);
    *frames = behind.get(frame_len(len) - HEADER_LEN..)?;
    Some((id, &behind[..len]))
}

/// 24 bytes as three words.
#[inline]
pub fn bytes_to_words(bytes: &[u8; HEADER_LEN]) -> [u64; 3] {
    let mut words = [0; 3];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
    }
    words
}

const fn low32(word: u64) -> u32 {
    word as u32
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_header() -> impl Strategy<Value = Header> {
        let kinds = proptest::sample::select(Kind::ALL);
        let fields = (kinds, 0u8..4, any::<(bool, bool, u16, u64)>(), 0usize..1 << 30);
        fields.prop_map(|(kind, codec, (more, options, code, id), len)| {
            Header::new(kind, code, id)
                .with_codec(Codec::from_bits(codec))
                .with_more(more)
                .with_options(options)
                .with_len(len)
        })
    }

    proptest! {
        #![proptest_config(crate::seeds::properties())]

        #[test]
        fn every_header_survives_the_round_trip(header in any_header()) {
            let words = header.sealed(CrcMode::Header, &[]);
            let (back, crc) = Header::from_words(words).unwrap();
            prop_assert_eq!(back, header);
            prop_assert_eq!(crc, checksum::of_header(words));
            prop_assert_eq!(bytes_to_words(&words_to_bytes(words)), words);
        }

        #[test]
        fn arbitrary_words_decode_or_are_refused(words in any::<[u64; 3]>()) {
            if let Ok((header, _)) = Header::from_words(words) {
                prop_assert_eq!(&header.sealed(CrcMode::Off, &[])[..2], &words[..2]);
            }
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let header = Header::new(Kind::Request, 7, 0x1_0000_0002)
            .with_codec(Codec::Json)
            .with_options(true)
            .with_len(64);
        let payload = [0x5a; 64];
        let sealed = header.to_bytes(&payload);
        for bit in 0..(HEADER_LEN + payload.len()) * 8 {
            let (mut head, mut body) = (sealed, payload);
            let byte = if bit / 8 < HEADER_LEN {
                &mut head[bit / 8]
            } else {
                &mut body[bit / 8 - HEADER_LEN]
            };
            *byte ^= 1 << (bit % 8);
            let words = bytes_to_words(&head);
            let accepted = Header::from_words(words)
                .is_ok_and(|(_, crc)| crc == checksum::of_frame(words, &[&body]));
            assert!(!accepted, "bit {bit} slipped through");
        }
    }
}
