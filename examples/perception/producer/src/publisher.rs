//! One frame of a fixed size, written for any number of readers.
//!
//! This is all there is to publish a struct: the layout stands beside the data, the library keeps
//! the magic, the version, the checksum and the double buffer.

use std::marker::PhantomData;

use ringpost::layout::Struct;
use ringpost::published::{Format, FrameConfig, StateFrameWriter};
use ringpost::{Codec, Result};

pub struct Publisher<T> {
    writer: StateFrameWriter,
    bytes: Vec<u8>,
    of: PhantomData<fn(&T)>,
}

impl<T: Struct> Publisher<T> {
    /// Becomes the one writer of this name.
    pub fn create(name: &str) -> Result<Self> {
        let layout = T::layout();
        let format = Format {
            codec: Codec::Custom,
            hash: layout.hash(),
            description: layout.description().into(),
        };
        let config = FrameConfig::new().capacity(layout.size()).format(format);
        let writer = StateFrameWriter::create(name, &config)?;
        Ok(Self { writer, bytes: vec![0; layout.size()], of: PhantomData })
    }

    /// Replaces the value for all readers, and waits for none of them.
    pub fn publish(&mut self, frame: &T) -> Result<u64> {
        frame.encode(&mut self.bytes)?;
        self.writer.write(&self.bytes)
    }

    /// Ends it, and leaves nothing behind.
    pub fn remove(self) {
        self.writer.remove();
    }
}
