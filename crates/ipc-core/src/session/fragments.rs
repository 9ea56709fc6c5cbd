//! Cutting a message into frames.

use std::ops::Range;

use crate::header::Header;
use crate::option_block::{OptionBlock, Options};

/// One frame of a message: its header but for the checksum, its option block, and which bytes of
/// the message's payload it carries.
#[derive(Debug)]
pub(crate) struct Fragment {
    pub header: Header,
    pub options: OptionBlock,
    pub range: Range<usize>,
}

/// The frames of one message, in order. They follow one another in their lane with nothing between.
#[derive(Debug)]
pub(crate) struct Fragments {
    header: Header,
    options: Options,
    len: usize,
    payload_max: usize,
    sent: Option<usize>,
}

impl Fragments {
    /// Cuts `len` payload bytes into frames of at most `payload_max` bytes after the header.
    #[inline]
    pub fn new(header: Header, mut options: Options, len: usize, payload_max: usize) -> Self {
        if options.encode().as_bytes().len() + len > payload_max {
            options.total_len = Some(len as u64);
        }
        Self { header, options, len, payload_max, sent: Some(0) }
    }
}

impl Iterator for Fragments {
    type Item = Fragment;

    #[inline]
    fn next(&mut self) -> Option<Fragment> {
        let sent = self.sent?;
        let options = if sent == 0 { self.options.encode() } else { Options::default().encode() };
        let block_len = options.as_bytes().len();
        let end = self.len.min(sent + self.payload_max - block_len);
        let more = end < self.len;
        self.sent = more.then_some(end);
        let header = self
            .header
            .with_more(more)
            .with_options(block_len > 0)
            .with_len(block_len + end - sent);
        Some(Fragment { header, options, range: sent..end })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::header::Kind;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::seeds::properties())]

        #[test]
        fn fragments_cover_a_message_exactly_once(
            len in 0usize..5000, payload_max in 64usize..300, budget_us: Option<u64>,
        ) {
            let header = Header::new(Kind::OneWay, 1, 9);
            let options = Options { budget_us, ..Options::default() };
            let frames: Vec<_> = Fragments::new(header, options, len, payload_max).collect();
            let mut covered = 0;
            for (index, frame) in frames.iter().enumerate() {
                prop_assert_eq!(frame.range.start, covered);
                covered = frame.range.end;
                let whole = frame.options.as_bytes().len() + frame.range.len();
                prop_assert!(whole <= payload_max);
                prop_assert_eq!(frame.header.len as usize, whole);
                prop_assert_eq!(frame.header.more(), index + 1 < frames.len());
                prop_assert_eq!(frame.header.options(), !frame.options.as_bytes().is_empty());
            }
            prop_assert_eq!(covered, len);
            let block = frames[0].options.as_bytes();
            let options = (!block.is_empty()).then(|| Options::decode(block).unwrap());
            let total = options.and_then(|options| options.total_len);
            prop_assert_eq!(total, (frames.len() > 1).then_some(len as u64));
        }
    }
}
