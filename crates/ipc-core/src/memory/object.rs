//! Objects that processes share. Each is one segment; both sides know its kind and size before
//! either maps it, so that nothing about them is read from shared memory.
//!
//! A kind of object brings its [`layout`](super::layout), and a constructor here that knows its
//! size. Creating, sealing, naming, checking and mapping are the same for all of them.

#[cfg(not(target_family = "wasm"))]
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use super::layout::{NONCE, NONCE_LEN, segment_len};
use super::{Segment, named, sealed};
use crate::error::Result;
use crate::limits::Geometry;
use crate::sys::{BorrowedFd, OwnedFd};

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    /// The rings of one connection.
    Lanes,
    /// What one process publishes for any number of readers.
    Published,
}

/// An object as both sides have agreed on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    kind: ObjectKind,
    len: usize,
}

/// Where the memory of an object comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// A sealed memory file, passed by descriptor.
    Sealed,
    /// A named segment, found by its address.
    Named,
    /// Memory of each side's own: what one writes there is sent to the other.
    Private,
}

/// What a peer needs to find a segment and to know that it is the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The name, without the leading slash.
    pub name: String,
    /// What the segment holds at [`NONCE`](super::layout::NONCE).
    pub nonce: [u8; NONCE_LEN],
}

/// What a peer needs to map an object.
#[derive(Debug)]
pub(crate) enum Handle {
    Descriptor(OwnedFd),
    Address(Address),
    /// Nothing: it makes one of its own.
    Nothing,
}

impl Object {
    /// The rings of a connection of this geometry.
    pub fn lanes(geometry: &Geometry) -> Self {
        Self { kind: ObjectKind::Lanes, len: segment_len(geometry) }
    }

    /// A published file of this length.
    pub fn published(len: usize) -> Self {
        Self { kind: ObjectKind::Published, len }
    }

    pub fn kind(self) -> ObjectKind {
        self.kind
    }

    /// Bytes of its segment.
    pub fn len(self) -> usize {
        self.len
    }

    /// Makes it, and what the peer needs to map it too.
    pub fn create(self, backing: Backing) -> Result<(Segment, Handle)> {
        Ok(match backing {
            Backing::Sealed => {
                let (segment, memory) = sealed::create(self)?;
                (segment, Handle::Descriptor(memory))
            }
            Backing::Named => {
                let (segment, address) = named::create(self)?;
                (segment, Handle::Address(address))
            }
            Backing::Private => (Segment::private(self)?, Handle::Nothing),
        })
    }

    /// Maps one that a peer made, after checking that it is what was agreed, or makes one that is
    /// not shared.
    pub fn attach(self, handle: &Handle) -> Result<Segment> {
        match handle {
            Handle::Descriptor(memory) => sealed::attach(memory, self),
            Handle::Address(address) => named::attach(address, self),
            Handle::Nothing => Segment::private(self),
        }
    }
}

impl Handle {
    /// What goes into a message.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Address(address) => Some(address),
            Self::Descriptor(_) | Self::Nothing => None,
        }
    }

    /// What goes beside it.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Descriptor(memory) => Some(memory.as_fd()),
            Self::Address(_) | Self::Nothing => None,
        }
    }
}

/// Writes the nonce by which a named object is recognised into its head.
pub(super) fn write_nonce(segment: &Segment, nonce: [u8; NONCE_LEN]) {
    for (index, chunk) in nonce.chunks_exact(8).enumerate() {
        let word = u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
        // Relaxed: the peer learns the address over the socket, which orders everything before.
        segment.word64(NONCE + index * 8).store(word, Ordering::Relaxed);
    }
}

/// Reads it.
pub(super) fn read_nonce(segment: &Segment) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    for (index, chunk) in nonce.chunks_exact_mut(8).enumerate() {
        let word = segment.word64(NONCE + index * 8).load(Ordering::Relaxed);
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    nonce
}

#[cfg(test)]
impl Object {
    /// An object of any size, for tests of what is the same for all kinds.
    pub fn of_len(len: usize) -> Self {
        Self { kind: ObjectKind::Lanes, len }
    }
}
