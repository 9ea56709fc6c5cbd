//! Payloads made shorter for their way: LZ4 blocks of 64 KiB at most, each behind its length, so
//! that what arrives is unpacked bit by bit, and into no more memory than a multiple of what has
//! arrived.
//!
//! ```text
//!   | length: u32 | block | length: u32 | block | ...
//! ```

use crate::error::Corrupt;

/// Payloads shorter than this are left as they are: what is saved does not pay for the work.
pub const COMPRESSED_LEN_MIN: usize = 4 << 10;

/// Bytes of a piece, but for the last.
pub const PIECE_LEN: usize = 64 << 10;
/// In a piece's length: it is stored as it is.
const STORED: u32 = 1 << 31;
const LEN_LEN: usize = size_of::<u32>();
/// What is unpacked is at no time more than so many times what it was packed in, and so much
/// beside.
const RATIO_MAX: usize = 64;
const UNPACKED_FREE: usize = 1 << 20;

/// How far a payload has come, packed and unpacked.
#[derive(Debug, Default)]
struct Progress {
    packed: usize,
    unpacked: usize,
}

impl Progress {
    /// Whether a piece of `len` bytes, packed in `packed`, keeps to the ratio.
    fn allows(&self, packed: usize, len: usize) -> bool {
        self.unpacked + len <= RATIO_MAX * (self.packed + packed) + UNPACKED_FREE
    }

    fn add(&mut self, packed: usize, len: usize) {
        self.packed += packed;
        self.unpacked += len;
    }
}

/// The payload in packed pieces, unless it is too short or too long or hardly gets shorter.
pub fn pack(payload: &[u8]) -> Option<Vec<u8>> {
    if payload.len() < COMPRESSED_LEN_MIN || u32::try_from(payload.len()).is_err() {
        return None;
    }
    let worth = payload.len() - payload.len() / 8;
    let mut packed = Vec::with_capacity(worth);
    let mut block = vec![0; lz4_flex::block::get_maximum_output_size(PIECE_LEN)];
    let mut progress = Progress::default();
    for piece in payload.chunks(PIECE_LEN) {
        let len = lz4_flex::block::compress_into(piece, &mut block).ok()?;
        let is_packed = len < piece.len() && progress.allows(LEN_LEN + len, piece.len());
        let (bytes, flag) = if is_packed { (&block[..len], 0) } else { (piece, STORED) };
        packed.extend((u32::try_from(bytes.len()).ok()? | flag).to_le_bytes());
        packed.extend_from_slice(bytes);
        progress.add(LEN_LEN + bytes.len(), piece.len());
        if packed.len() > worth {
            return None;
        }
    }
    Some(packed)
}

/// A payload of a peer's that is unpacked as it arrives.
pub struct Unpacker {
    /// Bytes it is to have.
    len: usize,
    progress: Progress,
    /// What has arrived of the next piece.
    pending: Vec<u8>,
    piece: Vec<u8>,
}

impl Unpacker {
    /// One that is to come to `len` bytes.
    pub fn new(len: u32) -> Self {
        let (pending, piece) = (Vec::new(), Vec::new());
        Self { len: len as usize, progress: Progress::default(), pending, piece }
    }

    /// More bytes have arrived.
    pub fn add(&mut self, packed: &[u8]) {
        self.pending.extend_from_slice(packed);
    }

    /// Unpacks the pieces that have arrived, `pieces_max` at most, and gives them to `take` with
    /// their
    /// places. Returns whether it has come to the end of what has arrived.
    pub fn unpack(
        &mut self,
        pieces_max: usize,
        mut take: impl FnMut(usize, &[u8]) -> Result<(), Corrupt>,
    ) -> Result<bool, Corrupt> {
        let mut start = 0;
        let mut is_done = false;
        for _ in 0..pieces_max {
            let Some(head) = self.pending[start..].first_chunk() else {
                is_done = true;
                break;
            };
            let head = u32::from_le_bytes(*head);
            let len = PIECE_LEN.min(self.len - self.progress.unpacked);
            let (packed_len, is_stored) = ((head & !STORED) as usize, head & STORED != 0);
            let fits = if is_stored { packed_len == len } else { packed_len < len };
            if !fits || !self.progress.allows(LEN_LEN + packed_len, len) {
                return Err(self.corrupt());
            }
            let from = start + LEN_LEN;
            let Some(packed) = self.pending.get(from..from + packed_len) else {
                is_done = true;
                break;
            };
            if is_stored {
                take(self.progress.unpacked, packed)?;
            } else {
                self.piece.resize(len, 0);
                match lz4_flex::block::decompress_into(packed, &mut self.piece) {
                    Ok(found) if found == len => take(self.progress.unpacked, &self.piece)?,
                    _ => return Err(self.corrupt()),
                }
            }
            self.progress.add(LEN_LEN + packed_len, len);
            start = from + packed_len;
        }
        self.pending.drain(..start);
        Ok(is_done)
    }

    /// All of it has arrived: is it what it was to be?
    pub fn finish(&self) -> Result<(), Corrupt> {
        let is_whole = self.progress.unpacked == self.len && self.pending.is_empty();
        if is_whole { Ok(()) } else { Err(self.corrupt()) }
    }

    #[cold]
    fn corrupt(&self) -> Corrupt {
        let packed = self.progress.packed + self.pending.len();
        Corrupt::Compressed { packed, len: u32::try_from(self.len).unwrap_or(u32::MAX) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::seeds::{Random, each_seed};

    /// What comes of a packed payload that arrives in parts of these lengths.
    fn unpack(
        packed: &[u8],
        len: usize,
        mut part: impl FnMut() -> usize,
    ) -> Result<Vec<u8>, Corrupt> {
        let mut unpacker = Unpacker::new(u32::try_from(len).unwrap());
        let (mut payload, mut rest) = (Vec::new(), packed);
        while !rest.is_empty() {
            let (bytes, behind) = rest.split_at(part().min(rest.len()));
            unpacker.add(bytes);
            unpacker.unpack(usize::MAX, |offset, piece| {
                assert_eq!(offset, payload.len());
                payload.extend_from_slice(piece);
                Ok(())
            })?;
            let arrived = packed.len() - behind.len();
            assert!(payload.len() <= RATIO_MAX * arrived + UNPACKED_FREE);
            rest = behind;
        }
        unpacker.finish()?;
        Ok(payload)
    }

    #[test]
    fn a_payload_is_compressed_only_if_that_makes_it_shorter() {
        let text = b"the same again and again, ".repeat(10_000);
        let packed = pack(&text).unwrap();
        assert!(packed.len() < text.len() / 40);
        assert_eq!(unpack(&packed, text.len(), || usize::MAX).unwrap(), text);
        assert_eq!(pack(&text[..COMPRESSED_LEN_MIN - 1]), None);
        let noise = Random::new(1).bytes(100_000);
        assert_eq!(pack(&noise), None);
    }

    #[test]
    fn a_payload_may_arrive_in_any_parts() {
        each_seed(50, |random| {
            // Pieces that get shorter, pieces that do not, and pieces of nothing but zeros.
            let mut payload = vec![0; COMPRESSED_LEN_MIN];
            for _ in 0..random.below(20) {
                let len = random.below(4 * PIECE_LEN);
                let piece = if random.percent(20) { random.bytes(len) } else { vec![7; len] };
                payload.extend(piece);
            }
            let Some(packed) = pack(&payload) else { return };
            let found = unpack(&packed, payload.len(), || 1 + random.below(PIECE_LEN));
            assert_eq!(found.unwrap(), payload);
        });
    }

    #[test]
    fn a_block_of_another_length_is_refused() {
        let text = b"0123".repeat(50_000);
        let packed = pack(&text).unwrap();
        for len in [1, 199_999, 200_001, 1 << 20] {
            assert!(unpack(&packed, len, || usize::MAX).is_err(), "{len}");
        }
        assert!(unpack(&packed[..packed.len() - 1], text.len(), || usize::MAX).is_err());
        assert!(unpack(&[&packed[..], &[0]].concat(), text.len(), || usize::MAX).is_err());
    }

    #[test]
    fn a_payload_that_would_be_too_long_is_refused_before_it_is_unpacked() {
        let zeros = vec![0; PIECE_LEN];
        let mut block = vec![0; 2 * PIECE_LEN];
        let len = lz4_flex::block::compress_into(&zeros, &mut block).unwrap();
        let head = u32::try_from(len).unwrap().to_le_bytes();
        let bomb = [&head[..], &block[..len]].concat().repeat(1000);
        let mut unpacked = 0;
        let mut unpacker = Unpacker::new(1000 << 16);
        unpacker.add(&bomb);
        let refused = unpacker.unpack(usize::MAX, |_, piece| {
            unpacked += piece.len();
            Ok(())
        });
        assert!(refused.is_err() && unpacked <= 2 * UNPACKED_FREE, "{unpacked}");
        // Its author has to put in as much as belongs to it.
        let honest = pack(&vec![0; 1000 << 16]).unwrap();
        assert!(honest.len() * RATIO_MAX >= (1000 << 16) - UNPACKED_FREE);
        assert!(unpack(&honest, 1000 << 16, || PIECE_LEN).is_ok());
    }

    #[test]
    fn garbage_never_panics() {
        each_seed(2000, |random| {
            let len = random.below(500);
            let garbage = random.bytes(len);
            let _ = unpack(&garbage, 1 + random.below(200_000), || 1 + random.below(100));
        });
    }
}
