//! The option block that may precede a payload: length-prefixed type/length/value entries.
//!
//! ```text
//!  0          2     3     4
//!  +----------+-----+-----+-------+-----+-----+-------+---------+
//!  | len: u16 | type| len | value | type| len | value | 0 .. 0  |
//!  +----------+-----+-----+-------+-----+-----+-------+---------+
//! ```
//!
//! `len` counts the whole block, itself and its padding to eight included. A type below 0x80 that
//! is not known is skipped, one from 0x80 up has to be understood and is refused.

use std::num::NonZeroU32;

use crate::error::Corrupt;
use crate::header::Kind;

/// The longest option block that may be written.
pub const OPTIONS_LEN_MAX: usize = 128;
/// The longest option block this build writes.
const WRITTEN_LEN_MAX: usize = 72;
/// Bytes of a trace context: version, trace id (16), parent id (8), flags.
pub const TRACE_LEN: usize = 26;

const PREFIX_LEN: usize = 2;
const PADDING: u8 = 0;
const BUDGET: u8 = 1;
const TOTAL_LEN: u8 = 2;
const TRACE: u8 = 3;
const REPLAYED: u8 = 4;
const MUST_UNDERSTAND: u8 = 0x80;
const WINDOW: u8 = 0x81;
/// The type of [`Options::unpacked_len`].
pub const UNPACKED_LEN: u8 = 0x82;

/// A block with a budget and nothing else: how it starts, and how long it is.
const BUDGET_ONLY: [u8; 4] = [16, 0, BUDGET, 8];
const BUDGET_ONLY_LEN: usize = BUDGET_ONLY[0] as usize;

/// What a frame holds beyond its header and payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How long the sender will go on waiting, in microseconds from the moment of sending.
    pub budget_us: Option<u64>,
    /// The payload bytes of the whole message, on the first of its fragments.
    pub total_len: Option<u64>,
    /// W3C trace context in its binary form, carried and not interpreted.
    pub trace: Option<Trace>,
    /// The request was sent before, on a connection that was lost, and so many of its items had
    /// been taken by then.
    pub replayed: Option<u64>,
    /// The request is a stream; what its items may take without credit, in either direction.
    pub window: Option<NonZeroU32>,
    /// The payload is compressed, and this long without that; on the first of its fragments.
    pub unpacked_len: Option<NonZeroU32>,
}

/// W3C trace context in its binary form. Aligned, because a message's head is copied as words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(8))]
pub struct Trace(pub [u8; TRACE_LEN]);

impl TryFrom<&[u8]> for Trace {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

/// An encoded option block; empty where there is nothing to say.
#[derive(Clone, Copy, Debug)]
pub struct OptionBlock {
    bytes: [u8; WRITTEN_LEN_MAX],
    len: usize,
}

impl OptionBlock {
    /// The block's bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push(&mut self, kind: u8, value: &[u8]) {
        let start = self.len;
        self.bytes[start] = kind;
        self.bytes[start + 1] = u8::try_from(value.len()).expect("option values are short");
        self.bytes[start + 2..start + 2 + value.len()].copy_from_slice(value);
        self.len = start + 2 + value.len();
    }
}

impl Options {
    /// The options of a frame without a block.
    pub const NONE: Self = Self {
        budget_us: None,
        total_len: None,
        trace: None,
        replayed: None,
        window: None,
        unpacked_len: None,
    };

    /// Writes the block.
    #[inline]
    pub fn encode(&self) -> OptionBlock {
        let mut block = OptionBlock { bytes: [0; WRITTEN_LEN_MAX], len: 0 };
        let Self { budget_us, total_len, trace, replayed, window, unpacked_len } = self;
        match (budget_us, total_len, trace, replayed, window, unpacked_len) {
            (None, None, None, None, None, None) => {}
            // What nearly every request has, and nothing else, without a loop.
            (Some(budget), None, None, None, None, None) => {
                block.bytes[..4].copy_from_slice(&BUDGET_ONLY);
                block.bytes[4..12].copy_from_slice(&budget.to_le_bytes());
                block.len = BUDGET_ONLY_LEN;
            }
            _ => self.encode_all(&mut block),
        }
        block
    }

    #[cold]
    fn encode_all(&self, block: &mut OptionBlock) {
        block.len = PREFIX_LEN;
        if let Some(budget) = self.budget_us {
            block.push(BUDGET, &budget.to_le_bytes());
        }
        if let Some(total) = self.total_len {
            block.push(TOTAL_LEN, &total.to_le_bytes());
        }
        if let Some(trace) = &self.trace {
            block.push(TRACE, &trace.0);
        }
        if let Some(taken) = self.replayed {
            block.push(REPLAYED, &taken.to_le_bytes());
        }
        if let Some(window) = self.window {
            block.push(WINDOW, &window.get().to_le_bytes());
        }
        if let Some(len) = self.unpacked_len {
            block.push(UNPACKED_LEN, &len.get().to_le_bytes());
        }
        block.len = block.len.next_multiple_of(8);
        let len = u16::try_from(block.len).expect("bounded by WRITTEN_LEN_MAX");
        block.bytes[..PREFIX_LEN].copy_from_slice(&len.to_le_bytes());
    }

    /// Whether a message of this kind, which is no request, may say all of this.
    #[cold]
    pub fn check(&self, kind: Kind) -> Result<(), Corrupt> {
        let is_item = kind.is_item();
        let misplaced = match self {
            Self { budget_us: Some(_), .. } => BUDGET,
            Self { trace: Some(_), .. } if kind != Kind::OneWay => TRACE,
            Self { replayed: Some(_), .. } => REPLAYED,
            Self { unpacked_len: Some(_), .. } if is_item || kind == Kind::Error => UNPACKED_LEN,
            _ => return Ok(()),
        };
        Err(Corrupt::Option { kind: misplaced })
    }

    /// The length a block claims in its first two bytes, checked against what the frame holds.
    #[inline]
    pub fn block_len(prefix: [u8; 2], available: usize) -> Result<usize, Corrupt> {
        let len = usize::from(u16::from_le_bytes(prefix));
        if len < PREFIX_LEN || len > available.min(OPTIONS_LEN_MAX) || !len.is_multiple_of(8) {
            return Err(Corrupt::OptionBlock { len, available });
        }
        Ok(len)
    }

    /// Reads a whole block, of the length [`Options::block_len`] returned.
    #[inline]
    pub fn decode(block: &[u8]) -> Result<Self, Corrupt> {
        if let [head @ .., 0, 0, 0, 0] = block
            && let Some((&BUDGET_ONLY, budget)) = head.split_first_chunk()
            && let Some(budget) = word(budget)
        {
            return Ok(Self { budget_us: Some(budget), ..Self::default() });
        }
        Self::decode_all(block)
    }

    #[cold]
    fn decode_all(block: &[u8]) -> Result<Self, Corrupt> {
        let mut options = Self::default();
        let mut rest = &block[PREFIX_LEN..];
        while let [kind, tail @ ..] = rest {
            if *kind == PADDING {
                rest = tail;
                continue;
            }
            let malformed = Corrupt::Option { kind: *kind };
            let [len, tail @ ..] = tail else { return Err(malformed) };
            let Some((value, tail)) = tail.split_at_checked(usize::from(*len)) else {
                return Err(malformed);
            };
            let is_read = match *kind {
                BUDGET => once(&mut options.budget_us, word(value)),
                TOTAL_LEN => once(&mut options.total_len, word(value)),
                TRACE => once(&mut options.trace, value.try_into().ok()),
                REPLAYED => once(&mut options.replayed, word(value)),
                WINDOW => once(&mut options.window, short(value)),
                UNPACKED_LEN => once(&mut options.unpacked_len, short(value)),
                unknown => unknown < MUST_UNDERSTAND,
            };
            if !is_read {
                return Err(malformed);
            }
            rest = tail;
        }
        Ok(options)
    }
}

/// Puts a value in its place. Returns whether there is one and it is the first.
fn once<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let is_first = place.is_none() && value.is_some();
    *place = value;
    is_first
}

/// A number that is never 0.
fn short(value: &[u8]) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::from_le_bytes(value.try_into().ok()?))
}

fn word(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::seeds::properties())]

        #[test]
        fn options_survive_the_round_trip(
            budget_us in any::<Option<u64>>(),
            total_len in any::<Option<u64>>(),
            trace in any::<Option<[u8; TRACE_LEN]>>(),
            replayed in any::<Option<u64>>(),
            window in any::<Option<NonZeroU32>>(),
            unpacked_len in any::<Option<NonZeroU32>>(),
        ) {
            let trace = trace.map(Trace);
            let options =
                Options { budget_us, total_len, trace, replayed, window, unpacked_len };
            let block = options.encode();
            let bytes = block.as_bytes();
            prop_assert_eq!(bytes.is_empty(), options == Options::default());
            if !bytes.is_empty() {
                let len = Options::block_len([bytes[0], bytes[1]], bytes.len()).unwrap();
                prop_assert_eq!(len, bytes.len());
                prop_assert_eq!(Options::decode(bytes).unwrap(), options);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 2..200)) {
            if let Ok(len) = Options::block_len([bytes[0], bytes[1]], bytes.len()) {
                let _ = Options::decode(&bytes[..len]);
            }
        }
    }

    #[test]
    fn an_unknown_option_is_skipped_unless_it_must_be_understood() {
        let mut block = [16, 0, 0x7f, 1, 9, BUDGET, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Options::decode(&block).unwrap().budget_us, Some(1));
        block[2] = 0x80;
        assert_eq!(Options::decode(&block), Err(Corrupt::Option { kind: 0x80 }));
    }

    #[test]
    fn a_window_or_a_length_of_nothing_is_refused() {
        for kind in [WINDOW, UNPACKED_LEN] {
            let block = [8, 0, kind, 4, 0, 0, 0, 0];
            assert_eq!(Options::decode(&block), Err(Corrupt::Option { kind }));
        }
    }

    #[test]
    fn an_option_that_comes_twice_and_a_type_without_a_length_are_refused() {
        let window = [WINDOW, 4, 0, 16, 0, 0];
        let twice = [&[16, 0][..], &window, &window, &[0, 0]].concat();
        assert_eq!(Options::decode(&twice), Err(Corrupt::Option { kind: WINDOW }));
        let cut = [8, 0, 0, 0, 0, 0, 0, BUDGET];
        assert_eq!(Options::decode(&cut), Err(Corrupt::Option { kind: BUDGET }));
    }

    #[test]
    fn each_kind_of_message_has_only_its_own_options() {
        let nothing = Options::default();
        let budget = Options { budget_us: Some(1), ..nothing };
        let trace = Options { trace: Some(Trace([0; TRACE_LEN])), ..nothing };
        let packed = Options { unpacked_len: NonZeroU32::new(1), ..nothing };
        let replayed = Options { replayed: Some(0), ..nothing };
        let refused = |options: &Options| -> Vec<Kind> {
            let kinds =
                [Kind::Reply, Kind::Error, Kind::OneWay, Kind::RequestItem, Kind::ReplyItem];
            kinds.into_iter().filter(|kind| options.check(*kind).is_err()).collect()
        };
        let items = [Kind::RequestItem, Kind::ReplyItem];
        assert_eq!(refused(&nothing), []);
        assert_eq!(refused(&budget).len(), 5);
        assert_eq!(refused(&replayed).len(), 5);
        assert_eq!(refused(&trace), [&[Kind::Reply, Kind::Error][..], &items].concat());
        assert_eq!(refused(&packed), [&[Kind::Error][..], &items].concat());
    }

    #[test]
    fn a_value_that_ends_behind_the_block_is_refused() {
        let block = [8, 0, BUDGET, 8, 1, 2, 3, 4];
        assert_eq!(Options::decode(&block), Err(Corrupt::Option { kind: BUDGET }));
    }
}
