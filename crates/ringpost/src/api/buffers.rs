//! Payload buffers that are reused, and messages of several frames that are assembled in them.

use ipc_core::{Body, BufferId, Corrupt};

/// Buffers kept for later messages.
const KEPT: usize = 64;
/// The longest buffer that is kept.
const KEPT_LEN_MAX: usize = 4 << 20;

#[derive(Default)]
pub(crate) struct Buffers {
    spare: Vec<Vec<u8>>,
    /// Messages being assembled, by the number that the engine has for them.
    open: Vec<Option<Vec<u8>>>,
}

impl Buffers {
    /// A buffer with arbitrary content.
    #[inline]
    pub fn get(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// A buffer of this length with arbitrary content. One that has the length already is not
    /// zeroed first, and a new long one consists of pages that come zeroed.
    #[inline]
    pub fn get_of(&mut self, len: usize) -> Vec<u8> {
        let mut buffer = self.get();
        if buffer.capacity() == 0 {
            return vec![0; len];
        }
        buffer.resize(len, 0);
        buffer
    }

    /// Gives a buffer back.
    #[inline]
    pub fn put(&mut self, buffer: Vec<u8>) {
        // A buffer without memory is not worth keeping.
        let is_worth_it = buffer.capacity() > 0 && buffer.capacity() <= KEPT_LEN_MAX;
        if is_worth_it && self.spare.len() < KEPT {
            self.spare.push(buffer);
        }
    }

    /// A buffer for a message of `len` bytes that arrives in parts.
    pub fn open(&mut self, len: usize) -> BufferId {
        let free = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
        if free == self.open.len() {
            self.open.push(None);
        }
        self.open[free] = Some(self.get_of(len));
        BufferId(u32::try_from(free).expect("a few for each link"))
    }

    /// Copies a part of it.
    pub fn fill(&mut self, buffer: BufferId, offset: usize, body: Body<'_>) -> Result<(), Corrupt> {
        let end = offset + body.len();
        match &mut self.open[buffer.0 as usize] {
            Some(bytes) => body.copy_to(&mut bytes[offset..end]),
            None => Ok(()),
        }
    }

    /// Takes it out, complete or not.
    pub fn close(&mut self, buffer: BufferId) -> Vec<u8> {
        self.open[buffer.0 as usize].take().unwrap_or_default()
    }
}
