//! State frames: named latest values, with one writer and any number of readers.
//!
//! ```text
//!   writer ── write ──> | slot | slot |   NAME.frame   <── read ── readers
//!              rings                                        woken, or looking by themselves
//! ```

pub(crate) mod cell;
pub(crate) mod outside;
mod reader;
mod writer;

pub use outside::FrameState;
pub use reader::{FrameHead, FrameRead, FrameStats, FrameStatus, StateFrameReader};
pub use writer::{FrameOptions, StateFrameWriter};

use crate::error::{Code, Error, Result};
use crate::published::head::{Head, OWN_WORDS, corrupt};
use cell::Cell;

/// Bytes a frame may have.
pub const FRAME_LEN_MAX: usize = 64 << 20;

/// Where the cell of a frame of this capacity lies in a file of this head.
fn cell_at(data: usize, capacity: usize) -> Cell {
    Cell::new(OWN_WORDS, data, capacity)
}

/// The cell of a file that may be anything, if its sizes agree.
fn checked_cell(head: &Head) -> Result<Cell> {
    let capacity = usize::try_from(head.shape.capacity).unwrap_or(usize::MAX);
    if capacity > FRAME_LEN_MAX || head.shape.data_len != Cell::slots_len(capacity) {
        let len = head.shape.data_len;
        let message = format!("{len} bytes of data are not two frames of {capacity} bytes");
        return Err(corrupt(message));
    }
    Ok(cell_at(head.data(), capacity))
}

fn check_capacity(capacity: usize) -> Result<()> {
    if capacity <= FRAME_LEN_MAX {
        return Ok(());
    }
    let message = format!("a frame takes at most {FRAME_LEN_MAX} bytes, got {capacity}");
    Err(Error::new(Code::InvalidArgument, message))
}

#[cfg(all(test, not(loom)))]
mod tests;
