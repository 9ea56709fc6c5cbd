//! Entry points for the project's own fault tests, fuzz targets and micro benchmarks. Nothing here
//! is part of the interface.

pub mod pieces;

use crate::checksum::CrcMode;
use crate::error::Corrupt;
use crate::ring::heap::HeapRegion;
use crate::ring::{Consumer, Producer, Region};

pub use crate::handshake::{Features, Handover, Hello, Policy, Reject, TakeOver, Welcome};
pub use crate::header::{Header, bytes_to_words};
pub use crate::memory::Address;
pub use crate::option_block::{OptionBlock, Options};
#[cfg(not(loom))]
pub use crate::seeds::{Random, each_seed};
pub use crate::session::control;
pub use crate::sys::{faults, kills};

/// Where everything lies inside of a segment.
pub mod layout {
    pub use crate::memory::layout::*;
}

/// Both ends of a ring. What would leave the ring panics.
pub struct Ring {
    memory: Memory,
    crc: CrcMode,
    producer: Producer<HeapRegion>,
    consumer: Consumer<HeapRegion>,
}

/// What both ends share: every byte and position of it may change at any time.
#[derive(Clone)]
pub struct Memory(HeapRegion);

impl Memory {
    /// What a peer claims to have written up to.
    pub fn set_write(&self, position: u64) {
        self.0.store_write(position);
    }

    /// What a peer claims to have read up to.
    pub fn set_read(&self, position: u64) {
        self.0.store_read(position);
    }

    /// The positions as they stand: written up to, and read up to.
    pub fn positions(&self) -> (u64, u64) {
        (self.0.load_write(), self.0.load_read())
    }

    /// Writes over the ring's bytes, from `offset` on and not beyond its end.
    pub fn scribble(&self, offset: usize, bytes: &[u8]) {
        let offset = offset % self.0.capacity();
        let len = bytes.len().min(self.0.capacity() - offset);
        self.0.copy_in(offset, &bytes[..len]);
    }
}

impl Ring {
    /// A ring of `capacity` bytes, a power of two, that starts at `position`, a multiple of eight.
    pub fn new(capacity: usize, crc: CrcMode, position: u64) -> Self {
        let region = HeapRegion::new(capacity);
        region.store_write(position);
        region.store_read(position);
        Self {
            producer: Producer::starting_at(region.clone(), position),
            consumer: Consumer::starting_at(region.clone(), crc, position),
            memory: Memory(region),
            crc,
        }
    }

    /// The memory it lies in.
    pub fn memory(&self) -> Memory {
        self.memory.clone()
    }

    /// Writes a frame. Returns whether there was room.
    pub fn push(&mut self, header: Header, payload: &[u8]) -> Result<bool, Corrupt> {
        let len = payload.len().min(self.producer.payload_max());
        let parts = [&payload[..len]];
        self.producer.push(header.with_len(len).sealed(self.crc, &parts), &parts)
    }

    /// Shows the reader what was written.
    pub fn publish(&mut self) {
        self.producer.publish();
    }

    /// Looks at what was published. Returns whether there is something to read.
    pub fn refresh(&mut self) -> Result<bool, Corrupt> {
        self.consumer.refresh()
    }

    /// Reads the next frame, as a link does, while `meanwhile` changes the ring between its loads.
    pub fn read(&mut self, mut meanwhile: impl FnMut()) -> Result<Option<Vec<u8>>, Corrupt> {
        if !self.consumer.peek()? {
            return Ok(None);
        }
        meanwhile();
        let header = self.consumer.frame().header;
        let mut payload = self.consumer.payload();
        if header.options() {
            payload.take_options()?;
            meanwhile();
        }
        let mut bytes = vec![0; payload.len()];
        payload.copy_to(&mut bytes)?;
        self.consumer.advance();
        Ok(Some(bytes))
    }

    /// Gives the space of what was read back.
    pub fn release(&mut self) -> bool {
        self.consumer.release()
    }
}
