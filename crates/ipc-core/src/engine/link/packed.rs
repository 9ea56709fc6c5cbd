//! Messages that come compressed: put together and unpacked before the host hears of them.

use crate::compression::unpack;
use crate::error::Corrupt;
use crate::limits::Lane;
use crate::option_block::UNPACKED_LEN;
use crate::ring::Payload;
use crate::ring::mapped::MappedRegion;
use crate::session::Step;

/// A message of which more is to come.
struct Partial {
    bytes: Vec<u8>,
    unpacked_len: u32,
}

#[derive(Default)]
pub(super) struct Packed([Option<Partial>; Lane::ALL.len()]);

impl Packed {
    /// Whether what comes next on a ring belongs to a compressed message.
    #[inline]
    pub fn is_open(&self, ring: usize) -> bool {
        self.0.get(ring).is_some_and(Option::is_some)
    }

    /// Takes a frame of a compressed message, whose first frame says its length. Returns the payload
    /// when it is whole.
    pub fn take(
        &mut self,
        ring: usize,
        step: &Step,
        unpacked_len: Option<u32>,
        payload: Payload<'_, MappedRegion>,
    ) -> Result<Option<Vec<u8>>, Corrupt> {
        let first = unpacked_len.map(|unpacked_len| Partial { bytes: Vec::new(), unpacked_len });
        let is_first = matches!(step, Step::Deliver | Step::Open);
        let mut partial = if is_first { first } else { self.0[ring].take() };
        let Some(Partial { bytes, unpacked_len }) = &mut partial else {
            // Only the first frame of a message says that it is compressed.
            return Err(Corrupt::Option { kind: UNPACKED_LEN });
        };
        let start = bytes.len();
        bytes.resize(start + payload.len(), 0);
        payload.copy_to(&mut bytes[start..])?;
        match step {
            Step::Deliver | Step::Finish { .. } => unpack(bytes, *unpacked_len).map(Some),
            Step::Abandon => Ok(None),
            _ => {
                self.0[ring] = partial;
                Ok(None)
            }
        }
    }
}
