//! Payloads made shorter for their way: LZ4 blocks, without a frame around them.

use crate::error::Corrupt;

/// Payloads shorter than this are left as they are: what is saved does not pay for the work.
pub const COMPRESSED_LEN_MIN: usize = 4 << 10;

/// The payload as an LZ4 block, unless it is too short or too long or hardly gets shorter.
pub fn pack(payload: &[u8]) -> Option<Vec<u8>> {
    if payload.len() < COMPRESSED_LEN_MIN || u32::try_from(payload.len()).is_err() {
        return None;
    }
    let mut packed = vec![0; lz4_flex::block::get_maximum_output_size(payload.len())];
    let len = lz4_flex::block::compress_into(payload, &mut packed).ok()?;
    packed.truncate(len);
    (len <= payload.len() - payload.len() / 8).then_some(packed)
}

/// What an LZ4 block of a peer's holds, which has to be exactly `len` bytes.
pub fn unpack(packed: &[u8], len: u32) -> Result<Vec<u8>, Corrupt> {
    let corrupt = Corrupt::Compressed { packed: packed.len(), len };
    let mut payload = vec![0; len as usize];
    match lz4_flex::block::decompress_into(packed, &mut payload) {
        Ok(found) if found == payload.len() => Ok(payload),
        _ => Err(corrupt),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_gets_shorter_comes_back_and_what_does_not_is_left_alone() {
        let text = b"the same again and again, ".repeat(1000);
        let packed = pack(&text).unwrap();
        assert!(packed.len() < text.len() / 50);
        assert_eq!(unpack(&packed, u32::try_from(text.len()).unwrap()).unwrap(), text);
        assert_eq!(pack(&text[..COMPRESSED_LEN_MIN - 1]), None);
        let noise = crate::seeds::Random::new(1).bytes(100_000);
        assert_eq!(pack(&noise), None);
    }

    #[test]
    fn a_block_of_another_length_is_refused() {
        let text = b"0123".repeat(5000);
        let packed = pack(&text).unwrap();
        for len in [0, 19_999, 20_001, 1 << 20] {
            let corrupt = Corrupt::Compressed { packed: packed.len(), len };
            assert_eq!(unpack(&packed, len), Err(corrupt));
        }
    }

    proptest! {
        #![proptest_config(crate::seeds::properties())]

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..500), len in 0u32..5000) {
            let _ = unpack(&bytes, len);
        }
    }
}
