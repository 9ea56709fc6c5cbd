//! CRC-32C over frames. It finds wild writes, torn copies and codec bugs; it is not authentication.

use std::cell::Cell;

/// Bytes of a header its checksum covers.
const HEADER_COVERED: usize = 20;

/// How much of a frame in a ring its checksum covers. Agreed in the handshake: the stricter wish
/// of the two sides holds. Frames on a socket always carry [`CrcMode::Full`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum CrcMode {
    /// Nothing; the field is 0.
    Off = 0,
    /// The first 20 bytes of the header.
    #[default]
    Header = 1,
    /// The first 20 bytes of the header and everything after it.
    Full = 2,
}

impl CrcMode {
    /// The mode with this number, if there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Off),
            1 => Some(Self::Header),
            2 => Some(Self::Full),
            _ => None,
        }
    }

    /// The name used in options and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Header => "header",
            Self::Full => "full",
        }
    }
}

/// The checksum of a header's first 20 bytes.
#[inline]
pub fn of_header(words: [u64; 3]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sse4.2") {
        // SAFETY: the processor has the instruction, as just asked.
        #[allow(unsafe_code)]
        return unsafe { of_header_in_registers(words) };
    }
    if cfg!(target_family = "wasm") {
        return of_header_unless_last(words);
    }
    crc32c::crc32c(&covered(words))
}

/// The same where no processor helps: messages of one kind and length that follow each other have
/// the same header, whose checksum is computed once.
fn of_header_unless_last(words: [u64; 3]) -> u32 {
    thread_local! {
        static LAST: Cell<Option<([u8; HEADER_COVERED], u32)>> = const { Cell::new(None) };
    }
    let covered = covered(words);
    match LAST.get() {
        Some((last, crc)) if last == covered => crc,
        _ => {
            let crc = crc32c::crc32c(&covered);
            LAST.set(Some((covered, crc)));
            crc
        }
    }
}

/// The bytes of a header its checksum covers: all before the checksum itself.
fn covered([first, id, last]: [u64; 3]) -> [u8; HEADER_COVERED] {
    let mut bytes = [0; HEADER_COVERED];
    bytes[..8].copy_from_slice(&first.to_le_bytes());
    bytes[8..16].copy_from_slice(&id.to_le_bytes());
    bytes[16..].copy_from_slice(&last.to_le_bytes()[..4]);
    bytes
}

/// Three instructions on the words where they are: 1.4 ns, where a library that has to be given
/// bytes takes 8, twice for every frame.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn of_header_in_registers([first, id, last]: [u64; 3]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u32, _mm_crc32_u64};
    let crc = _mm_crc32_u64(_mm_crc32_u64(u64::from(u32::MAX), first), id);
    #[expect(clippy::cast_possible_truncation, reason = "the instruction leaves the upper half 0")]
    let crc = crc as u32;
    #[expect(clippy::cast_possible_truncation, reason = "the upper half is the checksum itself")]
    let len = last as u32;
    !_mm_crc32_u32(crc, len)
}

/// The checksum of a whole frame whose payload lies in `parts`.
#[inline]
pub fn of_frame(words: [u64; 3], parts: &[&[u8]]) -> u32 {
    parts.iter().fold(of_header(words), |crc, part| crc32c::crc32c_append(crc, part))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The textbook definition, one bit at a time.
    fn bitwise(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 }
            })
        })
    }

    proptest! {
        #![proptest_config(crate::seeds::properties())]

        #[test]
        fn the_library_agrees_with_the_definition(
            words in any::<[u64; 3]>(),
            first in proptest::collection::vec(any::<u8>(), 0..300),
            second in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut whole = covered(words).to_vec();
            prop_assert_eq!(of_header(words), bitwise(&whole));
            let [first_word, id, last] = words;
            for other in [words, words, [!first_word, id, last], words, [first_word, !id, last]] {
                prop_assert_eq!(of_header_unless_last(other), bitwise(&covered(other)));
            }
            whole.extend_from_slice(&first);
            whole.extend_from_slice(&second);
            prop_assert_eq!(of_frame(words, &[&first, &second]), bitwise(&whole));
        }
    }
}
